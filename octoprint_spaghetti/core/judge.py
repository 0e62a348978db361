"""The judge: a print is a fold over what was seen. One pure function per thing that can happen, time comes in with it.

``advance(belief, sighting, patience) -> belief`` is the heart. A failure must last: in *seconds* (evidence is smoothed
with a time constant) and in *distinct frames* (so many of the recent ones must agree), so the frame rate changes what
watching costs and how soon it speaks, never what it says. Nothing here knows a camera, a server or a printer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from octoprint_spaghetti.core.geometry import Box, covered, intersection
from octoprint_spaghetti.core.words import Answer, Sighting, Verdict


@dataclass(frozen=True)
class Patience:
    """How long and how sure. Seconds unless a comment says otherwise; levels and scores are probabilities, 0 to 1.

    Starting values come from a simulation of what other detectors do: a rule in frames changes its meaning with the
    rate, and a bar that follows the print's own mean lets a failing print raise it.
    """

    time_constant: float = 30.0  # of the smoothing: a certain failure (score 0.95) is suspect after 11 s, failing after 26 s
    suspect_at: float = 0.30  # evidence
    failing_at: float = 0.55  # evidence; above every level at which half the frames could be noise
    hit_at: float = 0.5  # a frame's score: more likely spaghetti than not
    window: float = 60.0  # how far back frames are counted
    distinct_frames: int = 5  # that many recent frames must be hits before anything is done
    hit_share: float = 0.6  # and that share of the frames since the suspicion began
    place_at: float = 0.2  # confidence of a box that says where: lower than a hit, for a growing tangle is many faint boxes
    place_overlap: float = 0.3  # of the smaller box: the same place, however much the tangle has grown since
    place_share: float = 0.5  # that share of the hits must be in one place; a toolhead, a cable, a hand move on
    longest_step: float = 10.0  # a gap between frames counts as this at most: frames that were lost are no evidence
    warm_up: float = 20.0  # after extrusion began: purge lines and brushes look like spaghetti
    unseen_extrusion: float = 300.0  # warm-up ends this long after the start even if no extrusion was seen (SD prints)
    resume_grace: float = 60.0  # after a resume: the person has just looked
    resume_bar: float = 1.5  # after a resume the failing level is multiplied by this ...
    resume_decay: float = 600.0  # ... decaying with this time constant
    highest_bar: float = 0.92  # the failing level never rises beyond what a certain failure can reach
    cooldown: float = 900.0  # between two actions in one print
    forgiven_overlap: float = 0.5  # of a box: it lies in a place that was called a false alarm; a tangle that outgrows it counts
    forgiven_size: float = 0.2  # of that place: what is much smaller than the false alarm is not the same thing


#: Boxes of a frame that are remembered; a tangle seldom falls into more parts.
_MOST_PLACES = 5


@dataclass(frozen=True)
class Glance:
    """What is remembered of one recent frame: when, its score, and the places of its boxes."""

    at: float
    score: float
    places: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Belief:
    """What the judge remembers of this print. Times are seconds of the clock that sightings carry.

    ``evidence`` smoothed score, 0 to 1; ``recent`` glances inside the window, oldest first; ``suspect_since`` when the
    evidence last rose above the lower level; ``acted_at`` when the printer was last to be moved; ``paused`` freezes all;
    ``forgiven`` places where spaghetti was a false alarm; ``muted``: watch, and do nothing about it.
    """

    started_at: float
    extruding_at: float | None = None
    last_at: float | None = None
    evidence: float = 0.0
    recent: tuple[Glance, ...] = ()
    suspect_since: float | None = None
    resumed_at: float | None = None
    acted_at: float | None = None
    paused: bool = False
    forgiven: tuple[Box, ...] = ()
    muted: bool = False
    verdict: Verdict = Verdict.WARMING_UP


def begin(at: float) -> Belief:
    """Return the belief about a print that starts now."""
    return Belief(started_at=at)


def extrusion_began(belief: Belief, at: float) -> Belief:
    """Note the first extrusion of the print; later ones change nothing."""
    return belief if belief.extruding_at is not None else replace(belief, extruding_at=at)


def paused(belief: Belief) -> Belief:
    """Freeze the belief while the print stands still: a pause is no evidence and loses none."""
    return replace(belief, paused=True)


def resumed(belief: Belief, at: float, *, ours: bool = False) -> Belief:
    """Go on after a pause with the belief as it was: a grace without decisions, then a raised bar that decays.

    The person who resumes has looked at the print; a rule that forgets everything instead pauses for the same thing again.
    After a pause of ``ours`` the cooldown counts from here: a night may lie between the pause and the look.
    """
    if not belief.paused:
        return belief
    return replace(belief, paused=False, resumed_at=at, last_at=None, acted_at=at if ours else belief.acted_at)


def acted(belief: Belief, at: float) -> Belief:
    """Note that the printer was moved or the owner was told: one action per incident, then a cooldown."""
    return replace(belief, acted_at=at)


def false_alarm(belief: Belief, patience: Patience) -> Belief:
    """Forgive what was seen: in this print, spaghetti in the place of the recent hits is not held against it again."""
    hits = [glance for glance in belief.recent if glance.score >= patience.hit_at and glance.places]
    places = tuple(glance.places[0] for glance in hits if _together(glance.places[0], hits[-1].places, patience))
    return replace(
        belief,
        forgiven=(*belief.forgiven, *_distinct(places, patience)),
        evidence=0.0,
        recent=(),
        suspect_since=None,
        verdict=Verdict.WATCHING,
    )


def muted(belief: Belief, on: bool) -> Belief:
    """Do nothing about this print any more, or go back to acting; the watch goes on either way."""
    return replace(belief, muted=on)


def advance(belief: Belief, sighting: Sighting, patience: Patience) -> Belief:
    """Take one distinct frame into account.

    Sightings must come in order; one that is not later than the last is ignored, so a clock that jumps back decides
    nothing. While paused or warming up the frame is remembered as seen, and judged by nobody.
    """
    at, score = sighting.at, _held_against(belief, sighting.answer, patience)
    if belief.paused or (belief.last_at is not None and at <= belief.last_at):
        return belief
    if warming_up(belief, at, patience):
        return replace(belief, last_at=at, evidence=0.0, recent=(), suspect_since=None, verdict=Verdict.WARMING_UP)
    step = min(at - belief.last_at, patience.longest_step) if belief.last_at is not None else 0.0
    weight = 1.0 - math.exp(-step / patience.time_constant)
    evidence = belief.evidence + weight * (score - belief.evidence)
    recent = (
        *(glance for glance in belief.recent if glance.at > at - patience.window),
        Glance(at, score, _places(sighting.answer, patience)),
    )
    seen = replace(
        belief, last_at=at, evidence=evidence, recent=recent, suspect_since=_suspect_since(belief, at, evidence, patience)
    )
    return replace(seen, verdict=_verdict(seen, at, patience))


def warming_up(belief: Belief, at: float, patience: Patience) -> bool:
    """Return whether nothing may be judged yet: before extrusion and shortly after it began."""
    if belief.extruding_at is None:
        return at < belief.started_at + patience.unseen_extrusion
    return at < belief.extruding_at + patience.warm_up


def failing_level(belief: Belief, at: float, patience: Patience) -> float:
    """Return the evidence above which the print is failing, raised for a while after a resume."""
    if belief.resumed_at is None:
        return patience.failing_at
    raised = (patience.resume_bar - 1.0) * math.exp(-(at - belief.resumed_at) / patience.resume_decay)
    return min(patience.failing_at * (1.0 + raised), patience.highest_bar)


def may_act(belief: Belief, at: float, patience: Patience) -> bool:
    """Return whether an action is due: the print is failing and none was taken within the cooldown."""
    cool = belief.acted_at is None or at >= belief.acted_at + patience.cooldown
    return belief.verdict is Verdict.FAILING and not belief.paused and not belief.muted and cool


def explain(belief: Belief, patience: Patience) -> str:
    """Say in one sentence what the verdict rests on."""
    if belief.verdict is Verdict.WARMING_UP:
        return "Warming up: the print is looked at, nothing is judged yet."
    hits = sum(glance.score >= patience.hit_at for glance in belief.recent)
    silent = " Muted for this print." if belief.muted else ""
    level = failing_level(belief, belief.last_at or belief.started_at, patience)
    return (
        f"Spaghetti in {hits} of {len(belief.recent)} pictures of the last {patience.window:.0f} s, "
        f"{same_place(belief, patience)} of them in the same place; "
        f"evidence {belief.evidence:.2f}, suspect at {patience.suspect_at:.2f}, failing at {level:.2f}.{silent}"
    )


def _held_against(belief: Belief, answer: Answer, patience: Patience) -> float:
    """Return the frame's score, at most as sure as its strongest box that is not where a false alarm was; 0 when none is left."""
    if not belief.forgiven or not answer.detections:
        return answer.score
    left = (seen.confidence for seen in answer.detections if not _is_forgiven(belief, seen.box, patience))
    return min(answer.score, max(left, default=0.0))


def _is_forgiven(belief: Belief, box: Box, patience: Patience) -> bool:
    shared = ((intersection(box, place), place) for place in belief.forgiven)
    return any(
        both >= patience.forgiven_overlap * box.area and both >= patience.forgiven_size * place.area for both, place in shared
    )


def _distinct(places: tuple[Box, ...], patience: Patience) -> tuple[Box, ...]:
    """Return the places, largest first, without those that lie in a larger one."""
    kept: list[Box] = []
    for place in sorted(places, key=lambda box: box.area, reverse=True):
        if all(intersection(place, larger) / place.area < patience.forgiven_overlap for larger in kept):
            kept.append(place)
    return tuple(kept)


def _suspect_since(belief: Belief, at: float, evidence: float, patience: Patience) -> float | None:
    if evidence < patience.suspect_at:
        return None
    return belief.suspect_since if belief.suspect_since is not None else at


def _verdict(belief: Belief, at: float, patience: Patience) -> Verdict:
    if belief.suspect_since is None:
        return Verdict.WATCHING
    return Verdict.FAILING if _sustained(belief, at, patience) else Verdict.SUSPECT


def same_place(belief: Belief, patience: Patience) -> int:
    """Return how many of the recent hits are in the place of the newest one.

    Hits without any box (a server that only scores) all count: nothing speaks for another place.
    """
    hits = [glance for glance in belief.recent if glance.score >= patience.hit_at]
    if not hits or not any(glance.places for glance in hits):
        return len(hits)
    return max((_hits_at(place, hits, patience) for place in hits[-1].places), default=0)


def _hits_at(place: Box, hits: list[Glance], patience: Patience) -> int:
    return sum(_together(place, glance.places, patience) for glance in hits)


def _together(place: Box, others: tuple[Box, ...], patience: Patience) -> bool:
    return any(covered(place, other) >= patience.place_overlap for other in others)


def _places(answer: Answer, patience: Patience) -> tuple[Box, ...]:
    return tuple(detection.box for detection in answer.detections[:_MOST_PLACES] if detection.confidence >= patience.place_at)


def _sustained(belief: Belief, at: float, patience: Patience) -> bool:
    """Return whether enough evidence, distinct frames, agreement among them and one place came together."""
    if belief.resumed_at is not None and at < belief.resumed_at + patience.resume_grace:
        return False
    hits = sum(glance.score >= patience.hit_at for glance in belief.recent)
    since = [glance for glance in belief.recent if belief.suspect_since is not None and glance.at >= belief.suspect_since]
    agreeing = sum(glance.score >= patience.hit_at for glance in since)
    return (
        belief.evidence >= failing_level(belief, at, patience)
        and hits >= patience.distinct_frames
        and agreeing >= patience.hit_share * len(since)
        and same_place(belief, patience) >= patience.place_share * hits
    )
