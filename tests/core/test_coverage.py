"""Coverage: what share of a print was seen, and what the rest was lost to."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.coverage import MOST_CAUSES, Coverage


@pytest.mark.parametrize(
    ("coverage", "sentence"),
    [
        pytest.param(Coverage(), "Protected 100 % of 0 s", id="a print of no length"),
        pytest.param(Coverage(39_720.0), "Protected 100 % of 11 h 02 min", id="all of eleven hours"),
        pytest.param(Coverage(39_000.0, (("Dark.", 720.0),)), "Protected 98 % of 11 h 02 min; 12 min: Dark.", id="a dark spell"),
        pytest.param(
            Coverage(99_990.0, (("Dark.", 10.0),)), "Protected 99 % of 27 h 46 min; 10 s: Dark.", id="never rounded up to all"
        ),
        pytest.param(Coverage(0.0, (("No server.", 50.0),)), "Protected 0 % of 50 s; 50 s: No server.", id="nothing at all"),
    ],
)
def test_it_is_said_for_a_person(coverage: Coverage, sentence: str) -> None:
    """One sentence: the share, the length, and each loss with its cause."""
    assert coverage.sentence() == sentence


def test_losses_are_added_up_by_their_cause_and_told_longest_first() -> None:
    """Two dark spells are one loss; what took most of the time is said first."""
    coverage = Coverage()
    for seconds, why in ((60.0, ""), (120.0, "Dark."), (600.0, "No server."), (120.0, "Dark."), (60.0, "")):
        coverage = coverage.add(seconds, why)
    assert coverage.sentence() == "Protected 12 % of 16 min; 10 min: No server.; 4 min: Dark."


def test_a_camera_that_finds_ever_new_words_does_not_make_the_sentence_endless() -> None:
    """A few causes are told apart, the rest is "other reasons"."""
    coverage = Coverage()
    for number in range(1000):
        coverage = coverage.add(1.0, f"Error {number}.")
    assert len(coverage.lost_s) == MOST_CAUSES + 1
    assert coverage.sentence().startswith("Protected 0 % of 16 min; 16 min: other reasons")
