"""The Test button: one picture through the real chain, each step with its time, or the sentence that says where it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core.errors import SpaghettiError
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
    """What the test found: the steps that were taken, the picture if one came, and the answer if all of them went well."""

    steps: tuple[Step, ...]
    answer: Answer | None = None
    frame: Frame | None = None

    @property
    def passed(self) -> bool:
        """Return whether every step truly worked."""
        return self.answer is not None

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON types; the picture is fetched apart."""
        return {
            "passed": self.passed,
            "steps": [{"name": step.name, "ms": round(step.ms, 1), "problem": step.problem} for step in self.steps],
            "score": None if self.answer is None else round(self.answer.score, 4),
            "detector": "" if self.answer is None else self.answer.detector,
            "detections": [] if self.answer is None else [as_json(detection) for detection in self.answer.detections],
            "bytes": 0 if self.frame is None else len(self.frame.jpeg),
        }


def try_chain(settings: Settings, build: Callable[[Settings], Parts]) -> ChainReport:
    """Set up, capture, connect and look once; blocks for the camera's and the frame's deadlines at most."""
    steps: list[Step] = []

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            result = work()
        except SpaghettiError as error:
            steps.append(Step(name, (time.perf_counter() - started) * 1e3, str(error)))
            raise
        steps.append(Step(name, (time.perf_counter() - started) * 1e3))
        return result

    try:
        parts: Parts = timed("set up", lambda: build(settings))
    except SpaghettiError:
        return ChainReport(tuple(steps))
    frame = answer = None
    try:
        frame = timed("camera", parts.camera.capture)
        timed("connect", parts.detector.check)
        answer = timed("look", lambda: parts.detector.look(frame))
    except SpaghettiError:
        pass  # the last step says it
    finally:
        parts.detector.close()
        parts.camera.close()
    return ChainReport(tuple(steps), answer, frame)
