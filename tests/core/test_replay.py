"""Replaying prints: both policies over the same frames, and what they are known to do."""

from __future__ import annotations

import dataclasses

import pytest

from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.obico import WARM_UP_FRAMES, ObicoBelief, advance
from octoprint_spaghetti.core.patience import USUAL, Patience
from octoprint_spaghetti.core.policies import ObicoPolicy, PrintEvent, SpaghettiPolicy
from octoprint_spaghetti.core.recording import Recording, Seen, Told, of_pictures
from octoprint_spaghetti.core.replay import Outcome, Run, replay
from octoprint_spaghetti.core.sweep import recommended, sweep
from octoprint_spaghetti.core.words import Answer, Detection, Sighting, Verdict
from octoprint_spaghetti.testing import answer

BOX = Box(0.4, 0.4, 0.6, 0.6)


def frames(scores: list[float], interval: float = 10.0) -> list[Seen]:
    """Return numbered frames, one each ``interval`` seconds, with one box of the same confidence in each."""
    return [Seen(number, Sighting(number * interval, answer(score, box=BOX))) for number, score in enumerate(scores)]


def ours(recording: Recording) -> Outcome:
    """Return what our policy makes of a print at its usual numbers."""
    return replay([SpaghettiPolicy(Patience(), recording.start)], recording)[0]


def test_our_policy_pauses_the_failing_print_and_says_when() -> None:
    """Frame and second of the pause, the first suspicion before it, and the timeline up to it."""
    outcome = ours(of_pictures(frames([0.02] * 20 + [0.95] * 20, 5.0)))
    assert outcome.paused is not None
    assert outcome.suspect is not None
    assert 20 < outcome.suspect.frame < outcome.paused.frame <= 29
    assert outcome.paused.at == outcome.paused.frame * 5.0
    assert outcome.timeline[-1] == outcome.paused


def test_the_document_has_the_promised_names_and_no_other() -> None:
    """Programs rely on them."""
    document = ours(of_pictures(frames([0.02] * 20 + [0.95] * 20, 5.0))).as_json()
    assert list(document) == ["policy", "paused_at_frame", "paused_at_s", "suspect_at_frame", "max_evidence", "timeline"]
    assert document["policy"] == "spaghetti"
    assert document["paused_at_s"] == document["paused_at_frame"] * 5.0


def test_a_good_print_is_paused_by_neither_policy() -> None:
    """Low scores for two hours: both go to the end, side by side."""
    recording = of_pictures(frames([0.02] * 720))
    outcomes = replay([SpaghettiPolicy(Patience(), recording.start), ObicoPolicy()], recording)
    assert [outcome.policy for outcome in outcomes] == ["spaghetti", "obico"]
    for outcome in outcomes:
        assert outcome.paused is None
        assert outcome.suspect is None
        assert len(outcome.timeline) == 720


def test_a_print_that_is_known_to_go_on_is_replayed_beyond_its_pause() -> None:
    """The rows tell of the pause and the resume; a second failure an hour later is paused as well."""
    failure = [0.95] * 30
    seen = frames([0.02] * 20 + failure + [0.02] * 720 + failure, 5.0)
    outcome = ours(of_pictures(seen))
    assert outcome.paused is not None
    pause, resume = Told(PrintEvent.PAUSED, outcome.paused.at + 1.0), Told(PrintEvent.RESUMED, outcome.paused.at + 120.0)
    rows = sorted((*of_pictures(seen).rows, pause, resume), key=lambda row: row.at)
    again = ours(Recording(tuple(rows), start=-3600.0, goes_on=True))
    assert [again.pauses[0].frame, len(again.pauses)] == [outcome.paused.frame, 2]
    assert again.pauses[1].at > 3600.0


def test_a_second_look_counts_while_a_print_is_suspect() -> None:
    """At 0.45 a print is suspect and no more; looked at closer it is certain, and is paused. A calm print is looked at once."""
    faint, sure = answer(0.45, box=BOX), answer(0.99, box=BOX)
    seen = frames([0.02] * 20 + [0.45] * 40, 5.0)
    assert ours(of_pictures(seen)).paused is None
    closer = [dataclasses.replace(one, closer=sure if one.sighting.answer.score == faint.score else None) for one in seen]
    paused = ours(of_pictures(closer)).paused
    assert paused is not None
    assert paused.frame > 20
    always = [dataclasses.replace(one, closer=sure) for one in frames([0.02] * 60, 5.0)]
    assert ours(of_pictures(always)).suspect is None


def test_in_pieces_or_at_once_is_the_same() -> None:
    """A run that is fed row by row, with a look at its outcome in between, ends where one run over all does."""
    recording = of_pictures(frames([0.02] * 20 + [0.7, 0.1, 0.9] * 10, 5.0))
    run = Run(SpaghettiPolicy(Patience(), recording.start), until_pause=True)
    for row in recording.rows:
        run.take(row)
        run.outcome()
    assert run.outcome() == ours(recording)


def test_a_replay_without_its_timeline_finds_the_same() -> None:
    """Only the moments go; for a sweep over a day they are not wanted."""
    recording = of_pictures(frames([0.02] * 20 + [0.95] * 20, 5.0))
    short = replay([SpaghettiPolicy(Patience(), recording.start)], recording, keep_timeline=False)[0]
    assert short == dataclasses.replace(ours(recording), timeline=())


@pytest.mark.parametrize(
    ("score", "seconds"),
    [
        pytest.param(0.9, 90.0, id="p 0.9 pauses after 90 s"),
        pytest.param(1.2, 50.0, id="p 1.2 pauses after 50 s"),
        pytest.param(1.6, 40.0, id="p 1.6 pauses after 40 s"),
        pytest.param(0.5, None, id="p 0.5 never pauses"),
    ],
)
def test_the_obico_rule_does_what_it_is_known_to_do(score: float, seconds: float | None) -> None:
    """Onset at frame 360 of a printer with 3,000 frames at 0.02: the delays that were computed for the original rule."""
    belief = ObicoBelief(lifetime_frames=3000, long=0.02)
    for number, seen in enumerate(frames([0.02] * 360)):
        belief = advance(belief, seen.sighting)
        assert belief.verdict is (Verdict.WARMING_UP if number + 1 < WARM_UP_FRAMES else Verdict.WATCHING)
    two_boxes = [min(score, 1.0), max(0.0, score - 1.0)]
    paused_after = None
    for number in range(400):
        detections = tuple(answer(part, box=BOX).detections[0] for part in two_boxes)
        sighting = Sighting(3600.0 + 10.0 * number, _with(detections))
        belief = advance(belief, sighting)
        if belief.verdict is Verdict.FAILING:
            paused_after = 10.0 * number
            break
    assert paused_after == (None if seconds is None else pytest.approx(seconds, abs=10.0))


def _with(detections: tuple[Detection, ...]) -> Answer:
    return dataclasses.replace(answer(0.5), detections=detections)


def test_a_sweep_is_never_later_when_more_sensitive() -> None:
    """Least sensitive first, the pause of a growing failure comes no later from one position to the next."""
    scores = [0.02] * 20 + [min(0.95, 0.02 * step) for step in range(60)] + [0.95] * 20
    settings = sweep(Patience(), of_pictures(frames(scores, 5.0)))
    pauses = [setting.outcome.paused.at for setting in settings if setting.outcome.paused is not None]
    assert len(pauses) == len(settings) == 9
    assert pauses == sorted(pauses, reverse=True)
    assert pauses[0] > pauses[-1]


def test_the_usual_sensitivity_is_recommended_unless_it_was_wrong() -> None:
    """A clear failure is no reason to turn anything."""
    settings = sweep(Patience(), of_pictures(frames([0.02] * 20 + [0.95] * 40, 5.0)))
    best = recommended(settings, failed_at=100.0)
    assert best is not None
    assert best.sensitivity == USUAL


def test_a_good_print_that_was_paused_asks_for_less_sensitivity() -> None:
    """A lattice that scores 0.75 for minutes: the nearest position that leaves it alone, or none at all."""
    settings = sweep(Patience(), of_pictures(frames([0.02] * 20 + [0.66] * 60, 5.0)))
    best = recommended(settings, failed_at=None)
    assert best is not None
    assert best.sensitivity < USUAL
    assert recommended(sweep(Patience(), of_pictures(frames([0.02] * 20 + [0.99] * 60, 5.0))), failed_at=None) is None
