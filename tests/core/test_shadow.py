"""The shadow: every rule looks on, none acts, and at the end each says what it would have done."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import ObicoPolicy, PrintEvent, SpaghettiPolicy
from octoprint_spaghetti.core.shadow import Shadow, Would
from octoprint_spaghetti.core.words import Sighting
from octoprint_spaghetti.testing import answer

START = 5000.0
BOX = Box(0.4, 0.4, 0.6, 0.6)


def shadow() -> Shadow:
    """Return both policies looking on a print that extrudes since second 5000 of the clock."""
    looking_on = Shadow((SpaghettiPolicy(Patience(), START), ObicoPolicy()), START)
    looking_on.tell(PrintEvent.EXTRUSION_BEGAN, START)
    return looking_on


def show(looking_on: Shadow, scores: list[float], interval: float = 5.0) -> tuple[Would, ...]:
    """Show one frame each ``interval`` seconds; return the report."""
    for number, score in enumerate(scores):
        looking_on.see(Sighting(START + number * interval, answer(score, box=BOX)))
    return looking_on.report()


def test_a_good_print_leaves_a_clean_report() -> None:
    """Nobody would have paused, nobody was suspicious, and that is what is said."""
    for would in show(shadow(), [0.02] * 300):
        assert would.acted_at is None
        assert would.sentence() == f"{would.policy} would not have paused and was never suspicious."


def test_a_failure_is_reported_with_the_moment_at_which_each_would_have_paused() -> None:
    """Seconds count from the start of the print; suspicion comes before the pause."""
    for would in show(shadow(), [0.02] * 120 + [0.95] * 120):
        assert would.suspect_at is not None
        assert would.acted_at is not None
        assert 600.0 <= would.suspect_at <= would.acted_at <= 800.0
        assert "would have paused 1" in would.sentence()


def test_a_rule_that_would_have_paused_twice_says_so() -> None:
    """In the shadow a print goes on; after the cooldown ours would have paused again, and Obico's acts once in a print."""
    ours, obico = show(shadow(), [0.02] * 120 + [0.95] * 260)
    assert (ours.acts, obico.acts) == (2, 1)
    assert ours.sentence().endswith("and once more.")


def test_a_mute_silences_the_shadow_too() -> None:
    """What the owner said to the watch holds for those who look on."""
    looking_on = shadow()
    looking_on.tell(PrintEvent.MUTED, START)
    assert all(would.acts == 0 for would in show(looking_on, [0.95] * 120))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        pytest.param(41.0, "41 s", id="seconds"),
        pytest.param(754.0, "12 min 34 s", id="minutes"),
        pytest.param(36_060.0, "10 h 01 min", id="hours"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    """Ten hours into a print nobody asks for the second."""
    assert Would("ours", acted_at=seconds, acts=1).sentence() == f"ours would have paused {said} into the print."


def test_the_report_is_plain_data() -> None:
    """For the page and for programs."""
    document = show(shadow(), [0.02] * 10)[0].as_json()
    assert document == {
        "policy": "spaghetti",
        "suspect_at_s": None,
        "acted_at_s": None,
        "acts": 0,
        "max_evidence": pytest.approx(0.02, abs=0.01),
    }
