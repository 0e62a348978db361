"""Power that is to go off: when it may, when somebody wants the printer, when it is given up."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.pause_script import Heater
from octoprint_spaghetti.core.power import (
    ATTEMPTS,
    COOLING_PATIENCE_S,
    SETTLING_S,
    SWITCHING_PATIENCE_S,
    PowerCut,
    Step,
    next_step,
)

COOL, WARM, HEATED = Heater(49.9, 0.0), Heater(50.0, 0.0), Heater(180.0, 200.0)
WAITING = PowerCut(since=0.0)


@pytest.mark.parametrize(
    ("state", "hotends", "now", "expected"),
    [
        pytest.param("OPERATIONAL", (COOL,), 1.0, Step.SWITCH_OFF, id="cool"),
        pytest.param("PAUSED", (COOL, COOL), 1.0, Step.SWITCH_OFF, id="two cool tools in a pause"),
        pytest.param("OPERATIONAL", (WARM,), 1.0, Step.WAIT, id="50 degrees are not below 50"),
        pytest.param("OPERATIONAL", (COOL, WARM), 1.0, Step.WAIT, id="one of two is warm"),
        pytest.param("OPERATIONAL", (), 1.0, Step.WAIT, id="no temperature was reported"),
        pytest.param("OPERATIONAL", (Heater(),), 1.0, Step.WAIT, id="a temperature that is not known"),
        pytest.param("OPERATIONAL", (HEATED,), SETTLING_S - 1.0, Step.WAIT, id="the report is older than the stop"),
        pytest.param("OPERATIONAL", (Heater(30.0, 200.0),), 1.0, Step.WAIT, id="cool, and about to be heated"),
        pytest.param("OPERATIONAL", (HEATED,), SETTLING_S, Step.HEATED, id="somebody heats"),
        pytest.param("PRINTING", (COOL,), 1.0, Step.WANTED, id="another print"),
        pytest.param("RESUMING", (COOL,), 1.0, Step.WANTED, id="the print goes on"),
        pytest.param("OFFLINE", (), 1.0, Step.LOST, id="disconnected"),
        pytest.param("OPERATIONAL", (WARM,), COOLING_PATIENCE_S, Step.NOT_COOL, id="it stays warm"),
        pytest.param("OPERATIONAL", (), COOLING_PATIENCE_S, Step.NOT_COOL, id="no temperature for half an hour"),
    ],
)
def test_when_the_power_may_go_off(state: str, hotends: tuple[Heater, ...], now: float, expected: Step) -> None:
    """Only when every hotend is known to be below 50 °C, none is heated, and nobody prints."""
    assert next_step(WAITING, state, state != "OFFLINE", hotends, False, now) is expected


@pytest.mark.parametrize(
    ("state", "hotend", "expected"), [("PRINTING", COOL, Step.WANTED), ("OPERATIONAL", Heater(40.0, 200.0), Step.HEATED)]
)
def test_power_that_somebody_switched_on_again_is_left_on(state: str, hotend: Heater, expected: Step) -> None:
    """The switch says that it is on, and somebody heats or prints: that is no relay that sticks."""
    cut = PowerCut(since=0.0, switched_at=100.0, attempts=1)
    assert next_step(cut, state, True, (hotend,), False, 100.0 + SWITCHING_PATIENCE_S) is expected


@pytest.mark.parametrize(
    ("attempts", "off", "waited", "expected"),
    [
        pytest.param(1, True, 0.0, Step.OFF, id="it is off"),
        pytest.param(1, None, 0.0, Step.OFF, id="the switch cannot tell"),
        pytest.param(1, False, 1.0, Step.WAIT, id="the relay takes its time"),
        pytest.param(1, False, SWITCHING_PATIENCE_S, Step.SWITCH_OFF, id="once more"),
        pytest.param(ATTEMPTS, False, SWITCHING_PATIENCE_S, Step.FAILED, id="it does not go off"),
    ],
)
def test_power_is_off_only_when_the_switch_says_so(attempts: int, off: bool | None, waited: float, expected: Step) -> None:
    """Switched again while it says that it is on; a printer that is gone then is no news."""
    cut = PowerCut(since=0.0, switched_at=100.0, attempts=attempts)
    assert next_step(cut, "OFFLINE", False, (), off, 100.0 + waited) is expected
