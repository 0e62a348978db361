"""Replaying prints: both policies over the same frames, and what they are known to do."""

from __future__ import annotations

import dataclasses

import pytest

from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.judge import Patience
from octoprint_spaghetti.core.obico import WARM_UP_FRAMES, ObicoBelief, advance
from octoprint_spaghetti.core.replay import obico_policy, replay, spaghetti_policy
from octoprint_spaghetti.core.words import Answer, Detection, Sighting, Verdict
from octoprint_spaghetti.testing import answer

BOX = Box(0.4, 0.4, 0.6, 0.6)


def frames(scores: list[float], interval: float = 10.0) -> list[tuple[int, Sighting]]:
    """Return numbered frames, one each ``interval`` seconds, with one box of the same confidence in each."""
    return [(number, Sighting(number * interval, answer(score, box=BOX))) for number, score in enumerate(scores)]


def test_our_policy_pauses_the_failing_print_and_says_when() -> None:
    """Frame and second of the pause, the first suspicion before it, and the timeline up to it."""
    outcome = replay("spaghetti", spaghetti_policy(Patience(), 0.0), frames([0.02] * 20 + [0.95] * 20, 5.0))
    assert outcome.paused is not None
    assert outcome.suspect is not None
    assert 20 < outcome.suspect.frame < outcome.paused.frame <= 29
    assert outcome.paused.at == outcome.paused.frame * 5.0
    assert outcome.timeline[-1] == outcome.paused
    assert outcome.as_json()["paused_at_frame"] == outcome.paused.frame


def test_a_good_print_is_paused_by_neither_policy() -> None:
    """Low scores for two hours: both go to the end."""
    for policy in (spaghetti_policy(Patience(), 0.0), obico_policy()):
        outcome = replay("any", policy, frames([0.02] * 720))
        assert outcome.paused is None
        assert len(outcome.timeline) == 720


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
    for number, (_, sighting) in enumerate(frames([0.02] * 360)):
        belief = advance(belief, sighting)
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


def test_a_day_at_one_frame_a_second_is_replayed_without_waiting() -> None:
    """86,400 frames go through to the end, and only what is asked for is kept."""
    outcome = replay("spaghetti", spaghetti_policy(Patience(), 0.0), frames([0.05] * 86_400, 1.0))
    assert len(outcome.timeline) == 86_400
    assert outcome.paused is None
