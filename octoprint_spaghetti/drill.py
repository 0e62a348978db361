"""The fire drill: a tangle is drawn into the real picture, and everything that would have to happen is tried, but for the pause.

Camera, wire, server, judge, the order to pause (dry), messages: each link with its time, or the sentence that says why it broke.
The frames of a drill are judged as if they were two seconds apart; nobody waits for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from octoprint_spaghetti.core import judge, scene_health
from octoprint_spaghetti.core.errors import SpaghettiError
from octoprint_spaghetti.core.policies import Policy, SpaghettiPolicy, rules
from octoprint_spaghetti.core.printer_state import is_connected
from octoprint_spaghetti.core.sentence import Sentence, joined, say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.stopping import UNDER_WAY
from octoprint_spaghetti.core.words import Answer, Frame, Notice, NoticeKind, Sighting, Verdict
from octoprint_spaghetti.ports import Detector, Parts

#: Frames that are judged at most: two minutes of a print, far more than a plain failure takes.
_FRAMES = 60
#: As while a failure is suspected, seconds.
_APART_S = 2.0
#: Obico's rule compares with how the print looked before: one hour of it, a frame every 10 s.
_CALM_FRAMES = 360
#: Each of so many is really looked at; their scores are judged in turn. A look with a drawn tangle takes half a second on a Pi's server.
_LOOKS = 3
#: This computer's detector has so many seconds for each of them: a small one takes long to draw the tangle, and to begin.
_LOCAL_S = 10.0
#: The judge may take this long from the first tangle to the pause, seconds.
_GOAL_S = 45.0
_CANCEL = say("cancel (dry)")


@dataclass(frozen=True)
class Link:
    """One link of the chain: its name, milliseconds, what was found, and what is broken (empty when nothing is)."""

    name: str
    ms: float
    found: str = ""
    problem: str = ""


@dataclass(frozen=True)
class DrillReport:
    """What a drill found; ``at`` is Unix time, ``seconds_to_pause`` what the judge would have taken, None when it would not have."""

    at: float
    links: tuple[Link, ...]
    seconds_to_pause: float | None = None

    @property
    def passed(self) -> bool:
        """Return whether a real failure would have been answered as the settings ask."""
        return not any(link.problem for link in self.links)

    def sentence(self) -> str:
        """Say it in a sentence."""
        broken = [joined((link.name, link.problem), ": ") for link in self.links if link.problem]
        if broken:
            return joined((say("The fire drill failed."), *broken))
        seconds = self.seconds_to_pause or 0.0
        if any(link.name == _CANCEL for link in self.links):
            return say(
                "The fire drill passed: a failure would have been cancelled %(seconds).0f s after it came into view.",
                seconds=seconds,
            )
        return say(
            "The fire drill passed: a failure would have been paused %(seconds).0f s after it came into view.", seconds=seconds
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "at": self.at,
            "passed": self.passed,
            "sentence": self.sentence(),
            "seconds_to_pause": self.seconds_to_pause,
            "links": [
                {"name": link.name, "ms": round(link.ms, 1), "found": link.found, "problem": link.problem} for link in self.links
            ],
        }


def run_drill(
    settings: Settings,
    build: Callable[[Settings], Parts],
    *,
    may_pause: Callable[[], str],
    notify: Callable[[Notice], str],
    wall: Callable[[], float] = time.time,
) -> DrillReport:
    """Try every link in turn; a link that breaks ends the drill, but the pause and the messages are tried in any case.

    ``may_pause`` returns why the printer could not be paused, or an empty string; ``notify`` sends a notice, waits for the
    channels, and returns which failed, or an empty string. Blocks for the camera's and a few frames' deadlines.
    """
    drill = _Drill(settings, build)
    scores = drill.links_to_scores()
    seconds = drill.judge(scores) if scores else None
    drill.try_link(_CANCEL if settings.action == "cancel" else say("pause (dry)"), may_pause)
    so_far = DrillReport(wall(), tuple(drill.links), seconds)
    notice = Notice(NoticeKind.DRILL, joined((say("Fire drill, nothing is wrong with your print."), so_far.sentence())))
    drill.try_link(say("messages"), lambda: notify(notice))
    return replace(so_far, links=tuple(drill.links))


def _in_one_go(settings: Settings) -> Settings:
    """Return the settings for some looks in a row, which no print has: a small computer would rest instead, to keep to its share."""
    deadline = max(settings.deadline, _LOCAL_S) if settings.detector == "local" else settings.deadline
    return replace(settings, local_share=100.0, deadline=deadline)


class _Drill:
    def __init__(self, settings: Settings, build: Callable[[Settings], Parts]) -> None:
        self._settings = settings
        self._build = build
        self._calm: Answer | None = None  # to the picture as it is
        self.links: list[Link] = []

    def links_to_scores(self) -> list[Sighting]:
        """Go from the camera to the detector; return what was seen of the drawn tangle, or nothing when a link broke."""
        parts: Parts | None = None
        try:
            parts = self._step(say("set up"), lambda: self._build(_in_one_go(self._settings)))
            frame = self._step(say("camera"), parts.camera.capture, lambda frame: f"{len(frame.jpeg) / 1e3:.0f} kB")
            self._step(say("server"), parts.detector.check)
            self._look_plain(parts.detector, frame)
            return [self._look_for_tangle(parts.detector, frame) for _ in range(_LOOKS)]
        except (SpaghettiError, _Broken):
            return []
        finally:
            if parts is not None:
                parts.detector.close()
                parts.camera.close()

    def judge(self, seen: list[Sighting]) -> float | None:
        """Show the rule that decides those frames over and over, two seconds apart; return when it would have paused."""
        started = time.perf_counter()
        rule = self._rule()
        for number in range(_FRAMES):
            at = _APART_S * (number + 1)
            opinion = rule.see(replace(seen[number % len(seen)], at=at))
            if opinion.verdict is Verdict.FAILING:
                late = "" if at <= _GOAL_S else say("It would have taken %(seconds).0f s; raise the sensitivity.", seconds=at)
                self._add(say("judge"), started, self._by_whom(say("failing after %(seconds).0f s", seconds=at)), late)
                return at
        why = say(
            "Evidence reached %(evidence).2f of %(failing_at).2f. Is the tangle in an ignore zone, or too faint?",
            evidence=opinion.evidence,
            failing_at=opinion.failing_at,
        )
        self._add(say("judge"), started, "", self._by_whom(why))
        return None

    def _rule(self) -> Policy:
        """Return the rule that decides about prints, in the middle of one that was calm so far."""
        patience = self._settings.patience()
        begun = replace(judge.begin(0.0), extruding_at=-patience.warm_up)
        rule = next(rule for rule in rules(patience, begun) if rule.name == self._settings.policy)
        if rule.name != SpaghettiPolicy.name and self._calm is not None:
            for number in range(_CALM_FRAMES):
                rule.see(Sighting(_APART_S * (number - _CALM_FRAMES), self._calm))
        return rule

    def _by_whom(self, sentence: str) -> str:
        if self._settings.policy == SpaghettiPolicy.name:
            return sentence
        return say("%(sentence)s (by Obico's rule, which the settings let decide)", sentence=sentence)

    def try_link(self, name: str, attempt: Callable[[], str]) -> None:
        """Add a link whose attempt returns what is broken."""
        started = time.perf_counter()
        problem = attempt()
        self._add(name, started, "" if problem else say("ready"), problem)

    def _look_plain(self, detector: Detector, frame: Frame) -> None:
        """See whether the picture can be judged, and is not full of spaghetti before anything is drawn."""
        answer = self._step(
            say("picture"), lambda: detector.look(frame), lambda answer: say("score %(score).2f as it is", score=answer.score)
        )
        self._calm = answer
        unfit = scene_health.problem(answer.scene)
        if unfit:
            self.links[-1] = replace(self.links[-1], problem=unfit)
            raise _Broken

    def _look_for_tangle(self, detector: Detector, frame: Frame) -> Sighting:
        drawn = replace(frame, drill=True)
        answer = self._step(
            say("tangle"),
            lambda: detector.look(drawn),
            lambda answer: say("score %(score).2f by %(detector)s", score=answer.score, detector=answer.detector),
        )
        if answer.score < self._settings.patience().hit_at:
            unseen = say(
                "A drawn tangle scored %(score).2f only. Is it an own model, or a server that knows no drills?",
                score=answer.score,
            )
            self.links[-1] = replace(self.links[-1], problem=unseen)
            raise _Broken
        return Sighting(0.0, answer)

    def _step(self, name: str, work: Callable[[], Any], found: Callable[[Any], str] = lambda result: "") -> Any:
        started = time.perf_counter()
        try:
            result = work()
        except SpaghettiError as error:
            self._add(name, started, "", str(error))
            raise
        self._add(name, started, found(result), "")
        return result

    def _add(self, name: str, started: float, found: str, problem: str) -> None:
        self.links.append(Link(name, (time.perf_counter() - started) * 1e3, found, problem))


class _Broken(Exception):
    """A link broke in a way that is no error of a part; the last link says how."""


def why_not_paused(settings: Settings, state: str) -> str:
    """Return why a failure would not be paused under these settings in this state of the printer, or an empty string."""
    if not settings.enabled:
        return say("Watching is switched off in the settings.")
    if settings.shadow:
        return say("Shadow mode is on: failures are recorded and nothing is paused.")
    if settings.action not in UNDER_WAY:
        return say("A failure only leads to: %(action)s. Choose pause in the settings.", action=Sentence(settings.action))
    if not is_connected(state):
        return say("OctoPrint is not connected to the printer; connect it, or nothing can be paused.")
    return ""
