"""Read the traces that ``traces.py`` writes, of this version and of format 1, up to where they were cut off.

A file may come from a stranger: a row that cannot be is where reading ends, as if the file did.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octoprint_spaghetti.adapters.traces import FORMAT
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.recording import MID_PRINT_S, Lost, Recording, Row, Seen, Told
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Answer, Detection, Heatmap, Scene, Sighting

#: What is not told of a frame of a trace.
_NO_HEATMAP = Heatmap(0, 0, b"")
_UNKNOWN_SCENE = Scene(0.5, 0.5, 0.5)
_LABEL = "spaghetti"
#: A head is short; a file without line ends is not read whole to find out.
_LONGEST_LINE = 100_000
#: Thirty years: no print lasts as long, and differences of such seconds are numbers.
_LONGEST_S = 1e9
#: What a row that cannot be raises when it is read: wrong JSON, wrong types, missing names, numbers without end, nesting without end.
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Trace:
    """A trace on disk: its head, and its rows, which are read anew each time they are iterated over.

    ``camera`` names the camera it is of, empty for the first one of a print.
    """

    file: Path
    format: int
    print_name: str
    started_at: float
    camera: str = ""

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows; seconds count from the start of the print, frames from 1."""
        reader = _Reader()
        if self.format == 1:  # it knew no events: taken to extrude, as pictures are
            yield Told(PrintEvent.EXTRUSION_BEGAN, -MID_PRINT_S)
        with self.file.open("rb") as lines:
            lines.readline(_LONGEST_LINE)
            while line := lines.readline(_LONGEST_LINE):
                try:
                    row = reader.row(json.loads(line))
                except _MALFORMED:
                    return
                if row is not None:
                    yield row


def recorded(file: Path) -> Recording:
    """Return what a trace holds; one with events goes on after a pause. Raises :class:`EvidenceError`."""
    trace = open_trace(file)
    return Recording(trace, -MID_PRINT_S) if trace.format == 1 else Recording(trace, 0.0, goes_on=True)


def open_trace(file: Path) -> Trace:
    """Read the head of a trace; raises :class:`EvidenceError` when the file is none, or one of a later version."""
    try:
        with file.open("rb") as lines:
            found = json.loads(lines.readline(_LONGEST_LINE))
        version = found["format"]
        started_at = _finite(found.get("started_at", 0.0))
        trace = Trace(file, version, str(found.get("print", "")), started_at, str(found.get("camera", "")))
    except OSError as error:
        raise EvidenceError(say("%(file)s cannot be read (%(reason)s).", file=file, reason=error.strerror)) from error
    except _MALFORMED as error:
        raise EvidenceError(say("%(file)s is not a trace of a print.", file=file)) from error
    if version not in (1, FORMAT):
        raise EvidenceError(say("%(file)s is not a trace that this version can read; update the plugin.", file=file))
    return trace


@dataclass
class _Reader:
    """What earlier rows have said and later ones do not repeat."""

    count: int = 0
    detector: str = "trace"
    scene: Scene = _UNKNOWN_SCENE
    thumbnail: bytes = b""
    said: dict[str, Any] = field(default_factory=lambda: {"layer": None, "z": None, "busy": ""})

    def row(self, content: Any) -> Row | None:
        """Return what a row says, None for one that only changes what later rows mean."""
        if isinstance(content, list):
            self.count += 1
            return Seen(self.count, self._first_format(content) if _is_first_format(content) else self._sighting(content))
        at = _second(content["at"])
        if "event" in content:
            return Told(PrintEvent(content["event"]), at)
        if "lost" in content:
            return Lost(str(content["lost"]), at)
        self.detector = str(content["detector"])
        return None

    def _sighting(self, row: list[Any]) -> Sighting:
        at, score, *rest = row
        place = next((part for part in rest if isinstance(part, list)), None)
        changed = next((part for part in rest if isinstance(part, dict)), {})
        if changed:
            self._take(changed)
        position = None if place is None else (_finite(place[0]), _finite(place[1]), float(self.said["z"] or 0.0))
        return Sighting(
            _second(at), self._answer(score, changed.get("boxes", ())), self.said["layer"], position, self.said["busy"]
        )

    def _take(self, changed: dict[str, Any]) -> None:
        if "scene" in changed:
            self.scene = _scene(changed["scene"])
        if "thumbnail" in changed:
            self.thumbnail = base64.b64decode(changed["thumbnail"], validate=True)
        if "layer" in changed:
            self.said["layer"] = None if changed["layer"] is None else int(changed["layer"])
        if "z" in changed:
            self.said["z"] = None if changed["z"] is None else _finite(changed["z"])
        if "busy" in changed:
            self.said["busy"] = str(changed["busy"])

    def _first_format(self, row: list[Any]) -> Sighting:
        at, score, scene, boxes = row
        return Sighting(_second(at), dataclasses.replace(self._answer(score, boxes), scene=_scene(scene)))

    def _answer(self, score: Any, boxes: Any) -> Answer:
        detections = tuple(Detection(Box(*corners), _share(confidence), _LABEL) for *corners, confidence in boxes)
        return Answer(_share(score), detections, self.scene, _NO_HEATMAP, self.thumbnail, self.detector)


def _is_first_format(row: list[Any]) -> bool:
    return len(row) == 4 and isinstance(row[3], list)


def _scene(values: Any) -> Scene:
    return Scene(*(_share(value) for value in values))


def _share(value: Any) -> float:
    number = _finite(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{number} is no share")
    return number


def _second(value: Any) -> float:
    number = _finite(value)
    if abs(number) > _LONGEST_S:
        raise ValueError(f"{number} is no second of a print")
    return number


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    return number
