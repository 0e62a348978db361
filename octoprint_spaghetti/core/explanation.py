"""Why the judge thinks what it thinks: the arithmetic as data, and as two sentences for a person.

The last sentence names the one number that would have changed the outcome at this moment, and to what: of all conditions
of a pause the one that was met, or missed, by the least.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from octoprint_spaghetti.core import judge, verification
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import Patience, describe_number
from octoprint_spaghetti.core.sentence import Sentence, joined, say
from octoprint_spaghetti.core.words import Verdict

#: How far beyond what was reached a level must lie to have mattered; levels are shown with two decimals.
_NUDGE = 0.01


@dataclass(frozen=True)
class Lever:
    """A number of the judge: what it is, and at which value the outcome would have been the other one."""

    name: str
    value: float
    instead: float

    @property
    def distance(self) -> float:
        """Return how far apart the two are, as a share of the larger."""
        return abs(self.instead - self.value) / max(abs(self.instead), abs(self.value), 1e-9)


@dataclass(frozen=True)
class Explanation:
    """The arithmetic behind a verdict.

    ``frames`` recent (seconds, score) pairs, oldest first; ``hits`` how many of them show spaghetti; ``place`` the newest
    hit's strongest box, hit ``same_place`` times; ``growth`` 0 to 1; ``usual`` what is normal here; ``votes`` of the series
    so far; ``margin`` evidence less the level; ``lever`` the number that would have changed the outcome, if there is one;
    ``camera`` the name of the one that saw it, empty where there is only one.
    """

    verdict: Verdict
    frames: tuple[tuple[float, float], ...]
    window: float
    hits: int
    place: Box | None
    same_place: int
    growth: float
    usual: float
    votes: tuple[bool, ...]
    evidence: float
    suspect_at: float
    failing_at: float
    lever: Lever | None
    muted: bool
    camera: str = ""

    @property
    def margin(self) -> float:
        """Return by how much the evidence is above the failing level; negative below it."""
        return self.evidence - self.failing_at

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types; a frame's seconds count back from the newest one."""
        newest = self.frames[-1][0] if self.frames else 0.0
        return {
            "verdict": self.verdict.value,
            "frames": [{"at": round(at - newest, 1), "score": round(score, 3)} for at, score in self.frames],
            "hits": self.hits,
            "place": None if self.place is None else [round(value, 3) for value in self.place.xyxy],
            "same_place": self.same_place,
            "growth": round(self.growth, 2),
            "usual": round(self.usual, 3),
            "votes": list(self.votes),
            "evidence": round(self.evidence, 3),
            "suspect_at": round(self.suspect_at, 3),
            "failing_at": round(self.failing_at, 3),
            "margin": round(self.margin, 3),
            "lever": None
            if self.lever is None
            else {"setting": self.lever.name, "value": self.lever.value, "instead": self.lever.instead},
        }

    def sentences(self) -> str:
        """Say it in two sentences, with the camera's name before them where there are several."""
        return joined((self.camera, self._said()), ": ") if self.camera else self._said()

    def _said(self) -> str:
        if self.verdict is Verdict.WARMING_UP:
            return say("Warming up: the print is looked at, nothing is judged yet.")
        seen = say(
            "Spaghetti in %(hits)d of %(pictures)d pictures of the last %(window).0f s, %(same_place)d of them in the same "
            "place%(voted)s; evidence %(evidence).2f, suspect at %(suspect_at).2f, failing at %(failing_at).2f.",
            hits=self.hits,
            pictures=len(self.frames),
            window=self.window,
            same_place=self.same_place,
            voted=self._voted(),
            evidence=self.evidence,
            suspect_at=self.suspect_at,
            failing_at=self.failing_at,
        )
        return joined((seen, self._pivot(), say("Muted for this print.") if self.muted else ""))

    def _voted(self) -> str:
        if not self.votes:
            return ""
        return say(", %(agreeing)d of %(series)d series agree", agreeing=sum(self.votes), series=len(self.votes))

    def _pivot(self) -> str:
        if self.lever is None:
            return ""
        lever, unit = self.lever, getattr(describe_number(self.lever.name)[0], "unit", "")
        value = joined((f"{lever.value:g}", Sentence(unit)))
        if self.verdict is Verdict.FAILING:
            return say(
                "%(name)s %(instead)g instead of %(value)s would not have called it failing yet.",
                name=lever.name,
                instead=lever.instead,
                value=value,
            )
        return say(
            "%(name)s %(instead)g instead of %(value)s would have called it failing.",
            name=lever.name,
            instead=lever.instead,
            value=value,
        )


def explain(belief: Belief, patience: Patience, camera: str = "") -> Explanation:
    """Return what the verdict rests on; ``camera`` names the one that saw it, where there are several."""
    found = judge.hits(belief, patience)
    at = belief.last_at if belief.last_at is not None else belief.started_at
    return Explanation(
        verdict=belief.verdict,
        frames=tuple((glance.at, glance.score) for glance in belief.recent),
        window=max(patience.window, at - belief.recent[0].at) if belief.recent else patience.window,
        hits=len(found),
        place=found[-1].places[0] if found and found[-1].places else None,
        same_place=judge.same_place(belief, patience),
        growth=judge.growth(belief, patience),
        usual=max(belief.usual, belief.background.at_layer(belief.layer)),
        votes=verification.votes(belief, patience),
        evidence=belief.evidence,
        suspect_at=patience.suspect_at,
        failing_at=judge.failing_level(belief, at, patience),
        lever=_lever(belief, at, patience),
        muted=belief.muted,
        camera=camera,
    )


def _lever(belief: Belief, at: float, patience: Patience) -> Lever | None:
    """Return the number whose change would have turned the outcome, by the least; None where several would have to change."""
    if belief.verdict is Verdict.FAILING:
        return min(_holding(belief, at, patience), key=lambda lever: lever.distance, default=None)
    missed = list(_missing(belief, at, patience))
    return missed[0] if belief.verdict is Verdict.SUSPECT and len(missed) == 1 else None


def _holding(belief: Belief, at: float, patience: Patience) -> Iterator[Lever]:
    """Yield the numbers that would each have held the pause back."""
    count, same = len(judge.hits(belief, patience)), judge.same_place(belief, patience)
    raised = judge.failing_level(belief, at, patience) / patience.failing_at
    yield Lever("failing_at", patience.failing_at, round(min(0.98, (belief.evidence + _NUDGE) / raised), 2))
    yield Lever("distinct_frames", patience.distinct_frames, count + 1)
    agreeing = sum(verification.votes(belief, patience))
    if agreeing < patience.series_of:
        yield Lever("series_needed", patience.series_needed, agreeing + 1)
    if same < count:
        yield Lever("place_share", patience.place_share, round(same / count + _NUDGE, 2))


def _missing(belief: Belief, at: float, patience: Patience) -> Iterator[Lever]:
    """Yield the numbers that hold the pause back."""
    count, same = len(judge.hits(belief, patience)), judge.same_place(belief, patience)
    level = judge.failing_level(belief, at, patience)
    if belief.evidence < level:
        yield Lever("failing_at", patience.failing_at, round(belief.evidence * patience.failing_at / level - _NUDGE, 2))
    if count < patience.distinct_frames:
        yield Lever("distinct_frames", patience.distinct_frames, count)
    if not verification.agreed(belief, patience):
        yield Lever("series_needed", patience.series_needed, sum(verification.votes(belief, patience)))
    if same < patience.place_share * count:
        yield Lever("place_share", patience.place_share, round(same / count - _NUDGE, 2))
    if belief.resumed_at is not None and at < belief.resumed_at + patience.resume_grace:
        yield Lever("resume_grace", patience.resume_grace, int(at - belief.resumed_at))
