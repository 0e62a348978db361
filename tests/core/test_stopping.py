"""An ordered pause or cancel: waited for, ordered again, given up."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.stopping import ATTEMPTS, PATIENCE_S, UNDER_WAY_PATIENCE_S, Step, StopOrder, next_step


@pytest.mark.parametrize("action", ["pause", "cancel"])
@pytest.mark.parametrize(
    ("attempts", "under_way", "waited", "expected"),
    [
        pytest.param(1, False, 10.0, Step.WAIT, id="moves in the buffer"),
        pytest.param(1, False, PATIENCE_S, Step.ORDER_AGAIN, id="it prints on"),
        pytest.param(ATTEMPTS, False, PATIENCE_S, Step.GIVE_UP, id="it prints on after the last order"),
        pytest.param(1, True, PATIENCE_S, Step.WAIT, id="it waits for a heater"),
        pytest.param(1, True, UNDER_WAY_PATIENCE_S, Step.GIVE_UP, id="it has been on its way for ever"),
    ],
)
def test_what_is_done_about_a_stop_that_has_not_come(
    action: str, attempts: int, under_way: bool, waited: float, expected: Step
) -> None:
    """Patience first, then the order again, then the loudest notice; a printer that is on its way is believed for longer."""
    state = {"pause": "PAUSING", "cancel": "CANCELLING"}[action] if under_way else "PRINTING"
    assert next_step(StopOrder(action, 100.0, attempts), state, 100.0 + waited) is expected


@pytest.mark.parametrize(("action", "state"), [("pause", "CANCELLING"), ("pause", "FINISHING"), ("cancel", "FINISHING")])
def test_a_job_that_ends_otherwise_needs_no_stop(action: str, state: str) -> None:
    """Who cancels the failing print by hand is not told that it did not pause."""
    assert next_step(StopOrder(action, 0.0, ATTEMPTS), state, 1e6) is Step.WAIT
