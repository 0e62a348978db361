"""From a folder of pictures, or the trace of a print, to what a policy can replay: numbers, times, answers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

from octoprint_spaghetti.adapters.traces import read_trace
from octoprint_spaghetti.checking import check_picture, find_pictures
from octoprint_spaghetti.core.errors import SettingRefused
from octoprint_spaghetti.core.judge import Patience
from octoprint_spaghetti.core.words import Sighting
from octoprint_spaghetti.ports import Detector


def sightings(folder: Path, detector: Detector, interval: float) -> tuple[list[tuple[int, Sighting]], list[str]]:
    """Look at every picture of a folder, one each ``interval`` seconds; return numbered sightings, and problems in words.

    A picture that cannot be looked at leaves a gap in time, as it would have in the print.
    """
    frames, problems = [], []
    for place, file in enumerate(sorted(find_pictures([folder]), key=natural_order)):
        checked = check_picture(file, detector)
        if checked.answer is None:
            problems.append(checked.problem)
        else:
            frames.append((frame_number(file, place), Sighting(place * interval, checked.answer)))
    return frames, problems


def traced(file: Path) -> list[tuple[int, Sighting]]:
    """Return the numbered sightings of a trace that the plugin wrote; raises :class:`EvidenceError`."""
    return list(enumerate(read_trace(file), 1))


def changed_patience(changes: Iterable[str]) -> Patience:
    """Return the judge's numbers with ``name=value`` changes; raises :class:`SettingRefused`."""
    types = {name: type(value) for name, value in dataclasses.asdict(Patience()).items()}
    values = {}
    for change in changes:
        name, _, value = change.partition("=")
        if name not in types:
            raise SettingRefused(name, f"The judge has no number named {name!r}; it has {', '.join(types)}.")
        try:
            values[name] = types[name](value)
        except ValueError:
            raise SettingRefused(name, f"{name} must be a number, not {value!r}.") from None
    return dataclasses.replace(Patience(), **values)


def frame_number(file: Path, place: int) -> int:
    """Return the digits at the end of a file's name as a number, or its ``place`` (from 0) counted from 1 when it has none."""
    digits = re.search(r"(\d+)$", file.stem)
    return int(digits[1]) if digits else place + 1


def natural_order(file: Path) -> list[tuple[int, str]]:
    """Return a sort key that compares runs of digits by value: ``frame9`` comes before ``frame10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(file).lower()) if part]
