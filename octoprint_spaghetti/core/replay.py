"""A print again, in simulated time: what each policy would have said of it, and when it would have paused.

Pure and instant: a day of frames goes through in a second or two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core import judge, obico
from octoprint_spaghetti.core.judge import Belief, Patience
from octoprint_spaghetti.core.obico import ObicoBelief
from octoprint_spaghetti.core.words import Sighting, Verdict


@dataclass(frozen=True)
class Moment:
    """What was thought after one frame: its number, seconds since the first frame, its score, evidence and verdict."""

    frame: int
    at: float
    score: float
    evidence: float
    verdict: Verdict

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
    """What a policy would have done of a print; ``paused`` and ``suspect`` are the first such moments, or None."""

    policy: str
    timeline: tuple[Moment, ...]
    paused: Moment | None
    suspect: Moment | None

    @property
    def max_evidence(self) -> float:
        """Return the highest evidence until the pause, or of the whole print."""
        return max((moment.evidence for moment in self.timeline), default=0.0)

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


#: A policy in replay: the verdict and the evidence after each frame.
Policy = Callable[[Sighting], tuple[Verdict, float]]


def spaghetti_policy(patience: Patience, start: float) -> Policy:
    """Return our own judge, for a print that extrudes since before its first frame at ``start``."""
    began = start - patience.warm_up
    belief: Belief = judge.extrusion_began(judge.begin(began), began)

    def step(sighting: Sighting) -> tuple[Verdict, float]:
        nonlocal belief
        belief = judge.advance(belief, sighting, patience)
        return belief.verdict, belief.evidence

    return step


def obico_policy() -> Policy:
    """Return Obico's rule, for a printer that it has never seen before."""
    belief = ObicoBelief()

    def step(sighting: Sighting) -> tuple[Verdict, float]:
        nonlocal belief
        belief = obico.advance(belief, sighting)
        return belief.verdict, belief.evidence

    return step


def replay(name: str, policy: Policy, frames: Iterable[tuple[int, Sighting]]) -> Outcome:
    """Run a policy over (frame number, sighting) in time order, to the pause or to the end."""
    timeline: list[Moment] = []
    start: float | None = None
    for number, sighting in frames:
        start = sighting.at if start is None else start
        verdict, evidence = policy(sighting)
        timeline.append(Moment(number, sighting.at - start, sighting.answer.score, evidence, verdict))
        if verdict is Verdict.FAILING:
            break
    return Outcome(
        name, tuple(timeline), _first(timeline, (Verdict.FAILING,)), _first(timeline, (Verdict.SUSPECT, Verdict.FAILING))
    )


def _first(timeline: Iterable[Moment], verdicts: tuple[Verdict, ...]) -> Moment | None:
    return next((moment for moment in timeline if moment.verdict in verdicts), None)
