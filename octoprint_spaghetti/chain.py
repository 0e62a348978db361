"""The Test button: one picture through the real chain, each step with its time, or the sentence that says where it ends.

The server and this computer are tried apart: a fallback that works must not make a broken server look well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from octoprint_spaghetti.core.errors import DetectorMissing, SpaghettiError
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Answer, Frame, as_json
from octoprint_spaghetti.ports import Parts


@dataclass(frozen=True)
class Step:
    """One step of the chain: its name, milliseconds, and what went wrong (empty when nothing did)."""

    name: str
    ms: float
    problem: str = ""


@dataclass(frozen=True)
class ChainReport:
    """What the test found: the steps that were taken, the picture if one came, and the answer if there is one.

    ``note`` says in a sentence what is not broken and yet should be known, or is empty; ``further`` are the pictures of the
    cameras beside the first one, in their order (None: it gave none).
    """

    steps: tuple[Step, ...]
    answer: Answer | None = None
    frame: Frame | None = None
    note: str = ""
    further: tuple[Frame | None, ...] = ()

    @property
    def passed(self) -> bool:
        """Return whether every step truly worked."""
        return self.answer is not None and not any(step.problem for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON types; the picture is fetched apart."""
        return {
            "passed": self.passed,
            "steps": [{"name": step.name, "ms": round(step.ms, 1), "problem": step.problem} for step in self.steps],
            "score": None if self.answer is None else round(self.answer.score, 4),
            "detector": "" if self.answer is None else self.answer.detector,
            "detections": [] if self.answer is None else [as_json(detection) for detection in self.answer.detections],
            "bytes": 0 if self.frame is None else len(self.frame.jpeg),
            "note": self.note,
        }


def try_chain(settings: Settings, build: Callable[[Settings], Parts]) -> ChainReport:
    """Set up, capture, connect and look once, then capture with each further camera, and look once more on this computer where
    it is the fallback.

    Blocks for the cameras' and the frame's deadlines at most, and for the start of this computer's detector.
    """
    report = _try_parts(replace(settings, fallback=False), build)
    if settings.detector != "server" or not settings.fallback or report.answer is None or report.frame is None:
        return report  # it ends where it breaks
    return _try_fallback(replace(settings, detector="local"), build, report, report.frame)


def _try_parts(settings: Settings, build: Callable[[Settings], Parts]) -> ChainReport:
    steps: list[Step] = []
    try:
        parts: Parts = _timed(steps, "set up", lambda: build(settings))
    except SpaghettiError:
        return ChainReport(tuple(steps))
    frame = answer = None
    further: list[Frame | None] = []
    try:
        frame = _timed(steps, "camera", parts.camera.capture)
        _timed(steps, "connect", parts.detector.check)
        answer = _timed(steps, "look", lambda: parts.detector.look(frame))
        for name, camera in zip(settings.camera_names()[1:], parts.further):
            further.append(None)
            with suppress(SpaghettiError):  # the step says it, and the next camera may do better
                further[-1] = _timed(steps, f"camera {name}", camera.capture)
    except SpaghettiError:
        pass  # the last step says it
    finally:
        parts.close()
    return ChainReport(tuple(steps), answer, frame, further=tuple(further))


def _try_fallback(settings: Settings, build: Callable[[Settings], Parts], report: ChainReport, frame: Frame) -> ChainReport:
    """Return the report with what this computer does about the same picture; that it cannot is a note, that it fails a step."""
    steps: list[Step] = []
    try:
        parts = build(settings)
    except DetectorMissing as error:
        return replace(report, note=say("Without a server the print is not watched: %(error)s", error=str(error)))

    def look() -> None:
        parts.detector.check()
        parts.detector.look(frame)

    try:
        _timed(steps, "fallback", look)
    except SpaghettiError:
        pass  # the step says it
    finally:
        parts.close()
    return replace(report, steps=(*report.steps, *steps))


def _timed(steps: list[Step], name: str, work: Callable[[], Any]) -> Any:
    """Do a step and note its time, and what went wrong, which is raised again."""
    started = time.perf_counter()
    problem = ""
    try:
        return work()
    except SpaghettiError as error:
        problem = str(error)
        raise
    finally:
        steps.append(Step(name, (time.perf_counter() - started) * 1e3, problem))
