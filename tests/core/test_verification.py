"""The vote of short series of frames: no single bad moment decides, at any frame rate."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.belief import Belief, Glance
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.verification import agreed, votes

PATIENCE = Patience()


def suspected(scores: list[float], interval: float) -> Belief:
    """Return a belief that is suspect since the first of so many frames."""
    glances = tuple(Glance(number * interval, score) for number, score in enumerate(scores))
    return Belief(started_at=-100.0, suspect_since=0.0, recent=glances)


def test_four_series_of_three_frames_vote() -> None:
    """At a frame every two seconds a series is three frames, and two of three make it agree."""
    assert votes(suspected([1, 1, 0] + [1, 0, 0] + [1, 1, 1] + [0, 0, 0], 2.0), PATIENCE) == (True, False, True, False)


@pytest.mark.parametrize("interval", [0.5, 1.0, 2.0, 3.0, 5.0])
def test_three_of_four_agree_after_twelve_seconds_at_any_rate(interval: float) -> None:
    """What is seen without a break is agreed on when the third series begins, give or take a frame."""
    for number in range(1, 60):
        if agreed(suspected([0.9] * number, interval), PATIENCE):
            assert 12.0 <= (number - 1) * interval < 12.0 + interval
            return
    pytest.fail("never agreed")


def test_two_bad_moments_do_not_agree() -> None:
    """Twelve seconds of something, twelve of nothing: two series of four, and no agreement."""
    assert not agreed(suspected([0.9] * 6 + [0.0] * 6, 2.0), PATIENCE)


def test_old_series_are_forgotten() -> None:
    """Only the newest four vote: a suspicion that has calmed down no longer counts."""
    assert votes(suspected([0.9] * 12 + [0.0] * 12, 2.0), PATIENCE) == (False,) * 4


def test_nothing_suspected_nothing_to_verify() -> None:
    """Without a suspicion there is no vote."""
    assert votes(Belief(started_at=0.0), PATIENCE) == ()
