"""What the settings page must know of each setting, read from where they are defined; labels and groups stand in the template."""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from octoprint_spaghetti.core import patience as patience_module
from octoprint_spaghetti.core.environment import variable
from octoprint_spaghetti.core.kinds import Choice, Number, Text
from octoprint_spaghetti.core.patience import LEAST_SENSITIVE, MOST_SENSITIVE, Patience, describe_number, names
from octoprint_spaghetti.core.settings import Settings, describe

#: What the simulation measured for each position of the slider; the page does without it when it is not there.
_MEASURED = Path(patience_module.__file__).with_name("sensitivity.json")


def described_settings(locked: Container[str] = ()) -> dict[str, dict[str, Any]]:
    """Return for each setting its ``kind``, ``default`` and ``sentence``, and its range and unit, words, or longest text.

    ``locked`` ones are given by the environment: they name its variable. Nothing is translated here: OctoPrint asks once
    for all languages, the template is rendered for each.
    """
    described = {}
    for name, default in Settings.defaults().items():
        kind, sentence = describe(name)
        described[name] = {**_about(kind), "sentence": sentence, "default": default}
        if name in locked:
            described[name]["locked"] = variable(name)
    return described


def described_numbers() -> list[dict[str, Any]]:
    """Return the numbers of the judge in order, each with ``name``, ``kind``, ``default``, ``sentence``, and its range and unit."""
    usual = Patience()
    described = []
    for name in names():
        kind, sentence = describe_number(name)
        described.append({"name": name, **_about(kind), "sentence": sentence, "default": getattr(usual, name)})
    return described


def described_sensitivity(measured: Path = _MEASURED) -> list[dict[str, Any]]:
    """Return for each position of the slider the levels it sets, and what was measured at it, if it was.

    ``measured`` holds, per position, false pauses in 1,000 hours of good prints with their interval, and seconds to a pause.
    """
    known = {row["sensitivity"]: row for row in _read(measured)}
    positions = range(round(LEAST_SENSITIVE), round(MOST_SENSITIVE) + 1)
    return [{**_levels(position), "measured": known.get(position)} for position in positions]


def _about(kind: Any) -> dict[str, Any]:
    about: dict[str, Any] = {"kind": type(kind).__name__.lower()}
    if isinstance(kind, Number):
        about.update(low=kind.low, high=kind.high, unit=kind.unit)
    if isinstance(kind, Choice):
        about["words"] = list(kind.words)
    if isinstance(kind, Text):
        about["longest"] = kind.longest
    return about


def _levels(position: float) -> dict[str, Any]:
    at = Patience().at_sensitivity(position)
    moved = {name: round(getattr(at, name), 2) for name in ("suspect_at", "failing_at", "hit_at")}
    return {"sensitivity": position, **moved}


def _read(measured: Path) -> list[dict[str, Any]]:
    if not measured.is_file():
        return []
    return list(json.loads(measured.read_text(encoding="utf-8"))["positions"])
