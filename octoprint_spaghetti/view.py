"""One camera's half of the watch over a print: its pictures, what is believed of them, and how much of the print it sees.

A watch has a view for each camera. All see the same print, so what happens to it is told to each; what was seen, forgiven,
and usual belongs to one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from octoprint_spaghetti.core import judge, second_look
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.errors import DetectorError
from octoprint_spaghetti.core.explanation import Explanation, explain
from octoprint_spaghetti.core.jpeg import size_wh
from octoprint_spaghetti.core.panel import Panel
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.sentence import joined, say
from octoprint_spaghetti.core.toolhead import Tool
from octoprint_spaghetti.core.words import Answer, CameraStatus, Exhibit, Frame, Sighting, Verdict
from octoprint_spaghetti.job import Memory, bounded
from octoprint_spaghetti.ports import Camera, Detector, Records

#: A picture older than this many intervals (and seconds) means that nobody sees the print.
BLIND_AFTER_INTERVALS, BLIND_AFTER_S = 2.0, 10.0
#: A live camera never sends the same file twice; one that does for this long is frozen.
FROZEN_AFTER_S = 60.0
#: What is believed of the print is written down this often, for a restart; of a calm print, which changes slowly, seldom: on
#: ext4 the rename writes to the SD card each time.
REMEMBERED_EVERY_S, CALM_REMEMBERED_EVERY_S = 10.0, 60.0

ALARMED = frozenset({Verdict.SUSPECT, Verdict.FAILING})


@dataclass(frozen=True)
class Look:
    """The last picture that a detector answered for; ``number`` tells it from all others, ``timings_ms`` as in ``Status``."""

    frame: Frame
    answer: Answer
    number: int
    timings_ms: tuple[tuple[str, float], ...]

    def as_status(self) -> dict[str, Any]:
        """Return what it showed, by the names of ``Status``."""
        return {
            "score": self.answer.score,
            "detections": self.answer.detections,
            "detector": self.answer.detector,
            "timings_ms": self.timings_ms,
            "picture_number": self.number,
        }


class View:
    """Follows one print with one camera; all methods belong to the thread of the watch.

    ``name`` is what the camera is called where there are several, and empty where there is one; ``key`` what the settings know
    it by, empty for the first. ``due`` is the monotonic second of its next picture, ``held_s`` how long the camera took for the
    last one, in seconds.
    """

    def __init__(self, key: str, name: str, records: Records, memory: Memory, patience: Patience, policy: str) -> None:
        """Begin with what is remembered of the print, and with the records of this camera."""
        self.key = key
        self.records = records
        self.memory = memory
        self.due = self.held_s = 0.0
        self.last: Look | None = None
        self.remembered_at: float | None = None
        self.configure(name, patience, policy)

    def configure(self, name: str, patience: Patience, policy: str) -> None:
        """Judge by other numbers or another rule from the next frame on; the belief is kept."""
        self.name, self.patience = name, patience
        self.panel = Panel(policy, patience, self.memory.belief)

    # -- the print's life -----------------------------------------------------------------------------------------------

    def believe(self, change: Callable[[Belief], Belief]) -> None:
        """Change what is believed of the print."""
        self.memory = replace(self.memory, belief=change(self.memory.belief))

    def happened(self, event: PrintEvent, at: float) -> None:
        """Let the rules know what happened to the print, and write it down. Raises :class:`EvidenceError`."""
        self.panel.tell(event, at)
        self.records.traces.tell(event, at)

    def remember(self, file: str, now: float, wall: float) -> None:
        """Write down what is believed of the print of ``file``, for a restart. Raises :class:`EvidenceError`."""
        self.remembered_at = now
        self.records.beliefs.save(file, self.memory.belief, now, wall)

    def is_to_be_remembered(self, now: float) -> bool:
        """Return whether it is time to write down what is believed."""
        pause = REMEMBERED_EVERY_S if self.is_alarmed else CALM_REMEMBERED_EVERY_S
        return self.remembered_at is None or now - self.remembered_at >= pause

    def learn(self, file: str, *, forgiven: bool) -> None:
        """Take the print of ``file`` for a good one, also one that was paused and ``forgiven``. Raises :class:`EvidenceError`."""
        baselines, hours = self.records.baselines, self.memory.coverage.seen_s / 3600.0
        baselines.save(baselines.load().learn(file, self.memory.profile, hours, forgiven=forgiven))

    def resumed(self, at: float) -> None:
        """Note that the print goes on since ``at``.

        The first pause after an action counts as its, also one that the owner ordered because ours did not come, or because
        we only told them.
        """
        belief, newest = self.memory.belief, self.memory.last_sighting_at
        answered = belief.acted_at is not None and (belief.resumed_at is None or belief.resumed_at < belief.acted_at)
        belief = judge.resumed(belief, at, ours=answered)
        self.memory = replace(self.memory, belief=belief, last_sighting_at=max(at, newest))

    def forgive(self, now: float) -> None:
        """Forgive what was seen here: it was a false alarm. Who answers a while after they were told means what they were told of."""
        memory = self.memory
        recently = memory.suspicion_told_at is not None and now < memory.suspicion_told_at + self.patience.cooldown
        self.believe(lambda belief: judge.false_alarm(belief, self.patience, memory.suspected if recently else ()))

    # -- looking --------------------------------------------------------------------------------------------------------

    def capture(self, camera: Camera, monotonic: Callable[[], float]) -> Frame:
        """Return a picture of ``camera``; blocks until its deadline at most. Raises :class:`CameraError`."""
        started = monotonic()
        try:
            return camera.capture()
        finally:
            self.held_s = monotonic() - started

    def look(self, frame: Frame, detector: Detector, twice: bool) -> tuple[Answer, DetectorError | None]:
        """Return the answer to a frame; what is suspected is looked at again, enlarged, where the picture has the pixels.

        Beside it stands why there was no second look where one was wanted. Raises :class:`DetectorError`.
        """
        answer = detector.look(frame)
        suspected = judge.counted(self.memory.belief, answer, self.patience)
        roi = second_look.region(suspected, size_wh(frame.jpeg)) if twice and self._is_suspect else None
        if roi is None:
            return answer, None
        try:
            return second_look.combined(answer, detector.look(frame, roi), roi), None
        except DetectorError as error:
            return answer, error

    def see(self, look: Look, tool: Tool) -> Sighting:
        """Judge a frame that was answered for, and return what it showed."""
        frame, answer, memory = look.frame, look.answer, self.memory
        seen = Sighting(frame.captured_at, answer, tool.layer, tool.position, tool.busy)
        belief = judge.advance(memory.belief, seen, self.patience)
        # What is forgiven teaches how this file looks; a zone's logo teaches nothing.
        usual = judge.outside_zones(answer, self.patience)
        self.memory = replace(
            memory,
            belief=belief,
            last_sighting_at=memory.last_sighting_at if belief.unfit else frame.captured_at,
            every_s=None if self.last is None else frame.captured_at - self.last.frame.captured_at,
            trouble=belief.unfit,
            unfit=belief.unfit,
            digest=frame.digest,
            unchanged_since=None,
            opinion=self.panel.see(seen, belief, self.patience),
            profile=memory.profile if judge.is_idle(belief) else memory.profile.add(tool.layer, usual.score),
            exhibits=bounded((*memory.exhibits, Exhibit(frame, answer))),
        )
        self.last = look
        return seen

    def is_repeated(self, frame: Frame) -> bool:
        """Return whether the camera sent the same file again, and remember since when it does."""
        memory = self.memory
        if frame.digest != memory.digest:
            return False
        since = memory.unchanged_since if memory.unchanged_since is not None else frame.captured_at
        frozen = frame.captured_at - since >= FROZEN_AFTER_S
        stale = (
            say("The camera has sent the same picture for more than %(seconds).0f s; restart it.", seconds=FROZEN_AFTER_S)
            if frozen
            else ""
        )
        trouble = stale or memory.unfit
        self.memory = replace(
            memory,
            unchanged_since=since,
            trouble=trouble,
            last_sighting_at=memory.last_sighting_at if trouble else frame.captured_at,
        )
        return True

    def lose(self, why: str) -> None:
        """Note why there is no newer picture."""
        self.memory = replace(self.memory, trouble=why)

    def check_blind(self, now: float, interval: float) -> bool:
        """Note whether this camera still sees the print, looked at every ``interval`` seconds; return whether that is news."""
        memory = self.memory
        late = now - memory.last_sighting_at > max(BLIND_AFTER_S, BLIND_AFTER_INTERVALS * interval)
        blind = bool(memory.trouble) and (late or memory.blind)
        self.memory = replace(memory, blind=blind)
        return blind != memory.blind

    def count(self, seconds: float, why_lost: str = "") -> None:
        """Add to what this camera saw of the print, or to what it was lost to, such as its own trouble."""
        self.memory = replace(self.memory, coverage=self.memory.coverage.add(seconds, why_lost or self.memory.trouble))

    def is_worrying(self, now: float) -> bool:
        """Return whether the owner is to be told that the print is suspect for minutes and does not fail.

        The time it stood still does not count: who resumes it has looked. What cannot be seen or judged at present is no worry.
        """
        memory = self.memory
        if memory.trouble or memory.belief.idle:
            return False
        resumed_at = memory.belief.resumed_at
        if resumed_at is not None and now < resumed_at + self.patience.lasting_suspicion:
            return False
        if memory.belief.muted or not judge.is_lasting(memory.belief, now, self.patience):
            return False
        return memory.suspicion_told_at is None or now >= memory.suspicion_told_at + self.patience.cooldown

    def worried(self, now: float) -> None:
        """Note that the owner was told, and of what."""
        suspected = judge.accused_places(self.memory.belief, self.patience)
        self.memory = replace(self.memory, suspicion_told_at=now, suspected=suspected)

    # -- saying how things are --------------------------------------------------------------------------------------------

    @property
    def verdict(self) -> Verdict:
        """Return what is to be thought of the print by what this camera sees."""
        memory = self.memory
        if memory.blind and not memory.belief.paused:
            return Verdict.BLIND
        return memory.belief.verdict if memory.opinion is None else memory.opinion.verdict

    @property
    def sees(self) -> bool:
        """Return whether the last picture of this camera came, and could be judged."""
        return self.last is not None and not self.memory.trouble

    @property
    def is_alarmed(self) -> bool:
        """Return whether something is suspected here."""
        return self.memory.belief.verdict in ALARMED

    @property
    def _is_suspect(self) -> bool:
        return self.memory.belief.verdict is Verdict.SUSPECT

    def explained(self) -> Explanation:
        """Return the arithmetic behind the verdict."""
        return explain(self.memory.belief, self.patience, self.name)

    def said(self, sentence: str) -> str:
        """Return a sentence with the name of the camera before it, where there are several."""
        return joined((self.name, sentence), ": ") if self.name else sentence

    def evidence(self, now: float) -> tuple[float, float, float]:
        """Return the evidence, and the levels above which the print is suspect and failing, by the rule that decides."""
        opinion = None if self.panel.ours else self.memory.opinion
        if opinion is not None:
            return opinion.evidence, opinion.suspect_at, opinion.failing_at
        belief = self.memory.belief
        return belief.evidence, self.patience.suspect_at, judge.failing_level(belief, now, self.patience)

    def status(self, now: float) -> CameraStatus:
        """Return how things are by what this camera sees."""
        evidence, suspect_at, failing_at = self.evidence(now)
        return CameraStatus(
            name=self.name,
            verdict=self.verdict,
            trouble=self.memory.trouble,
            evidence=evidence,
            suspect_at=suspect_at,
            failing_at=failing_at,
            score=None if self.last is None else self.last.answer.score,
            detections=() if self.last is None else self.last.answer.detections,
            picture_number=0 if self.last is None else self.last.number,
            every_s=self.memory.every_s,
            seen=self.memory.coverage.share,
        )
