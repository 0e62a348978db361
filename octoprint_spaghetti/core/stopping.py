"""An ordered stop, a pause or a cancel: true only when OctoPrint says so, ordered again when it prints on, given up loudly."""

from __future__ import annotations

import enum
from dataclasses import dataclass

#: Moves in the buffer take seconds, a dwell or a heater that is waited for 22 s (measured); then the order is repeated.
PATIENCE_S, ATTEMPTS = 45.0, 3
#: A printer that says it is on its way is believed for longer: a cold bed may be waited for before the stop comes through.
UNDER_WAY_PATIENCE_S = 300.0
#: OctoPrint's state while a stop is on its way, by the action that asks for it. Other actions stop nothing.
UNDER_WAY = {"pause": "PAUSING", "cancel": "CANCELLING"}
#: States of OctoPrint in which a job is on its way out.
ENDING_STATES = frozenset({"FINISHING", "CANCELLING"})


class Step(enum.Enum):
    """What is to be done about an ordered stop."""

    WAIT = "wait"
    ORDER_AGAIN = "order again"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class StopOrder:
    """A stop that was ordered and not confirmed: ``pause`` or ``cancel``, when last (seconds of the watch's clock), how often."""

    action: str
    at: float
    attempts: int = 1


def next_step(order: StopOrder, state: str, now: float) -> Step:
    """Return what is to be done while OctoPrint is in ``state``; a job that ends by itself or by its owner needs no stop."""
    under_way = state == UNDER_WAY[order.action]
    if state in ENDING_STATES and not under_way:
        return Step.WAIT
    waited = now - order.at
    if waited < PATIENCE_S or (under_way and waited < UNDER_WAY_PATIENCE_S):
        return Step.WAIT
    return Step.GIVE_UP if under_way or order.attempts >= ATTEMPTS else Step.ORDER_AGAIN
