"""A print again, in simulated time: what each policy would have said of it, and when it would have paused.

Pure and instant: a day of frames goes through in a second or two, and nothing is kept of them but the timeline, if wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core.policies import Opinion, Policy
from octoprint_spaghetti.core.recording import Recording, Row, Seen, Told
from octoprint_spaghetti.core.words import Sighting, Verdict


@dataclass(frozen=True)
class Moment:
    """What was thought after one frame.

    ``frame`` its number, ``at`` seconds since the first frame, its ``score``; evidence and levels as in :class:`Opinion`.
    """

    frame: int
    at: float
    score: float
    evidence: float
    verdict: Verdict
    suspect_at: float
    failing_at: float

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "frame": self.frame,
            "at": round(self.at, 3),
            "score": round(self.score, 4),
            "evidence": round(self.evidence, 4),
            "verdict": self.verdict.value,
        }


@dataclass(frozen=True)
class Outcome:
    """What a policy would have done of a print.

    ``pauses`` the moments at which it asked for its action, ``suspect`` the first at which it suspected anything;
    ``max_evidence`` the highest until the end of the replay; ``timeline`` every moment, or none when they were not kept.
    """

    policy: str
    pauses: tuple[Moment, ...]
    suspect: Moment | None
    max_evidence: float
    timeline: tuple[Moment, ...]

    @property
    def paused(self) -> Moment | None:
        """Return the first pause."""
        return self.pauses[0] if self.pauses else None

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types; seconds count from the first frame."""
        return {
            "policy": self.policy,
            "paused_at_frame": None if self.paused is None else self.paused.frame,
            "paused_at_s": None if self.paused is None else round(self.paused.at, 3),
            "suspect_at_frame": None if self.suspect is None else self.suspect.frame,
            "max_evidence": round(self.max_evidence, 4),
            "timeline": [moment.as_json() for moment in self.timeline],
        }


class Run:
    """A policy on its way through a print; rows may come all at once or in pieces."""

    def __init__(self, policy: Policy, *, until_pause: bool, keep_timeline: bool = True) -> None:
        """Begin before the first row; with ``until_pause`` what comes after the first action is not looked at."""
        self._policy = policy
        self._until_pause = until_pause
        self._keep = keep_timeline
        self._first_at: float | None = None
        self._timeline: list[Moment] = []
        self._pauses: list[Moment] = []
        self._suspect: Moment | None = None
        self._highest = 0.0
        self._suspicious = False

    @property
    def over(self) -> bool:
        """Return whether further rows change nothing."""
        return self._until_pause and bool(self._pauses)

    def take(self, row: Row) -> None:
        """Let the policy see or hear one row."""
        if self.over:
            return
        if isinstance(row, Told):
            self._policy.tell(row.event, row.at)
        elif isinstance(row, Seen):
            self._first_at = row.at if self._first_at is None else self._first_at
            sighting = row.as_seen_by(self._suspicious)
            opinion = self._policy.see(sighting)
            self._suspicious = opinion.verdict is Verdict.SUSPECT
            self._note(_moment(row.number, sighting, self._first_at, opinion), opinion.act)

    def _note(self, moment: Moment, act: bool) -> None:
        self._highest = max(self._highest, moment.evidence)
        if self._keep:
            self._timeline.append(moment)
        if act:
            self._pauses.append(moment)
        if self._suspect is None and moment.verdict in (Verdict.SUSPECT, Verdict.FAILING):
            self._suspect = moment

    def outcome(self) -> Outcome:
        """Return what has come of it so far."""
        return Outcome(self._policy.name, tuple(self._pauses), self._suspect, self._highest, tuple(self._timeline))


def replay(policies: Iterable[Policy], recording: Recording, *, keep_timeline: bool = True) -> list[Outcome]:
    """Run the policies over a print side by side, each to its pause or to the end; the rows are read once."""
    runs = [Run(policy, until_pause=not recording.goes_on, keep_timeline=keep_timeline) for policy in policies]
    for row in recording.rows:
        for run in runs:
            run.take(row)
        if all(run.over for run in runs):
            break
    return [run.outcome() for run in runs]


def _moment(number: int, sighting: Sighting, first_at: float, opinion: Opinion) -> Moment:
    return Moment(
        number,
        sighting.at - first_at,
        sighting.answer.score,
        opinion.evidence,
        opinion.verdict,
        opinion.suspect_at,
        opinion.failing_at,
    )
