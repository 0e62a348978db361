"""Messages that wait as plain JSON and back, so that a restart forgets none of them.

What is to be said is written, and to which channel by its place in the settings; where a channel leads is a secret and stays
in OctoPrint's settings. Times are Unix times there, since the clock of the process ends with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from octoprint_spaghetti.core.notice_rules import Desk, Message, Urgency, Waiting, is_of_sight
from octoprint_spaghetti.core.outbox import GIVE_UP_AFTER_S, MOST_WAITING, Delivery

FORMAT = 1
#: After so many seconds another print runs, and the end of what was told of the last one is no news; as for the belief about it.
SAME_PRINT_S = 300.0
#: Bounds on what is read: a title and a body are a few lines.
_LONGEST_TEXT, _MOST_TOPICS = 4000, 64


@dataclass(frozen=True)
class Queued:
    """All that waits: what the desk holds back, and for each channel, in the order of the settings, what it has to deliver."""

    desk: Desk = Desk()
    channels: tuple[tuple[Delivery, ...], ...] = ()


def as_json(queued: Queued, now: float, wall: float) -> dict[str, Any]:
    """Return plain JSON types; ``now`` is the monotonic second of Unix time ``wall``."""
    shift = wall - now
    messages = list(dict.fromkeys(delivery.message for channel in queued.channels for delivery in channel))
    return {
        "format": FORMAT,
        "wall": wall,
        "told": list(queued.desk.told),
        "sight_told_at": None if math.isinf(queued.desk.sight_told_at) else queued.desk.sight_told_at + shift,
        "held": [
            {"message": _described(one.message), "due_at": one.due_at + shift, "opens": one.opens} for one in queued.desk.waiting
        ],
        "messages": [_described(message) for message in messages],
        "channels": [
            [[messages.index(one.message), one.since + shift, one.attempts] for one in channel] for channel in queued.channels
        ],
    }


def from_json(content: Mapping[str, Any], now: float, wall: float, channels: int) -> tuple[Queued, int]:
    """Return what waits on the clock of now for this many ``channels``, and how many messages are too old to be of use.

    That nobody sees the print is not among them: it is a state, and told anew if it still holds. When there are other channels
    than before, each gets all that waits: twice told is better than never.

    Raises :class:`ValueError`, :class:`KeyError`, :class:`TypeError` or :class:`OverflowError` for what is no such record.
    """
    if content["format"] != FORMAT:
        raise ValueError(f"it has format {content['format']!r}")
    shift = now - wall
    messages = [_message(one) for one in content["messages"]]
    boxes = [[_delivery(one, messages, shift, now) for one in channel] for channel in content["channels"]]
    if len(boxes) != channels:
        boxes = [_once(boxes)] * channels
    fresh = tuple(tuple(one for one in box if now - one.since < GIVE_UP_AFTER_S)[-MOST_WAITING:] for box in boxes)
    held = [one for one in (_waiting(one, shift, now) for one in content["held"]) if not is_of_sight(one.message.topic)]
    waiting = tuple(one for one in held if now - one.due_at < GIVE_UP_AFTER_S)
    same_print = 0.0 <= wall - _number(content["wall"]) <= SAME_PRINT_S
    sight = content["sight_told_at"]
    desk = Desk(
        waiting=waiting,
        told=tuple(_text(topic) for topic in content["told"][-_MOST_TOPICS:]) if same_print else (),
        sight_told_at=-math.inf if sight is None else min(_number(sight) + shift, now),
    )
    late = sum(map(len, boxes)) - sum(map(len, fresh)) + len(held) - len(waiting)
    return Queued(desk, fresh), late


def _described(message: Message) -> dict[str, Any]:
    return {**vars(message), "urgency": str(message.urgency)}


def _message(content: Mapping[str, Any]) -> Message:
    incident = content["incident"]
    return Message(
        topic=_text(content["topic"]),
        title=_text(content["title"]),
        body=_text(content["body"]),
        urgency=Urgency(content["urgency"]),
        pictured=bool(content["pictured"]),
        incident=None if incident is None else _text(incident),
        rings=bool(content["rings"]),
    )


def _delivery(content: Any, messages: Sequence[Message], shift: float, now: float) -> Delivery:
    index, since, attempts = content
    if not (isinstance(index, int) and 0 <= index < len(messages) and isinstance(attempts, int) and attempts >= 0):
        raise ValueError(f"{content!r} is no delivery")
    return Delivery(messages[index], min(_number(since) + shift, now), attempts)


def _waiting(content: Mapping[str, Any], shift: float, now: float) -> Waiting:
    """Return what was held back; the clock on the wall may have been wrong, so never for longer than it could have been."""
    due_at = _number(content["due_at"]) + shift
    return Waiting(_message(content["message"]), min(due_at, now + SAME_PRINT_S), bool(content["opens"]))


def _once(boxes: Sequence[Sequence[Delivery]]) -> list[Delivery]:
    """Return each message once, oldest first, as if it had never been tried."""
    first: dict[Message, Delivery] = {}
    for delivery in sorted((one for box in boxes for one in box), key=lambda one: one.since):
        first.setdefault(delivery.message, replace(delivery, attempts=0))
    return list(first.values())


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value[:_LONGEST_TEXT]


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no time")
    return number
