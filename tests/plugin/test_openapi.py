"""The description of the REST routes says all of them, and nothing that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "octoprint_spaghetti"
DESCRIPTION = json.loads((PACKAGE / "static" / "openapi.json").read_text(encoding="utf-8"))
_ROUTE = re.compile(
    r'BlueprintPlugin\.route\("(?P<path>[^"]+)", methods=\["(?P<method>\w+)"\]\)\n(?P<guards>(?:\s+@.*\n)+)\s+def (?P<name>\w+)'
)


def routes() -> dict[tuple[str, str], str]:
    """Return what stands above each route of the code, by path and method."""
    found = {}
    for file in sorted(PACKAGE.glob("*api.py")):
        for match in _ROUTE.finditer(file.read_text(encoding="utf-8")):
            path = re.sub(r"<(\w+)>", r"{\1}", match["path"])
            found[path, match["method"].lower()] = match["guards"]
    return found


def described() -> dict[tuple[str, str], dict]:
    return {(path, method): operation for path, ways in DESCRIPTION["paths"].items() for method, operation in ways.items()}


def test_every_route_is_described_and_nothing_else() -> None:
    """Who adds a route describes it."""
    assert set(routes()) == set(described())


@pytest.mark.parametrize("route", sorted(routes()), ids=" ".join)
def test_the_description_names_the_permission_that_the_route_needs(route: tuple[str, str]) -> None:
    """Each route is guarded, by what the description says."""
    needed = re.findall(r"Permissions\.(\w+)\.require", routes()[route])
    assert needed
    for permission in needed:
        assert permission in described()[route]["description"]


def test_every_schema_is_used_and_known() -> None:
    """No reference leads nowhere, and no schema lies idle."""
    text = json.dumps(DESCRIPTION)
    used = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert used == set(DESCRIPTION["components"]["schemas"])
