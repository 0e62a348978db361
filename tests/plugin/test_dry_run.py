"""The last two steps of the test: would these settings decide, and could the printer be paused?"""

from __future__ import annotations

import pytest

from octoprint_spaghetti.chain import ChainReport, Step
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Answer, Heatmap, Scene
from octoprint_spaghetti.core.zones import Zone
from octoprint_spaghetti.dry_run import dry_run, seconds_to_act

ANSWER = Answer(0.02, (), Scene(0.5, 0.5, 0.5), Heatmap(0, 0, b""), b"", "triton")
PASSED = ChainReport((Step("look", 5.0),), ANSWER)
EVERYWHERE = Zone(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))


def named(report: ChainReport) -> dict[str, bool]:
    return {step.name: not step.problem for step in report.steps}


def test_the_usual_settings_would_pause_a_clear_failure_within_a_minute() -> None:
    """The report says after how long, for the settings as they are."""
    report = dry_run(PASSED, Settings(), lambda: "OPERATIONAL")
    assert named(report) == {"look": True, "decide": True, "pause": True}
    assert report.note.startswith("A clear failure would be paused after ")
    assert 10 < seconds_to_act(Settings(), ANSWER) < 60


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(Settings(zones=(EVERYWHERE,)), id="a zone over everything"),
        pytest.param(Settings(numbers=(("distinct_frames", 60), ("window", 10.0))), id="more frames than can be"),
    ],
)
def test_settings_that_never_act_are_named(settings: Settings) -> None:
    """A green test must not hide that no print would ever be paused."""
    report = dry_run(PASSED, settings, lambda: "OPERATIONAL")
    assert named(report) == {"look": True, "decide": False}
    assert not report.passed
    assert "not even a clear failure" in report.steps[-1].problem


def test_a_printer_that_is_not_connected_could_not_be_paused() -> None:
    """Unless nothing is to be paused at all."""
    report = dry_run(PASSED, Settings(), lambda: "OFFLINE")
    assert named(report)["pause"] is False
    assert "connect it" in report.steps[-1].problem
    assert dry_run(PASSED, Settings(shadow=True), lambda: "OFFLINE").passed
    assert "only told" in dry_run(PASSED, Settings(action="notify"), lambda: "OFFLINE").note


def test_obicos_rule_is_asked_when_it_decides() -> None:
    """The rule that was chosen is the one that is tried."""
    assert seconds_to_act(Settings(policy="obico"), ANSWER) != seconds_to_act(Settings(), ANSWER)


def test_a_chain_that_broke_before_stays_as_it_is() -> None:
    """Nothing is claimed beyond the step that failed."""
    broken = ChainReport((Step("camera", 5.0, "No picture."),))
    assert dry_run(broken, Settings(), lambda: "OPERATIONAL") is broken
