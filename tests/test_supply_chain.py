"""What comes from others: every version is locked, every licence of what reaches a printer is known to fit ours."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib")
pytest.importorskip("packaging")
from packaging.requirements import Requirement  # noqa: E402 - only after it is known that it can be imported
from packaging.version import Version  # noqa: E402

from scripts import licences  # noqa: E402

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "scripts" / "locks").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
#: For each system, Python from 3.11 on: what the lock of an environment must hold.
PYTHONS = ("3.11", "3.12", "3.13")


def locked(lock: Path, python: str) -> dict[str, Version]:
    """Return the versions that a lock file names for a Python on Linux."""
    system = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    lines = [Requirement(line) for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return {
        licences.canonical(line.name): Version(next(iter(line.specifier)).version)
        for line in lines
        if line.marker is None or line.marker.evaluate(system)
    }


@pytest.mark.parametrize("lock", LOCKS, ids=[lock.stem for lock in LOCKS])
def test_a_lock_names_one_version_of_each_and_no_place(lock: Path) -> None:
    """Each line is a name, an exact version and perhaps a system: no address, no path, nothing that is taken from elsewhere."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( ; [^@/]+)?", line), line


@pytest.mark.parametrize("python", PYTHONS)
def test_what_the_project_asks_for_is_locked_in_its_range(python: str) -> None:
    """Every requirement of the tests, the demonstration and the server has a version that it accepts; else run scripts/lock."""
    server = "server" if python < "3.13" else "edge"
    texts = [
        *PROJECT["dependencies"],
        *(text for extra in (server, "demo", "gateway", "test", "train") for text in EXTRAS[extra]),
    ]
    versions = locked(ROOT / "scripts/locks/tests-and-demo.txt", python)
    for text in texts:
        wanted = Requirement(text)
        version = versions.get(licences.canonical(wanted.name))
        assert version is not None, f"{wanted.name} is not locked; run scripts/lock"
        assert version in wanted.specifier, f"{wanted} is locked at {version}; run scripts/lock"


@pytest.mark.parametrize("version", ["1.11.8", "2.0.0rc7"])
def test_each_octoprint_that_is_tested_has_a_lock(version: str) -> None:
    """OctoPrint itself, and what the plugin adds to it."""
    versions = locked(ROOT / f"scripts/locks/octoprint-{version}.txt", "3.11")
    assert versions["octoprint"] == Version(version)
    assert {licences.canonical(Requirement(text).name) for text in PROJECT["dependencies"]} <= versions.keys()


def test_the_environment_of_the_tests_is_the_one_that_is_locked() -> None:
    """What these tests ran with can be set up again: a distribution of the plugin's own is here in the locked version."""
    versions = locked(ROOT / "scripts/locks/tests-and-demo.txt", ".".join(map(str, sys.version_info[:2])))
    here = {name: Version(found.version) for name, found in licences.needed(extras=("",)) if found is not None}
    assert here.keys() <= versions.keys()
    assert {name: version for name, version in here.items() if version != versions[name]} == {}


def test_every_licence_that_reaches_a_printer_fits_ours() -> None:
    """The plugin's own requirements and those of the detector on the Pi, down to the last one."""
    found = dict(licences.needed())
    assert {"grpcio", "protobuf", "apprise", "paho-mqtt", "onnxruntime", "numpy"} <= found.keys()
    said = {name: licences.licence_of(one) for name, one in found.items() if one is not None}
    assert {name: licence for name, licence in said.items() if not licences.is_compatible(licence)} == {}


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("MIT", True),
        ("LGPL-3.0-or-later", True),
        ("EPL-2.0 OR BSD-3-Clause", True),
        ("BSD-3-Clause AND MIT", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("EPL-2.0", False),
        ("MIT AND CC-BY-NC-4.0", False),
        ("(MIT OR EPL-2.0) AND SSPL-1.0", False),
        ("GPL-2.0-only", False),
        ("Proprietary", False),
        ("not named", False),
    ],
)
def test_a_licence_fits_when_it_is_known_to(expression: str, fits: bool) -> None:
    """One side of an OR is enough, both of an AND are needed, and what is not known does not fit."""
    assert licences.is_compatible(expression) is fits
