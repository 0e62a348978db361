"""One compact file per watched print, so that yesterday's print can be judged again today.

JSON lines: a head, then an array per sighting, ``[seconds, score, [brightness, contrast, sharpness], [[l, t, r, b, confidence], ...]]``.
A day at one frame every five seconds is about half a megabyte. A line is on its way to the disk when it is added, and
a file that was cut off anywhere is readable up to there.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Answer, Detection, Heatmap, Scene, Sighting

SUFFIX = ".trace.jsonl"
_FORMAT = 1
#: Boxes of a sighting that are kept, strongest first.
_MOST_BOXES = 5


class TraceFolder:
    """Writes the trace of one print at a time below ``folder``, and keeps the newest ``kept``."""

    def __init__(self, folder: Path, kept: int) -> None:
        """Use ``folder``, which is made when the first trace begins."""
        self._folder = folder
        self.kept = kept  # may be changed at any time
        self._stream: TextIO | None = None
        self._started = 0.0

    def begin(self, print_name: str, at: float, wall: float) -> None:
        """Begin a trace: ``at`` monotonic seconds, ``wall`` Unix time. Raises :class:`EvidenceError`."""
        self.end()
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall)) + SUFFIX
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._stream = (self._folder / name).open("w", encoding="utf-8", buffering=1)  # a line at a time
            self._started = at
            self._write({"format": _FORMAT, "print": print_name, "started_at": round(wall, 3)})
            self._prune()
        except OSError as error:
            self._give_up(error)

    def add(self, sighting: Sighting) -> None:
        """Add a sighting to the trace that has begun, if one has. Raises :class:`EvidenceError`, once."""
        if self._stream is None:
            return
        try:
            self._write(_row(sighting, self._started))
        except OSError as error:
            self._give_up(error)

    def end(self) -> None:
        """Close the trace; does nothing when none has begun."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _write(self, content: Any) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps(content, separators=(",", ":")) + "\n")

    def _give_up(self, error: OSError) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(OSError):  # what could not be written cannot be flushed either
                stream.close()
        raise EvidenceError(
            f"The trace of this print cannot be written ({error.strerror}); check space and rights of {self._folder}."
        ) from error

    def _prune(self) -> None:
        for old in sorted(self._folder.glob(f"*{SUFFIX}"), reverse=True)[self.kept :]:
            old.unlink()


def read_trace(file: Path) -> list[Sighting]:
    """Return the sightings of a trace, up to where it was cut off; their seconds count from the start of the print.

    Raises :class:`EvidenceError` when the file is no trace.
    """
    try:
        head, *rows = file.read_text(encoding="utf-8").splitlines()
        if json.loads(head)["format"] != _FORMAT:
            raise ValueError("a format of another version")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(f"{file} is not a trace of a print ({error}).") from error
    sightings = []
    for row in rows:
        try:
            sightings.append(_sighting(json.loads(row)))
        except (ValueError, TypeError):
            break
    return sightings


def _row(sighting: Sighting, started: float) -> list[Any]:
    answer = sighting.answer
    scene = [round(value, 2) for value in (answer.scene.brightness, answer.scene.contrast, answer.scene.sharpness)]
    boxes = [
        [*(round(value, 3) for value in seen.box.xyxy), round(seen.confidence, 2)] for seen in answer.detections[:_MOST_BOXES]
    ]
    return [round(sighting.at - started, 2), round(answer.score, 3), scene, boxes]


def _sighting(row: list[Any]) -> Sighting:
    at, score, scene, boxes = row
    detections = tuple(Detection(Box(*corners), confidence, "spaghetti") for *corners, confidence in boxes)
    return Sighting(float(at), Answer(float(score), detections, Scene(*scene), Heatmap(0, 0, b""), b"", "trace"))
