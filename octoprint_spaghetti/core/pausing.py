"""An ordered pause: true only when OctoPrint says so, ordered again when it prints on, given up loudly."""

from __future__ import annotations

import enum
from dataclasses import dataclass

#: Moves in the buffer take seconds, a dwell or a heater that is waited for 22 s (measured); then the order is repeated.
PATIENCE_S, ATTEMPTS = 45.0, 3
#: A printer that says it is pausing is believed for longer: a cold bed may be waited for before the pause comes through.
PAUSING_PATIENCE_S = 300.0


class Step(enum.Enum):
    """What is to be done about an ordered pause."""

    WAIT = "wait"
    ORDER_AGAIN = "order again"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class PauseOrder:
    """A pause that was ordered and not confirmed: when last (seconds of the watch's clock), and how often."""

    at: float
    attempts: int = 1


def next_step(order: PauseOrder, pausing: bool, now: float) -> Step:
    """Return what is to be done; ``pausing`` tells whether the printer says that it is on its way to a pause."""
    waited = now - order.at
    if waited < PATIENCE_S or (pausing and waited < PAUSING_PATIENCE_S):
        return Step.WAIT
    return Step.GIVE_UP if pausing or order.attempts >= ATTEMPTS else Step.ORDER_AGAIN
