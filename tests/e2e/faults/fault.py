"""One fault as data, and what was seen of it: broken, said, healed, seen again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.e2e.faults.bench import Bench
from tests.e2e.faults.stage import Stage

#: A busy machine's time for what takes seconds: a print that begins to be watched.
GREEN_S = 90.0
_SAMPLE_S = 0.1
#: What a person reads of a print of which there is nothing to say but what is thought of it.
CALM = "evidence"
#: After its sentence came, a fault lasts on for this long: what is said must stay said. One that the print is to be watched
#: through lasts for several deadlines.
LASTING_S, LASTING_WATCHED_S = 1.5, 8.0


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    ``open`` gives the printer's computer it happens to, ``inject`` breaks something and heals it at the end of its block; it
    may give the second from which is counted. While it lasts the lamp shows ``lamp`` (a pattern, of the whole word) and a
    person reads what the pattern ``says``; within ``within_s`` seconds both must
    be so. ``most_lost`` bounds the pictures that nobody looked at, where they can be counted on; after healing the print is
    watched again within ``again_s`` seconds, by whom it was before, and the sentence is gone, unless it ``lasts``; with
    ``again`` false the row ends before that. The lamp may be green for ``green_s`` seconds without an answer at most.
    ``untouched`` is false for the rows in which the print has to be paused.
    """

    name: str
    injected: str
    open: Callable[[Stage], AbstractContextManager[Bench]]
    inject: Callable[[Bench], AbstractContextManager[float | None]]
    lamp: str
    says: str
    within_s: float = 45.0
    again_s: float = 60.0
    most_lost: int | None = None
    green_s: float = 30.0
    again: bool = True
    lasts: bool = False
    untouched: bool = True

    @property
    def id(self) -> str:
        """The name for pytest."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.name).strip("-")


@dataclass(frozen=True)
class Outcome:
    """What was seen: the lamp and sentence of the fault, after how many seconds, and what it cost.

    ``lost`` counts the pictures that were due and that nobody looked at; ``unseen_s`` is the longest time between two answers,
    and ``green_s`` the longest without one under a lamp that was still green. ``again_s`` passed from healing until all was as
    before. ``touched`` holds what became of the job beside printing on. ``problem`` says what was not as it must be; empty
    when all was.
    """

    where: str
    lamp: str = ""
    sentence: str = ""
    said_s: float = 0.0
    lost: int = 0
    unseen_s: float = 0.0
    green_s: float = 0.0
    again_s: float | None = None
    touched: str = ""
    problem: str = ""


def lamp_of(status: dict[str, Any]) -> str:
    """Return the word of the lamp in the page for a status; mirrors ``state`` in ``static/js/watch.js``."""
    calm = status["verdict"] in ("warming_up", "watching")
    return "unprotected" if calm and status["protection"]["level"] == "unprotected" else str(status["verdict"])


@dataclass
class Watching:
    """Samples a bench and remembers what must not be missed between two looks."""

    bench: Bench
    answers: int = 0
    answered_at: float = field(default_factory=time.monotonic)
    unseen_s: float = 0.0
    green_s: float = 0.0
    touched: str = ""

    def sample(self) -> dict[str, Any]:
        """Return the status of now."""
        status, now = self.bench.status(), time.monotonic()
        if status["answers"] != self.answers:
            self.unseen_s = max(self.unseen_s, now - self.answered_at)
            self.answers, self.answered_at = status["answers"], now
        if _is_calm(status):
            self.green_s = max(self.green_s, now - self.answered_at)
        self.touched = self.touched or self.bench.touched()
        return status

    def until(self, true: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any] | None:
        """Return the first status for which it is so, or None when there was none in time, nor right after it."""
        end = time.monotonic() + seconds
        while True:
            late, status = time.monotonic() > end, self.sample()
            if true(status):
                return status
            if late:
                return None
            time.sleep(_SAMPLE_S)


def withstand(fault: Fault, stage: Stage) -> Outcome:
    """Let the fault happen to a print that is watched, heal it, and return what was seen of it."""
    with fault.open(stage) as bench:
        watching = Watching(bench)
        calm = watching.until(_is_as_wanted, GREEN_S)
        if calm is None:
            return Outcome(bench.where, problem=f"not watched before the fault: {bench.said(bench.status())}")
        level, lost, began = calm["protection"]["level"], bench.lost(), time.monotonic()
        watching.unseen_s, watching.green_s, watching.touched = 0.0, 0.0, ""
        with fault.inject(bench) as since:
            began = began if since is None else since
            status = watching.until(lambda status: _is_as_said(fault, bench, status), fault.within_s)
            said_s = time.monotonic() - began
            if status is None:
                status = watching.sample()
                sentence, problem = " | ".join(bench.said(status)), f"not said within {fault.within_s:.0f} s"
            else:
                sentence, problem = _matching(fault, bench.said(status)), ""
                problem = _stays(fault, watching)
        again_s = None
        if fault.again:
            healed, answers = time.monotonic(), watching.sample()["answers"]
            seen = watching.until(
                lambda status: _is_again(status, level, answers) and _is_over(fault, bench, status),
                fault.again_s,
            )
            again_s = time.monotonic() - healed
            problem = problem or ("" if seen is not None else f"not watched again within {fault.again_s:.0f} s: {bench.status()}")
        outcome = Outcome(
            bench.where,
            lamp_of(status),
            sentence,
            said_s,
            bench.lost() - lost,
            watching.unseen_s,
            watching.green_s,
            again_s,
            watching.touched,
        )
    return replace(outcome, problem=problem or _beyond(fault, outcome))


def _stays(fault: Fault, watching: Watching) -> str:
    """Return what went wrong while the fault lasted on."""
    end = time.monotonic() + (LASTING_WATCHED_S if fault.lamp == "watching" else LASTING_S)
    while time.monotonic() < end:
        status = watching.sample()
        if not re.fullmatch(fault.lamp, lamp_of(status)):
            return f"the lamp changed to {lamp_of(status)} while the fault lasted"
        time.sleep(_SAMPLE_S)
    return ""


def _beyond(fault: Fault, outcome: Outcome) -> str:
    if fault.untouched and outcome.touched:
        return f"the print was touched: {outcome.touched}"
    if fault.most_lost is not None and outcome.lost > fault.most_lost:
        return f"{outcome.lost} pictures lost, not {fault.most_lost} at most"
    if outcome.green_s > fault.green_s:
        return f"the lamp was green for {outcome.green_s:.0f} s while nothing was seen"
    return ""


def _is_calm(status: dict[str, Any]) -> bool:
    return lamp_of(status) == "watching"


def _is_as_wanted(status: dict[str, Any]) -> bool:
    """Looked at by what was asked for, not by a fallback from a first picture that a busy machine answered late."""
    return _is_calm(status) and status["answers"] > 1 and not status["protection"]["reason"]


def _is_again(status: dict[str, Any], level: str, answers: int) -> bool:
    """After a restart of everything the answers are counted anew."""
    new = status["answers"] > answers or 0 < status["answers"] < answers
    return _is_calm(status) and new and status["protection"]["level"] == level


def _is_over(fault: Fault, bench: Bench, status: dict[str, Any]) -> bool:
    return fault.lasts or fault.says == CALM or not _matching(fault, bench.said(status))


def _is_as_said(fault: Fault, bench: Bench, status: dict[str, Any]) -> bool:
    return bool(re.fullmatch(fault.lamp, lamp_of(status))) and bool(_matching(fault, bench.said(status)))


def _matching(fault: Fault, said: tuple[str, ...]) -> str:
    return next((sentence for sentence in said if re.search(fault.says, sentence)), "")
