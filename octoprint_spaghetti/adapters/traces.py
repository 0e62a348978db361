"""One compact file per watched print, so that yesterday's print can be judged again today.

JSON lines, so that any tool can read them. A head, ``{"format": 2, "print": ..., "started_at": ...}`` (with ``"camera"`` for
the second of several cameras and those behind it, each of which has a file of its own), then a line per

- frame that was answered for: ``[seconds, score]``, with the tool's ``[x, y]`` in whole mm where it is known, and an object of
  what it shows (``"boxes": [[l, t, r, b, confidence], ...]``) and of what has changed since the frame before (``"scene"``,
  ``"layer"``, ``"z"``, ``"busy"``, ``"thumbnail"``; null: not known any more);
- event: ``{"at": seconds, "event": "paused"}``;
- time without an answer: ``{"at": seconds, "lost": "why"}``, up to the next frame;
- change of who looks: ``{"at": seconds, "detector": name}``.

A line is with the operating system when it is added, so a process that is killed loses none; only a power cut can take
the last seconds (no fsync: it would cost an SD card a write per frame). A file that was cut off is readable up to there.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import sub
from pathlib import Path
from typing import Any, TextIO

from octoprint_spaghetti.core import scene_health
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Answer, Scene, Sighting

SUFFIX = ".trace.jsonl"
FORMAT = 2
#: Boxes of a frame that are kept, strongest first, and the confidence below which no policy looks at one (Obico's least is 0.08).
_MOST_BOXES, _LEAST_CONFIDENCE = 5, 0.05
#: A scene value that moved by less is not written again; noise and a moving toolhead stay below.
_SCENE_STEP = 0.03
#: Mean difference of two thumbnails, in levels of 255, from which the picture is another one.
_THUMBNAIL_STEP = 8.0
#: A thumbnail is 1 kB: so many at once, and one more for so many seconds, which bounds a day to 170 kB.
_THUMBNAILS_AT_ONCE, _THUMBNAIL_EVERY_S = 24.0, 600.0
#: A reason is a sentence; a server's may be a page.
_LONGEST_REASON = 200
#: Bytes of a line at the very most: a thumbnail, some boxes and a reason.
_LONGEST_LINE = 16_384


@dataclass(frozen=True)
class _Print:
    """A print that began at monotonic second ``at``, Unix time ``wall``."""

    name: str
    at: float
    wall: float


class TraceFolder:
    """Writes the trace of one print at a time below ``folder``, and keeps those of the newest ``kept`` prints.

    ``camera`` is named in it where it is not the first one.
    """

    def __init__(self, folder: Path, kept: int, camera: str = "") -> None:
        """Use ``folder``, which is made when the first trace begins."""
        self._camera = camera
        self._folder = folder
        self.kept = kept  # may be changed at any time
        self._stream: TextIO | None = None
        self._print: _Print | None = None  # the one whose trace has begun
        self._file: Path | None = None
        self._rows = RowWriter(0.0)

    def begin(self, print_name: str, at: float, wall: float) -> None:
        """Begin a trace: ``at`` monotonic seconds, ``wall`` Unix time. Raises :class:`EvidenceError`."""
        self.end()
        self._print, self._rows = _Print(print_name, at, wall), RowWriter(at)
        self._write()

    def add(self, sighting: Sighting) -> None:
        """Add a sighting to the trace that has begun, if one has. Raises :class:`EvidenceError`, and tries again the next time."""
        self._write(*self._rows.seen(sighting))

    def tell(self, event: PrintEvent, at: float) -> None:
        """Add what happened at monotonic second ``at``. Raises :class:`EvidenceError`."""
        self._write(self._rows.told(event, at))

    def lost(self, why: str, at: float) -> None:
        """Add that since ``at`` there is no answer; the same reason again adds nothing. Raises :class:`EvidenceError`."""
        self._write(*self._rows.lost(why, at))

    def end(self) -> None:
        """Close the trace; does nothing when none has begun."""
        stream, self._stream = self._stream, None
        self._print = self._file = None
        if stream is not None:
            with suppress(OSError):  # of a disk that is full
                stream.close()

    def _write(self, *contents: Any) -> None:
        """Write, after opening the file where that was not done or the disk refused the last lines: it may be well again."""
        if self._print is None:
            return
        try:
            if self._stream is None:
                self._stream = self._opened(self._print)
            for content in contents:
                self._stream.write(_line(content))
        except OSError as error:
            self._give_up(error, self._print)

    def _opened(self, begun: _Print) -> TextIO:
        if self._file is not None and self._file.exists():
            return _without_torn_line(self._file)
        self._folder.mkdir(parents=True, exist_ok=True)
        stream = _new_file(self._folder, _named_after(begun))
        try:
            stream.write(_line(head(begun.name, begun.wall, self._camera)))
        except OSError:
            with suppress(OSError):
                stream.close()
            Path(stream.name).unlink()
            raise
        self._file = Path(stream.name)
        self._prune(begun)
        return stream

    def _give_up(self, error: OSError, begun: _Print) -> None:
        stream, self._stream = self._stream, None
        self._rows = RowWriter(begun.at)  # what had changed was not written: all of it is told anew
        if stream is not None:
            with suppress(OSError):  # what could not be written cannot be flushed either
                stream.close()
        raise EvidenceError(
            say(
                "The trace of this print cannot be written (%(reason)s); check space and rights of %(folder)s.",
                reason=error.strerror,
                folder=self._folder,
            )
        ) from error

    def _prune(self, begun: _Print) -> None:
        """Delete the oldest prints beyond ``kept``, all cameras of each; never this one, however a clock that was set back has named it."""
        this = _named_after(begun)
        prints = groupby(newest_first(self._folder), key=lambda file: _begun(file)[0])
        others = [tuple(files) for second, files in prints if second != this]
        for old in others[self.kept - 1 :]:
            for file in old:
                file.unlink()


class RowWriter:
    """Turns what happens into rows of plain JSON types, leaving out what has not changed."""

    def __init__(self, started: float) -> None:
        """Count seconds from ``started``."""
        self._started = started
        self._detector = ""
        self._scene: Scene | None = None
        self._said: dict[str, Any] = {"layer": None, "z": None, "busy": ""}
        self._why = ""
        self._thumbnails = _Thumbnails()

    def seen(self, sighting: Sighting) -> list[Any]:
        """Return the row of a sighting, after one that names the detector when it is another than before."""
        answer, at = sighting.answer, self._seconds(sighting.at)
        self._why = ""
        changed = self._boxes(answer) | self._scene_change(answer.scene) | self._changes(sighting)
        if self._thumbnails.wanted(answer.thumbnail, sighting.at):
            changed["thumbnail"] = base64.b64encode(answer.thumbnail).decode()
        row = [at, round(answer.score, 4), *self._place(sighting), *([changed] if changed else [])]
        if answer.detector == self._detector:
            return [row]
        self._detector = answer.detector
        return [{"at": at, "detector": answer.detector}, row]

    def told(self, event: PrintEvent, at: float) -> dict[str, Any]:
        """Return the row of an event."""
        return {"at": self._seconds(at), "event": event.value}

    def lost(self, why: str, at: float) -> list[Any]:
        """Return the row of a time without answers, or none when it was said already."""
        if why == self._why:
            return []
        self._why = why
        return [{"at": self._seconds(at), "lost": why[:_LONGEST_REASON]}]

    def _seconds(self, at: float) -> float:
        return round(at - self._started, 2)

    @staticmethod
    def _place(sighting: Sighting) -> list[list[int]]:
        return [] if sighting.position is None else [[round(sighting.position[0]), round(sighting.position[1])]]

    @staticmethod
    def _boxes(answer: Answer) -> dict[str, Any]:
        boxes = [
            [*(round(value, 3) for value in seen.box.xyxy), round(seen.confidence, 3)]
            for seen in answer.detections[:_MOST_BOXES]
            if seen.confidence >= _LEAST_CONFIDENCE
        ]
        return {"boxes": boxes} if boxes else {}

    def _scene_change(self, scene: Scene) -> dict[str, Any]:
        """Return the scene when it moved, or when it turned from one that can be judged to one that cannot, or back."""
        before = self._scene
        if before is not None and scene_health.problem(scene) == scene_health.problem(before):
            moved = max(abs(new - old) for new, old in zip(_values(scene), _values(before)))
            if moved < _SCENE_STEP:
                return {}
        self._scene = scene
        return {"scene": [round(value, 3) for value in _values(scene)]}

    def _changes(self, sighting: Sighting) -> dict[str, Any]:
        z = None if sighting.position is None else round(sighting.position[2], 2)
        now = {"layer": sighting.layer, "z": z, "busy": sighting.busy}
        changed = {name: value for name, value in now.items() if value != self._said[name]}
        self._said = now
        return changed


class _Thumbnails:
    """Lets a thumbnail through when it shows something else than the last one, and not too many of them."""

    def __init__(self) -> None:
        self._last = b""
        self._left = _THUMBNAILS_AT_ONCE
        self._at: float | None = None

    def wanted(self, thumbnail: bytes, at: float) -> bool:
        """Return whether this one is to be kept."""
        passed = 0.0 if self._at is None else max(0.0, at - self._at)
        self._left = min(_THUMBNAILS_AT_ONCE, self._left + passed / _THUMBNAIL_EVERY_S)
        self._at = at
        if not thumbnail or self._left < 1.0 or not self._differs(thumbnail):
            return False
        self._last = thumbnail
        self._left -= 1.0
        return True

    def _differs(self, thumbnail: bytes) -> bool:
        if len(thumbnail) != len(self._last):
            return True
        return sum(map(abs, map(sub, thumbnail, self._last))) >= _THUMBNAIL_STEP * len(thumbnail)


def newest_first(folder: Path) -> list[Path]:
    """Return the traces of ``folder``, the one that began last first; of two that began in one second the higher number is newer."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=_begun, reverse=True)


def _begun(file: Path) -> tuple[str, int]:
    second, _, number = file.name.removesuffix(SUFFIX).partition("-")
    return second, int(number) if number.isdecimal() else 1


def _named_after(begun: _Print) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(begun.wall))


def head(print_name: str, wall: float, camera: str = "") -> dict[str, Any]:
    """Return the first row of a trace; ``wall`` is the Unix time at which the print began."""
    named = {"camera": camera} if camera else {}
    return {"format": FORMAT, "print": print_name, "started_at": round(wall, 3), **named}


def _line(content: Any) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"


def _values(scene: Scene) -> tuple[float, float, float]:
    return scene.brightness, scene.contrast, scene.sharpness


def _new_file(folder: Path, name: str) -> TextIO:
    """Open a file that was not there before: two prints may begin in one second, or on a computer that forgot the time."""
    for number in itertools.count(1):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}{SUFFIX}"
        with suppress(FileExistsError):
            return path.open("x", encoding="utf-8", buffering=1)  # a line at a time
    raise AssertionError("counting has no end")


def _without_torn_line(file: Path) -> TextIO:
    """Open a file to go on behind its last whole line."""
    with file.open("r+b") as whole:
        size = whole.seek(0, os.SEEK_END)
        start = whole.seek(max(0, size - _LONGEST_LINE))
        whole.truncate(start + whole.read().rfind(b"\n") + 1)
    return file.open("a", encoding="utf-8", buffering=1)
