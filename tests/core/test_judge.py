"""The judge: what a print must look like, and for how long, before anything is done about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core import judge
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.explanation import explain
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.words import Answer, Sighting, Verdict
from octoprint_spaghetti.testing import answer

PATIENCE = Patience()
FIRST_JUDGED = PATIENCE.warm_up + 5.0


def printing(at: float = 0.0) -> Belief:
    """Return the belief about a print that extrudes from its start on."""
    return judge.extrusion_began(judge.begin(at), at)


def watch(belief: Belief, scores: Sequence[float], start: float, interval: float) -> Belief:
    """Show one frame every ``interval`` seconds from ``start`` on."""
    for number, score in enumerate(scores):
        belief = judge.advance(belief, Sighting(start + number * interval, answer(score)), PATIENCE)
    return belief


def seconds_to_failing(scores: Sequence[float], interval: float) -> float | None:
    """Return when a print turns failing after its first judged frame, or None when it never does."""
    belief = printing()
    for number, score in enumerate(scores):
        belief = judge.advance(belief, Sighting(FIRST_JUDGED + number * interval, answer(score)), PATIENCE)
        if belief.verdict is Verdict.FAILING:
            return number * interval
    return None


def test_a_calm_print_is_watched_and_nothing_else() -> None:
    """An hour of low scores leaves the verdict at watching and the evidence below suspect."""
    belief = watch(printing(), [0.05] * 720, FIRST_JUDGED, 5.0)
    assert belief.verdict is Verdict.WATCHING
    assert belief.evidence < PATIENCE.suspect_at


def test_a_sure_failure_is_suspect_first_and_failing_within_45_seconds() -> None:
    """Clear spaghetti passes through suspect, and is failing 20 to 45 s after it came into view."""
    belief = watch(printing(), [0.0, 0.95, 0.95, 0.95], FIRST_JUDGED, 5.0)
    assert belief.verdict is Verdict.SUSPECT
    seconds = seconds_to_failing([0.0] + [0.95] * 60, 2.0)
    assert seconds is not None
    assert 20.0 <= seconds <= 45.0


@pytest.mark.parametrize("interval", [0.5, 1.0, 2.0, 5.0])
def test_the_frame_rate_changes_the_cost_and_not_the_verdict(interval: float) -> None:
    """At any rate the same failure is failing at the same time, give or take an interval."""
    seconds = seconds_to_failing([0.0] + [0.9] * 400, interval)
    reference = seconds_to_failing([0.0] + [0.9] * 400, 0.25)
    assert seconds is not None
    assert reference is not None
    assert abs(seconds - reference) <= interval + 0.5


def test_one_frame_is_never_enough_however_sure() -> None:
    """A hand, a reflection, a cable in one frame out of ten does not even make a print suspect."""
    belief = watch(printing(), ([1.0] + [0.02] * 9) * 60, FIRST_JUDGED, 5.0)
    assert belief.verdict is Verdict.WATCHING


def test_frames_that_were_lost_are_no_evidence() -> None:
    """Two sure frames ten minutes apart weigh no more than two that are ten seconds apart."""
    apart = watch(printing(), [1.0, 1.0], FIRST_JUDGED, 600.0)
    near = watch(printing(), [1.0, 1.0], FIRST_JUDGED, PATIENCE.longest_step)
    assert apart.evidence == pytest.approx(near.evidence)
    assert apart.verdict is not Verdict.FAILING


def test_hits_that_jump_about_fail_no_print() -> None:
    """A cable or a toolhead that looks like spaghetti in ever other places is suspect, never failing."""
    corners = [Box(x, y, x + 0.1, y + 0.1) for x, y in ((0.0, 0.0), (0.8, 0.0), (0.0, 0.8), (0.8, 0.8))]
    belief = printing()
    for number in range(120):
        seen = Sighting(FIRST_JUDGED + number * 2.0, answer(0.9, box=corners[number % 4]))
        belief = judge.advance(belief, seen, PATIENCE)
        assert belief.verdict is not Verdict.FAILING


def test_a_tangle_that_grows_stays_in_its_place() -> None:
    """From a tenth of the picture to half of it, the boxes are one place, and the print fails as fast as any."""
    belief, failed_after = printing(), None
    for number in range(40):
        size = 0.1 + 0.01 * number
        box = Box(0.5 - size / 2, 0.6 - size / 2, 0.5 + size / 2, 0.6 + size / 2)
        belief = judge.advance(belief, Sighting(FIRST_JUDGED + number * 2.0, answer(0.95 if number else 0.0, box=box)), PATIENCE)
        if failed_after is None and belief.verdict is Verdict.FAILING:
            failed_after = number * 2.0
    assert failed_after == seconds_to_failing([0.0] + [0.95] * 60, 2.0)


def test_evidence_without_enough_distinct_frames_fails_no_print() -> None:
    """One frame every 30 s is certain after two, and waited for until there are as many as are asked for."""
    assert seconds_to_failing([0.95] * 100, 30.0) == (PATIENCE.distinct_frames - 1) * 30.0


@pytest.mark.parametrize(
    ("extruding_at", "seen_at", "expected"),
    [
        pytest.param(None, 100.0, Verdict.WARMING_UP, id="heating, nothing extruded yet"),
        pytest.param(90.0, 100.0, Verdict.WARMING_UP, id="the purge line, 10 s after the first extrusion"),
        pytest.param(10.0, 100.0, Verdict.WATCHING, id="90 s after the first extrusion"),
        pytest.param(None, PATIENCE.unseen_extrusion, Verdict.WATCHING, id="a print from SD, whose extrusion nobody sees"),
    ],
)
def test_warm_up_ends_by_event(extruding_at: float | None, seen_at: float, expected: Verdict) -> None:
    """What ends the warm-up is extrusion and a grace, not a number of frames."""
    belief = judge.begin(0.0)
    if extruding_at is not None:
        belief = judge.extrusion_began(belief, extruding_at)
    assert judge.advance(belief, Sighting(seen_at, answer(0.1)), PATIENCE).verdict is expected


def test_a_pause_freezes_the_belief() -> None:
    """What is seen while the print stands still changes nothing."""
    belief = judge.paused(watch(printing(), [0.6] * 10, FIRST_JUDGED, 5.0))
    assert watch(belief, [0.0] * 100, 200.0, 5.0) == belief


def failed_and_acted() -> tuple[Belief, float]:
    """Return a belief that was acted upon, and when."""
    belief = watch(printing(), [0.95] * 30, FIRST_JUDGED, 2.0)
    at = FIRST_JUDGED + 58.0
    assert judge.may_act(belief, at, PATIENCE)
    return judge.paused(judge.acted(belief, at)), at


def test_nothing_fails_within_the_grace_after_a_resume() -> None:
    """A resume with the tangle still in view is not answered by the same pause."""
    belief, at = failed_and_acted()
    resumed_at = at + 60.0
    belief = watch(judge.resumed(belief, resumed_at), [0.95] * 29, resumed_at, 2.0)
    assert belief.verdict is Verdict.SUSPECT


def test_the_bar_is_higher_after_a_resume_and_comes_down_again() -> None:
    """Right after a resume more evidence is asked for; an hour later the level is the usual one."""
    belief = judge.resumed(judge.paused(printing()), 100.0)
    after = judge.failing_level(belief, 100.0, PATIENCE)
    assert after == pytest.approx(PATIENCE.failing_at * PATIENCE.resume_bar)
    assert judge.failing_level(belief, 3700.0, PATIENCE) == pytest.approx(PATIENCE.failing_at, abs=0.01)


TANGLE, ELSEWHERE = Box(0.4, 0.5, 0.6, 0.7), Box(0.0, 0.0, 0.2, 0.2)


def see(belief: Belief, box: Box, start: float, seconds: float) -> Belief:
    """Show a sure tangle in one place every two seconds."""
    for number in range(int(seconds / 2.0)):
        belief = judge.advance(belief, Sighting(start + 2.0 * number, answer(0.95, box=box)), PATIENCE)
    return belief


def test_a_false_alarm_is_not_raised_again_for_the_same_place() -> None:
    """Called a false alarm, the same thing in the same place is calm for hours, cooldown or not."""
    belief = see(printing(), TANGLE, FIRST_JUDGED, 60.0)
    assert belief.verdict is Verdict.FAILING
    belief = judge.resumed(judge.paused(judge.false_alarm(belief, PATIENCE)), 200.0)
    belief = see(belief, TANGLE, 200.0, 7200.0)
    assert belief.verdict is Verdict.WATCHING


@pytest.mark.parametrize("faint", [0.35, 0.45, 0.49])
def test_a_faint_suspicion_that_was_called_false_is_forgiven_too(faint: float) -> None:
    """Nothing in it is more likely than not, and its owner was asked to look: once it is clearer they are not proved wrong by a pause."""
    belief = printing()
    for number in range(150):
        belief = judge.advance(belief, Sighting(FIRST_JUDGED + 2.0 * number, answer(faint, box=TANGLE)), PATIENCE)
    assert belief.verdict is Verdict.SUSPECT
    belief = see(judge.false_alarm(belief, PATIENCE), TANGLE, 700.0, 600.0)
    assert belief.verdict is Verdict.WATCHING
    assert see(belief, ELSEWHERE, 1400.0, 60.0).verdict is Verdict.FAILING


def test_a_calm_print_has_nothing_to_forgive() -> None:
    """A false alarm that another camera raised does not make this one blind for what it was never suspicious of."""
    belief = judge.advance(watch(printing(), [0.02] * 50, FIRST_JUDGED, 2.0), Sighting(300.0, answer(0.4, box=TANGLE)), PATIENCE)
    assert judge.false_alarm(belief, PATIENCE).forgiven == ()


@pytest.mark.parametrize("heats", [0.0, 30.0, 90.0, 600.0])
def test_the_grace_begins_where_printing_does(heats: float) -> None:
    """A resume may heat for minutes first; who sent it has looked, and has a minute before anything can be done."""
    belief = judge.resumed(judge.paused(watch(printing(), [0.95] * 8, FIRST_JUDGED, 2.0)), 500.0)
    assert belief.verdict is Verdict.SUSPECT
    for number in range(int(heats / 2.0)):
        belief = judge.advance(belief, Sighting(500.0 + 2.0 * number, answer(0.95), busy="heating"), PATIENCE)
    began = 500.0 + heats
    belief = watch(belief, [0.95] * 29, began, 2.0)
    assert belief.verdict is Verdict.SUSPECT
    assert watch(belief, [0.95] * 30, began + 58.0, 2.0).verdict is Verdict.FAILING


@pytest.mark.parametrize("heats", [8.0, 30.0])
def test_heating_at_each_change_of_tools_is_no_grace_without_end(heats: float) -> None:
    """Resumed once, a print with two nozzles heats every 50 seconds for hours; its failure is acted upon all the same."""
    belief, failing_at = judge.resumed(judge.paused(printing()), 500.0), None
    for number in range(900):
        at = 502.0 + 2.0 * number
        busy = "heating" if (at - 500.0) % 50.0 >= 50.0 - heats else ""
        score = 0.95 if at >= 1500.0 else 0.02
        belief = judge.advance(belief, Sighting(at, answer(score, box=TANGLE), busy=busy), PATIENCE)
        if judge.may_act(belief, at, PATIENCE) and failing_at is None:
            failing_at = at
    assert failing_at is not None and failing_at < 1600.0


@pytest.mark.parametrize(
    "box", [pytest.param(ELSEWHERE, id="in another place"), pytest.param(Box(0.2, 0.3, 0.8, 0.9), id="outgrown the old place")]
)
def test_a_failure_beside_a_false_alarm_is_still_one(box: Box) -> None:
    """Forgiving one place does not blind the judge for another, or for a tangle that grows out of it."""
    belief = judge.false_alarm(see(printing(), TANGLE, FIRST_JUDGED, 60.0), PATIENCE)
    assert see(belief, box, 200.0, 60.0).verdict is Verdict.FAILING


def both(first: Box, second: Box, confidence: float) -> Answer:
    """Return a sure answer whose strongest box is the first."""
    one, other = answer(0.95, box=first), answer(confidence, box=second)
    return dataclasses.replace(one, detections=(*one.detections, *other.detections))


def test_a_forgiven_place_does_not_hide_another() -> None:
    """A cable that was called a false alarm stays the strongest box; the tangle beside it fails the print all the same."""
    belief = judge.false_alarm(see(printing(), TANGLE, FIRST_JUDGED, 60.0), PATIENCE)
    for number in range(60):
        belief = judge.advance(belief, Sighting(200.0 + 2.0 * number, both(TANGLE, ELSEWHERE, 0.9)), PATIENCE)
    assert belief.verdict is Verdict.FAILING


def test_all_that_would_have_been_an_alarm_is_forgiven_together() -> None:
    """Who calls a picture with two sure boxes a false alarm is not asked again for the second of them."""
    belief, seen = printing(), both(TANGLE, ELSEWHERE, 0.9)
    for number in range(30):
        belief = judge.advance(belief, Sighting(FIRST_JUDGED + 2.0 * number, seen), PATIENCE)
    assert belief.verdict is Verdict.FAILING
    belief = judge.resumed(judge.paused(judge.false_alarm(belief, PATIENCE)), 200.0, ours=True)
    for number in range(1800):
        belief = judge.advance(belief, Sighting(200.0 + 2.0 * number, seen), PATIENCE)
        assert belief.verdict is Verdict.WATCHING


def test_what_was_seen_now_and_then_beside_an_alarm_is_not_forgiven() -> None:
    """A hand that came into a third of the pictures is not what was called a false alarm; a tangle in its place counts."""
    belief = printing()
    for number in range(30):
        seen = both(TANGLE, ELSEWHERE, 0.9) if number % 3 == 0 else answer(0.95, box=TANGLE)
        belief = judge.advance(belief, Sighting(FIRST_JUDGED + 2.0 * number, seen), PATIENCE)
    belief = judge.false_alarm(belief, PATIENCE)
    assert see(belief, ELSEWHERE, 200.0, 60.0).verdict is Verdict.FAILING


def test_a_faint_box_around_everything_does_not_forgive_everything() -> None:
    """Only the place that was the alarm is forgiven, not what else was seen, and not the whole picture."""
    belief = printing()
    for number in range(30):
        seen = Sighting(FIRST_JUDGED + 2.0 * number, both(TANGLE, Box(0.0, 0.0, 1.0, 1.0), 0.25))
        belief = judge.advance(belief, seen, PATIENCE)
    belief = judge.false_alarm(belief, PATIENCE)
    assert see(belief, ELSEWHERE, 200.0, 60.0).verdict is Verdict.FAILING


def test_a_small_tangle_in_a_large_forgiven_place_is_another_thing() -> None:
    """A lattice that filled the picture was forgiven; a small knot in front of it was not."""
    belief = judge.false_alarm(see(printing(), Box(0.0, 0.0, 1.0, 1.0), FIRST_JUDGED, 60.0), PATIENCE)
    assert see(belief, TANGLE, 200.0, 60.0).verdict is Verdict.FAILING


def test_a_muted_print_is_judged_and_left_alone() -> None:
    """Muted, a failing print is called failing and nothing is done; unmuted, it is."""
    belief = judge.muted(see(printing(), TANGLE, FIRST_JUDGED, 60.0), True)
    assert belief.verdict is Verdict.FAILING
    assert not judge.may_act(belief, 100.0, PATIENCE)
    assert "Muted" in explain(belief, PATIENCE).sentences()
    assert judge.may_act(judge.muted(belief, False), 100.0, PATIENCE)


def test_one_action_then_a_cooldown() -> None:
    """A print that fails on is acted upon once, and again only after the cooldown."""
    belief = watch(printing(), [0.95] * 30, FIRST_JUDGED, 2.0)
    belief = judge.acted(belief, 100.0)
    assert belief.verdict is Verdict.FAILING
    assert not judge.may_act(belief, 100.0 + PATIENCE.cooldown - 1.0, PATIENCE)
    assert judge.may_act(belief, 100.0 + PATIENCE.cooldown, PATIENCE)


def test_a_clock_that_jumps_back_decides_nothing() -> None:
    """A sighting that is not later than the last is ignored."""
    belief = watch(printing(), [0.9] * 3, FIRST_JUDGED, 5.0)
    assert judge.advance(belief, Sighting(FIRST_JUDGED, answer(1.0)), PATIENCE) == belief


def test_the_explanation_names_the_arithmetic() -> None:
    """From the sentence one can read how many pictures, the evidence and both levels."""
    belief = watch(printing(), [0.95] * 30, FIRST_JUDGED, 2.0)
    sentence = explain(belief, PATIENCE).sentences()
    assert "30 of 30 pictures" in sentence
    assert f"{PATIENCE.failing_at:.2f}" in sentence


SCORES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=200)


@given(SCORES, st.floats(0.5, 20.0))
def test_no_print_fails_without_evidence_above_the_level(scores: list[float], interval: float) -> None:
    """Whatever the scores and the rate, failing means evidence at the level and enough frames above one half."""
    belief = printing()
    for number, score in enumerate(scores):
        belief = judge.advance(belief, Sighting(FIRST_JUDGED + number * interval, answer(score)), PATIENCE)
        if belief.verdict is Verdict.FAILING:
            assert belief.evidence >= PATIENCE.failing_at
            assert sum(glance.score >= PATIENCE.hit_at for glance in belief.recent) >= PATIENCE.distinct_frames


@given(SCORES, st.integers(0, 200))
def test_a_print_replayed_in_pieces_is_the_same_print(scores: list[float], cut: int) -> None:
    """Stopping anywhere and going on later gives the same belief as going through at once."""
    whole = watch(printing(), scores, FIRST_JUDGED, 3.0)
    first = watch(printing(), scores[:cut], FIRST_JUDGED, 3.0)
    assert watch(first, scores[cut:], FIRST_JUDGED + 3.0 * len(scores[:cut]), 3.0) == whole


@given(SCORES)
def test_evidence_is_never_above_the_highest_score(scores: list[float]) -> None:
    """Evidence is a mean of what was seen: it stays between zero and the highest score."""
    belief = watch(printing(), scores, FIRST_JUDGED, 5.0)
    assert 0.0 <= belief.evidence <= max(scores)


def test_the_belief_of_a_day_long_print_stays_small() -> None:
    """Only the window is remembered, however long the print."""
    belief = watch(printing(), [0.1] * 86_400, FIRST_JUDGED, 1.0)
    assert len(belief.recent) <= PATIENCE.window + 1


def test_what_slowly_gets_clearer_never_becomes_usual() -> None:
    """A score that climbs to 0.85 over six hours, never fast enough to be suspect, is seen all the same."""
    scores = [0.85 * number / 4320 for number in range(4320)]
    assert watch(printing(), scores, FIRST_JUDGED, 5.0).verdict is Verdict.FAILING
