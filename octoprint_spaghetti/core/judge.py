"""The judge: a print is a fold over what was seen. One pure function per thing that can happen, time comes in with it.

``advance(belief, sighting, patience) -> belief`` is the heart. A failure must last: in *seconds* (evidence is smoothed
with a time constant), in *distinct frames*, in *series* that agree, and in *one place*; so the frame rate changes what
watching costs and how soon it speaks, never what it says. Nothing here knows a camera, a server or a printer.
"""

from __future__ import annotations

import math
from dataclasses import replace

from octoprint_spaghetti.core import scene_health, verification
from octoprint_spaghetti.core.belief import Background, Belief, Glance
from octoprint_spaghetti.core.geometry import Box, covered, intersection
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.words import Answer, Sighting, Verdict
from octoprint_spaghetti.core.zones import ignored_by, without

#: Boxes of a frame that are remembered; a tangle seldom falls into more parts.
_MOST_PLACES = 5
#: What a box is measured against at least when its growth is computed: 2 % of the picture, about the smallest that is seen.
_SMALLEST_AREA = 0.02
#: A gap between frames widens the window by this at most, seconds: a slower chain than that is no watch, but an outage.
_LONGEST_GAP = 60.0
#: Boxes that grow by this share within the window are no lattice: a suspicion of them never becomes usual.
_GROWING = 0.3
#: A resume is heard of before its script is sent: a frame taken so soon after it may not know yet that the printer will heat, seconds.
_SCRIPT_S = 10.0


def begin(at: float, background: Background = Background()) -> Belief:  # noqa: B008 - frozen
    """Return the belief about a print that starts now; ``background`` is what is usual for this printer and this file."""
    return Belief(started_at=at, background=background, usual=background.printer)


def joining(other: Belief, at: float, background: Background) -> Belief:
    """Return the belief of one more camera that sees the print from now on: it knows what happened, and has seen nothing yet.

    ``other`` is what is believed by another camera of the same print.
    """
    return replace(
        begin(at, background),
        extruding_at=other.extruding_at,
        resumed_at=other.resumed_at,
        resume_heard_at=other.resume_heard_at,
        acted_at=other.acted_at,
        paused=other.paused,
        muted=other.muted,
    )


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
    acted_at = at if ours else belief.acted_at
    return replace(belief, paused=False, resumed_at=at, resume_heard_at=at, last_at=None, acted_at=acted_at)


def acted(belief: Belief, at: float) -> Belief:
    """Note that the printer was moved or the owner was told: one action per incident, then a cooldown."""
    return replace(belief, acted_at=at)


def false_alarm(belief: Belief, patience: Patience, told: tuple[Box, ...] = ()) -> Belief:
    """Forgive what was seen: in this print, spaghetti in the accused places is not held against it again.

    ``told`` are those that were accused when the owner was last told; they are meant when by now none is.
    """
    places = accused_places(belief, patience) or told
    return _calmed(replace(belief, forgiven=(*belief.forgiven, *_distinct(places, patience))))


def accused_places(belief: Belief, patience: Patience) -> tuple[Box, ...]:
    """Return the places of the recent hits; of a suspicion that rests on fainter frames alone theirs, for they may become clearer."""
    places = (*alarmed_places(belief, patience), *_places_beside(belief, patience))
    if places or belief.verdict not in (Verdict.SUSPECT, Verdict.FAILING):
        return places
    return _in_place_of_newest([glance for glance in belief.recent if glance.score >= patience.suspect_at], patience)


def muted(belief: Belief, on: bool) -> Belief:
    """Do nothing about this print any more, or go back to acting; the watch goes on either way."""
    return replace(belief, muted=on)


def advance(belief: Belief, sighting: Sighting, patience: Patience) -> Belief:
    """Take one distinct frame into account.

    Sightings must come in order; one that is not later than the last is ignored, so a clock that jumps back decides
    nothing. While the print stands still or warms up, the printer does something else, or the scene cannot be judged,
    the frame is remembered as seen, and judged by nobody.
    """
    at = sighting.at
    if belief.paused or (belief.last_at is not None and at <= belief.last_at):
        return belief
    seen = _noted(belief, sighting, patience)
    if warming_up(belief, at, patience):
        return _warmed(seen, sighting, patience)
    if seen.unfit or seen.idle:
        return replace(seen, last_at=at, resumed_at=at if is_resuming(seen, at, patience) else seen.resumed_at)
    return _judged(seen, sighting, patience)


def warming_up(belief: Belief, at: float, patience: Patience) -> bool:
    """Return whether nothing may be judged yet: before extrusion and shortly after it began."""
    if belief.extruding_at is None:
        return at < belief.started_at + patience.unseen_extrusion
    return at < belief.extruding_at + patience.warm_up


def counted(belief: Belief, answer: Answer, patience: Patience) -> Answer:
    """Return the answer without what lies in an ignore zone or in a place that was a false alarm."""
    seen = outside_zones(answer, patience)
    return without(seen, lambda box: _is_forgiven(belief, box, patience)) if belief.forgiven else seen


def outside_zones(answer: Answer, patience: Patience) -> Answer:
    """Return the answer without what lies in an ignore zone."""
    return without(answer, lambda box: ignored_by(patience.zones, box, patience.forgiven_overlap)) if patience.zones else answer


def is_idle(belief: Belief) -> bool:
    """Return whether the last frame was judged by nobody: the print warms up, cannot be seen, or does something else."""
    return belief.verdict is Verdict.WARMING_UP or bool(belief.unfit or belief.idle)


def in_first_layers(belief: Belief, patience: Patience) -> bool:
    """Return whether the print is known to be in its first layers."""
    return belief.layer is not None and belief.layer <= patience.first_layers


def failing_level(belief: Belief, at: float, patience: Patience) -> float:
    """Return the evidence above which the print is failing, raised in the first layers and for a while after a resume."""
    bar = patience.first_layer_bar if in_first_layers(belief, patience) else 1.0
    if belief.resumed_at is not None:
        bar *= 1.0 + (patience.resume_bar - 1.0) * math.exp(-max(0.0, at - belief.resumed_at) / patience.resume_decay)
    return max(patience.failing_at, min(patience.failing_at * bar, patience.highest_bar))


def may_act(belief: Belief, at: float, patience: Patience) -> bool:
    """Return whether an action is due: the print is failing and none was taken within the cooldown."""
    cool = belief.acted_at is None or at >= belief.acted_at + patience.cooldown
    quiet = belief.paused or belief.muted or belief.unfit or belief.idle
    return belief.verdict is Verdict.FAILING and not quiet and cool


def is_lasting(belief: Belief, at: float, patience: Patience) -> bool:
    """Return whether the print has been suspect for so long, without failing, that somebody should look."""
    suspect = belief.verdict is Verdict.SUSPECT and belief.suspect_since is not None
    return suspect and belief.suspect_since is not None and at >= belief.suspect_since + patience.lasting_suspicion


def is_resuming(belief: Belief, at: float, patience: Patience) -> bool:
    """Return whether the printer still heats for a resume, or does what else it takes: the grace begins where printing does.

    What it heats for later, such as the other nozzle at each change of tools, is of the print, and prolongs nothing.
    """
    heard = belief.resume_heard_at
    prints_again = heard is None or (bool(belief.recent) and belief.recent[-1].at > heard + _SCRIPT_S)
    return bool(belief.idle) and not prints_again and in_grace(belief, at, patience)


def in_grace(belief: Belief, at: float, patience: Patience) -> bool:
    """Return whether the print went on so short a time ago that nothing is done about it."""
    return belief.resumed_at is not None and at < belief.resumed_at + patience.resume_grace


def hits(belief: Belief, patience: Patience) -> list[Glance]:
    """Return the recent frames that show spaghetti more likely than not."""
    return [glance for glance in belief.recent if glance.score >= patience.hit_at]


def same_place(belief: Belief, patience: Patience) -> int:
    """Return how many of the recent hits are in the place of the newest one.

    Hits without any box (a server that only scores) all count: nothing speaks for another place.
    """
    found = hits(belief, patience)
    if not any(glance.places for glance in found):
        return len(found)
    return max((_hits_at(place, found, patience) for place in found[-1].places), default=0)


def alarmed_places(belief: Belief, patience: Patience) -> tuple[Box, ...]:
    """Return the strongest box of each recent hit that is in the place of the newest one."""
    return _in_place_of_newest(hits(belief, patience), patience)


def _places_beside(belief: Belief, patience: Patience) -> tuple[Box, ...]:
    """Return the boxes of the recent hits beside the strongest that would have been an alarm without it, being as sure and as steady.

    Who calls a picture a false alarm has seen all of its boxes. The next one would pause the print again.
    """
    found = hits(belief, patience)
    sure = [glance.places[: glance.sure] for glance in found]

    def is_steady(box: Box) -> bool:
        return sum(_together(box, places, patience) for places in sure) >= patience.place_share * len(found)

    return tuple(box for places in sure for box in places[1:] if is_steady(box))


def growth(belief: Belief, patience: Patience) -> float:
    """Return how much the largest box grew within the window, 0 (not, or it shrank) to 1 (it doubled, or more).

    The median of the newest third of the frames that have boxes is compared with that of the oldest third.
    """
    areas = [max(box.area for box in glance.places) for glance in belief.recent if glance.places]
    third = len(areas) // 3
    if not third:
        return 0.0
    before, after = max(_median(areas[:third]), _SMALLEST_AREA), max(_median(areas[-third:]), _SMALLEST_AREA)
    return min(1.0, max(0.0, after / before - 1.0))


def _noted(belief: Belief, sighting: Sighting, patience: Patience) -> Belief:
    """Note layer, doings and scene; a camera that was moved makes places and the usual score worthless."""
    answer, scene = sighting.answer, belief.scene
    unfit = scene_health.problem(answer.scene)
    if patience.scene_gate and not unfit:
        limits = scene_health.Steadiness(patience.moved_below, patience.moved_for, patience.light_step, patience.settle)
        scene = scene_health.follow(scene, answer.thumbnail, answer.scene.brightness, sighting.at, limits)
        unfit = scene.why
    seen = replace(belief, layer=sighting.layer, idle=sighting.busy, scene=scene, unfit=unfit)
    return seen if scene.moves == belief.scene.moves else replace(_calmed(seen), forgiven=(), usual=0.0)


def _calmed(belief: Belief) -> Belief:
    return replace(belief, evidence=0.0, recent=(), suspect_since=None, verdict=Verdict.WATCHING)


def _warmed(belief: Belief, sighting: Sighting, patience: Patience) -> Belief:
    """Judge nothing; but what is seen before anything was extruded is no fault of this print, and soon usual."""
    cold = replace(belief, last_at=sighting.at, evidence=0.0, recent=(), suspect_since=None, verdict=Verdict.WARMING_UP)
    if belief.extruding_at is not None or belief.unfit:
        return cold
    score = min(counted(belief, sighting.answer, patience).score, patience.lasting_usual)
    return _used_to(cold, score, _weight(_step(belief, sighting.at, patience), patience.time_constant))


def _judged(belief: Belief, sighting: Sighting, patience: Patience) -> Belief:
    at, answer = sighting.at, counted(belief, sighting.answer, patience)
    score = _lifted(_beyond_usual(belief, answer.score, patience), belief, patience)
    step = _step(belief, at, patience)
    evidence = belief.evidence + _weight(step, patience.time_constant) * (score - belief.evidence)
    recent = (*_newer(belief.recent, at - _window(belief, at, patience)), _glance(at, score, answer, patience))
    if evidence < patience.suspect_at:
        most = max(patience.lasting_usual, belief.background.printer)  # or a score that climbs slowly would raise its own bar
        usual = belief.usual + _weight(step, patience.calm_time) * (min(answer.score, most) - belief.usual)
        return replace(
            belief, last_at=at, evidence=evidence, recent=recent, suspect_since=None, usual=usual, verdict=Verdict.WATCHING
        )
    since = at if belief.suspect_since is None else belief.suspect_since
    seen = replace(belief, last_at=at, evidence=evidence, recent=recent, suspect_since=since, verdict=Verdict.SUSPECT)
    if _sustained(seen, at, patience):
        return replace(seen, verdict=Verdict.FAILING)
    if is_lasting(seen, at, patience) and growth(seen, patience) < _GROWING:
        # A suspicion of minutes that neither fails nor grows is how this print looks.
        return _used_to(seen, min(answer.score, patience.lasting_usual), _weight(step, patience.lasting_time))
    return seen


def _used_to(belief: Belief, score: float, weight: float) -> Belief:
    """Move what is usual towards a score."""
    return replace(belief, usual=belief.usual + weight * (score - belief.usual))


def _beyond_usual(belief: Belief, score: float, patience: Patience) -> float:
    """Return how far the score goes beyond what is usual here, as a share of the way to certainty."""
    usual = min(max(belief.usual, belief.background.at_layer(belief.layer)), patience.highest_usual)
    return max(0.0, score - usual) / (1.0 - usual)


def _lifted(score: float, belief: Belief, patience: Patience) -> float:
    """Return the score of a suspicious frame, raised when what is seen grows as a tangle does."""
    if score < patience.suspect_at:
        return score
    return score + (1.0 - score) * patience.growth_lift * growth(belief, patience)


def _newer(recent: tuple[Glance, ...], than: float) -> tuple[Glance, ...]:
    first = next((number for number, glance in enumerate(recent) if glance.at > than), len(recent))
    return recent[first:]


def _window(belief: Belief, at: float, patience: Patience) -> float:
    """Return how far back frames count: where camera or detector are slow, far enough for as many as a failure needs."""
    gap = min(at - belief.last_at, _LONGEST_GAP) if belief.last_at is not None else 0.0
    return max(patience.window, (patience.distinct_frames + 1) * gap) if gap > patience.longest_step else patience.window


def _step(belief: Belief, at: float, patience: Patience) -> float:
    return min(at - belief.last_at, patience.longest_step) if belief.last_at is not None else 0.0


def _weight(step: float, time_constant: float) -> float:
    return 1.0 - math.exp(-step / time_constant)


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


def _hits_at(place: Box, found: list[Glance], patience: Patience) -> int:
    return sum(_together(place, glance.places, patience) for glance in found)


def _in_place_of_newest(found: list[Glance], patience: Patience) -> tuple[Box, ...]:
    placed = [glance for glance in found if glance.places]
    return tuple(glance.places[0] for glance in placed if _together(glance.places[0], placed[-1].places, patience))


def _together(place: Box, others: tuple[Box, ...], patience: Patience) -> bool:
    return any(covered(place, other) >= patience.place_overlap for other in others)


def _glance(at: float, score: float, answer: Answer, patience: Patience) -> Glance:
    found = [detection for detection in answer.detections[:_MOST_PLACES] if detection.confidence >= patience.place_at]
    return Glance(at, score, tuple(one.box for one in found), sum(one.confidence >= patience.hit_at for one in found))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _sustained(belief: Belief, at: float, patience: Patience) -> bool:
    """Return whether enough evidence, distinct frames, agreement among them and one place came together."""
    if in_grace(belief, at, patience):
        return False
    count = len(hits(belief, patience))
    return (
        belief.evidence >= failing_level(belief, at, patience)
        and count >= patience.distinct_frames
        and verification.agreed(belief, patience)
        and same_place(belief, patience) >= patience.place_share * count
    )
