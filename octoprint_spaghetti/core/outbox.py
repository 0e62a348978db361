"""What a channel still has to deliver, when it is tried again, and how it went so far. Pure; time comes in.

A library such as tenacity or backoff sleeps in the thread that calls it, or wants one thread for each call; all channels
share one here, so the schedule is data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from octoprint_spaghetti.core.notice_rules import Message
from octoprint_spaghetti.core.sentence import joined, say

#: Waits after the first, second, ... failure in a row, in seconds; the last one repeats.
BACK_OFF_S = (10.0, 30.0, 120.0, 600.0, 1800.0)
#: What could not be delivered in this time is given up: after half a day its owner has seen the printer.
GIVE_UP_AFTER_S = 12 * 3600.0
#: Messages that wait for one channel; beyond it the oldest is dropped.
MOST_WAITING = 20
#: From this attempt on the message goes without its picture: a host that refuses pictures must still get the words.
WITHOUT_PICTURE_FROM = 3
#: A message older than this says how late it is.
LATE_AFTER_S = 300.0


@dataclass(frozen=True)
class Delivery:
    """One message on its way to one channel since ``since`` (monotonic seconds), tried ``attempts`` times."""

    message: Message
    since: float
    attempts: int = 0


@dataclass(frozen=True)
class Outbox:
    """One channel's deliveries, oldest first.

    ``due_at`` monotonic seconds before which it is left alone; ``failures`` in a row; ``succeeded_at`` Unix time of the
    last success (None: never); ``problem`` why the last try failed, in words, empty after a success.
    """

    deliveries: tuple[Delivery, ...] = ()
    due_at: float = 0.0
    failures: int = 0
    succeeded_at: float | None = None
    problem: str = ""


def put(outbox: Outbox, message: Message, now: float) -> Outbox:
    """Add a message. A new one is a reason to try a channel again at once, however often it has failed."""
    return replace(outbox, deliveries=(*outbox.deliveries, Delivery(message, now))[-MOST_WAITING:], due_at=now)


def due(outbox: Outbox, now: float) -> Delivery | None:
    """Return what is to be delivered now, if anything."""
    return outbox.deliveries[0] if outbox.deliveries and outbox.due_at <= now else None


def delivered(outbox: Outbox, delivery: Delivery, wall: float) -> Outbox:
    """Note that a delivery arrived at Unix time ``wall``; what waits behind it is due at once."""
    rest = tuple(one for one in outbox.deliveries if one != delivery)
    return Outbox(rest, due_at=0.0, failures=0, succeeded_at=wall, problem="")


def failed(outbox: Outbox, delivery: Delivery, problem: str, now: float) -> Outbox:
    """Note that a delivery failed: it is tried again later, or given up when it is too old."""
    tried = replace(delivery, attempts=delivery.attempts + 1)
    kept = tuple(tried if one == delivery else one for one in outbox.deliveries)
    fresh = tuple(one for one in kept if now - one.since < GIVE_UP_AFTER_S)
    wait = BACK_OFF_S[min(outbox.failures, len(BACK_OFF_S) - 1)]
    return replace(outbox, deliveries=fresh, due_at=now + wait, failures=outbox.failures + 1, problem=problem)


def tested(outbox: Outbox, problem: str, now: float, wall: float) -> Outbox:
    """Note how a test went; what waits is tried at once when it went well."""
    if problem:
        return replace(outbox, problem=problem)
    return replace(outbox, due_at=now, failures=0, succeeded_at=wall, problem="")


def text(delivery: Delivery, now: float) -> str:
    """Return the body as it is delivered now; one that comes late says so."""
    late_s = now - delivery.since
    if late_s < LATE_AFTER_S:
        return delivery.message.body
    return joined((delivery.message.body, say("(This message is %(minutes).0f min late.)", minutes=late_s / 60)), "\n")


def takes_picture(delivery: Delivery) -> bool:
    """Return whether the picture goes along in the coming attempt."""
    return delivery.message.pictured and delivery.attempts + 1 < WITHOUT_PICTURE_FROM
