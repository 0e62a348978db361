"""An ordered pause: waited for, ordered again, given up."""

from __future__ import annotations

import pytest

from octoprint_spaghetti.core.pausing import ATTEMPTS, PATIENCE_S, PAUSING_PATIENCE_S, PauseOrder, Step, next_step


@pytest.mark.parametrize(
    ("attempts", "pausing", "waited", "expected"),
    [
        pytest.param(1, False, 10.0, Step.WAIT, id="moves in the buffer"),
        pytest.param(1, False, PATIENCE_S, Step.ORDER_AGAIN, id="it prints on"),
        pytest.param(ATTEMPTS, False, PATIENCE_S, Step.GIVE_UP, id="it prints on after the last order"),
        pytest.param(1, True, PATIENCE_S, Step.WAIT, id="it waits for a heater"),
        pytest.param(1, True, PAUSING_PATIENCE_S, Step.GIVE_UP, id="it has been pausing for ever"),
    ],
)
def test_what_is_done_about_a_pause_that_has_not_come(attempts: int, pausing: bool, waited: float, expected: Step) -> None:
    """Patience first, then the order again, then the loudest notice; a printer that is pausing is believed for longer."""
    assert next_step(PauseOrder(100.0, attempts), pausing, 100.0 + waited) is expected
