"""Which notices become messages on somebody's phone, and when: one per incident and one at its end, few at night.

Pure. A :class:`Desk` is what is remembered; notices come in with :func:`receive`, messages go out with :func:`release`,
time comes in with both. Pop-ups, the event bus and MQTT are not asked: they show states and get every notice at once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from octoprint_spaghetti.core.sentence import joined, say, translated
from octoprint_spaghetti.core.stopping import UNDER_WAY
from octoprint_spaghetti.core.words import Notice, NoticeKind

#: A failure waits this long for the pause or the cancel it ordered, so that both are one message. OctoPrint confirms a pause within a
#: second as a rule, and after 22 s at worst (measured: an M109 in flight); what takes longer is told as it stands.
PAUSE_HOLD_S = 30.0
#: Blindness that ends within this time is told to nobody's phone: a router that restarts takes one to two minutes.
BLIND_HOLD_S = 120.0
#: A camera that comes and goes is told once in this time at most.
SIGHT_COOLDOWN_S = 900.0
#: Incidents that are remembered as told; a print seldom has more than two.
_MOST_TOLD = 32
#: Messages that are held back, for the morning as a rule; beyond it the oldest is dropped.
_MOST_WAITING = 32

SIGHT = "sight"
_CAMERA = "camera "  # and its name


class Urgency(str, enum.Enum):
    """How a message looks where it arrives; Apprise knows the same four."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"

    def __str__(self) -> str:
        """Return the bare word."""
        return self.value


@dataclass(frozen=True)
class Message:
    """What a channel gets to deliver.

    ``topic`` is what it is about: of two messages of one topic that wait, the newer one counts. ``pictured`` ones go with the
    picture of the ``incident``, or the latest one when there is none; ``rings`` messages do not heed quiet hours.
    """

    topic: str
    title: str
    body: str
    urgency: Urgency = Urgency.INFO
    pictured: bool = False
    incident: str | None = None
    rings: bool = False


@dataclass(frozen=True)
class Waiting:
    """A message that is held back until ``due_at``, monotonic seconds; one that ``opens`` its topic will have an end."""

    message: Message
    due_at: float
    opens: bool = False


@dataclass(frozen=True)
class Desk:
    """What is remembered of what was said: messages that wait, topics that were told and have not ended, and when sight was."""

    waiting: tuple[Waiting, ...] = ()
    told: tuple[str, ...] = ()
    sight_told_at: float = float("-inf")
    camera_told_at: float = float("-inf")  # of one of several; that nobody sees the print does not wait for it


@dataclass(frozen=True)
class Wording:
    """How messages are worded: whose printer it is, a link that leads to it (both may be empty), what is wanted, and ``look_up``,
    which gives the template of the owner's language for the English one.
    """

    printer: str = ""
    link: str = ""
    summaries: bool = False
    look_up: Callable[[str], str] = str


_TITLES = {
    NoticeKind.SUSPICION: (say("Please look at the print"), Urgency.WARNING),
    NoticeKind.FAILURE: (say("The print is failing"), Urgency.FAILURE),
    NoticeKind.PAUSED: (say("Print paused"), Urgency.WARNING),
    NoticeKind.PAUSE_FAILED: (say("THE PRINT DID NOT PAUSE"), Urgency.FAILURE),
    NoticeKind.CANCELLED: (say("Print cancelled"), Urgency.WARNING),
    NoticeKind.CANCEL_FAILED: (say("THE PRINT WAS NOT CANCELLED"), Urgency.FAILURE),
    NoticeKind.POWER: (say("The printer's power"), Urgency.WARNING),
    NoticeKind.INCIDENT_ENDED: (say("Incident closed"), Urgency.INFO),
    NoticeKind.BLIND: (say("Nobody sees the print"), Urgency.WARNING),
    NoticeKind.SEEING: (say("The print is watched again"), Urgency.SUCCESS),
    NoticeKind.CAMERA_LOST: (say("A camera sees nothing"), Urgency.WARNING),
    NoticeKind.CAMERA_BACK: (say("The camera sees again"), Urgency.SUCCESS),
    NoticeKind.PRINT_ENDED: (say("Print ended"), Urgency.INFO),
    NoticeKind.DRILL: (say("Fire drill"), Urgency.INFO),
}
#: How the stop of a failing print went; it takes the place of the failure that is not told yet.
_STOPPED = frozenset({NoticeKind.PAUSED, NoticeKind.PAUSE_FAILED, NoticeKind.CANCELLED, NoticeKind.CANCEL_FAILED})
_PICTURED = _STOPPED | {NoticeKind.SUSPICION, NoticeKind.FAILURE, NoticeKind.DRILL}
_OF_INCIDENT = _STOPPED | {NoticeKind.FAILURE, NoticeKind.INCIDENT_ENDED}


def receive(desk: Desk, notice: Notice, now: float, wording: Wording) -> Desk:
    """Take a notice in; what it makes of the messages that wait comes out with :func:`release`."""
    if notice.kind not in _TITLES:
        return desk  # the protection and the start of a print are states: the navbar, the bus and MQTT show them
    message = worded(notice, wording)
    if notice.kind is NoticeKind.FAILURE:
        told = message.topic in desk.told
        return desk if told else _hold(desk, message, now + _hold_s(notice), opens=True)
    if notice.kind in _STOPPED or notice.kind is NoticeKind.SUSPICION:
        return _hold(desk, message, now, opens=True)
    if notice.kind is NoticeKind.BLIND:
        return _hold(desk, message, max(now + BLIND_HOLD_S, desk.sight_told_at + SIGHT_COOLDOWN_S), opens=True)
    if notice.kind is NoticeKind.CAMERA_LOST:
        return _hold(desk, message, max(now + BLIND_HOLD_S, desk.camera_told_at + SIGHT_COOLDOWN_S), opens=True)
    if notice.kind is NoticeKind.INCIDENT_ENDED and notice.detail == "print_ended":
        return desk  # the end of the print is told, once, for all that is open
    if notice.kind in (NoticeKind.SEEING, NoticeKind.CAMERA_BACK, NoticeKind.INCIDENT_ENDED):
        return _end(desk, message, now)
    return _end_of_print(desk, message, now, wording) if notice.kind is NoticeKind.PRINT_ENDED else _hold(desk, message, now)


def release(desk: Desk, now: float, quiet: bool) -> tuple[Desk, tuple[Message, ...]]:
    """Return the messages whose time has come, oldest first; in quiet hours only those that ring."""
    due = [one for one in desk.waiting if one.due_at <= now and (one.message.rings or not quiet)]
    if not due:
        return desk, ()
    opened = [one.message.topic for one in due if one.opens]
    told = (*(topic for topic in desk.told if topic not in opened), *opened)[-_MOST_TOLD:]
    waiting = tuple(one for one in desk.waiting if one not in due)
    sight = now if SIGHT in opened else desk.sight_told_at
    camera = now if any(topic.startswith(_CAMERA) for topic in opened) else desk.camera_told_at
    return Desk(waiting, told, sight, camera), tuple(one.message for one in due)


def is_of_sight(topic: str) -> bool:
    """Return whether messages of this topic say who sees the print: a state, which is told anew while it lasts."""
    return topic == SIGHT or topic.startswith(_CAMERA)


def next_due(desk: Desk, quiet: bool) -> float:
    """Return the monotonic second at which the next message may be released, infinity when none waits."""
    return min((one.due_at for one in desk.waiting if one.message.rings or not quiet), default=float("inf"))


def worded(notice: Notice, wording: Wording) -> Message:
    """Put a notice into words: what happened to which print, why in two sentences, and where to look."""
    title, urgency = _TITLES[notice.kind]
    heading = [wording.printer, title, notice.print_name]
    reason = "" if notice.reason in notice.sentence else notice.reason
    return Message(
        topic=_topic(notice),
        title=translated(joined(heading, ": "), wording.look_up),
        body=translated(joined((joined((notice.sentence, reason)), wording.link), "\n"), wording.look_up),
        urgency=urgency,
        pictured=notice.kind in _PICTURED,
        incident=notice.incident if notice.kind in _OF_INCIDENT else None,
        rings=_rings(notice),
    )


def _rings(notice: Notice) -> bool:
    """Return whether somebody must be woken: only when the printer goes on with a failure, or when they just asked for it."""
    unattended = notice.kind is NoticeKind.FAILURE and notice.action == "notify"
    return unattended or notice.kind in (NoticeKind.PAUSE_FAILED, NoticeKind.CANCEL_FAILED, NoticeKind.DRILL)


def _hold_s(notice: Notice) -> float:
    return PAUSE_HOLD_S if notice.action in UNDER_WAY else 0.0


def _topic(notice: Notice) -> str:
    if notice.kind in (NoticeKind.BLIND, NoticeKind.SEEING):
        return SIGHT
    if notice.kind in (NoticeKind.CAMERA_LOST, NoticeKind.CAMERA_BACK):
        return f"{_CAMERA}{notice.camera}"
    return f"incident {notice.incident or ''}" if notice.kind in _OF_INCIDENT else str(notice.kind)


def _hold(desk: Desk, message: Message, due_at: float, opens: bool = False) -> Desk:
    """Let a message wait, in the place of an older one of its topic."""
    waiting = (*_drop(desk, message.topic).waiting, Waiting(message, due_at, opens))
    return replace(desk, waiting=waiting[-_MOST_WAITING:])


def _drop(desk: Desk, topic: str) -> Desk:
    return replace(desk, waiting=tuple(one for one in desk.waiting if one.message.topic != topic))


def _end(desk: Desk, message: Message, now: float) -> Desk:
    """Tell the end of what was told; what nobody was told of ends in silence."""
    if message.topic not in desk.told:
        return _drop(desk, message.topic)
    return _hold(replace(desk, told=tuple(topic for topic in desk.told if topic != message.topic)), message, now)


def _end_of_print(desk: Desk, message: Message, now: float, wording: Wording) -> Desk:
    """Close whatever is open with one message, which is also the summary; without anything open, only if it is wanted.

    An incident that the quiet hours hold back is still told, and so is one that waits for its pause: the job ended before it,
    by an error of the printer perhaps, and nobody knows of it yet.
    """
    kept = tuple(one for one in desk.waiting if not is_of_sight(one.message.topic))
    cut_short = any(one.due_at > now for one in kept)
    closed = replace(desk, waiting=tuple(_last_word(one, now) for one in kept), told=())
    return _hold(closed, message, now) if desk.told or cut_short or wording.summaries else closed


def _last_word(waiting: Waiting, now: float) -> Waiting:
    """Return what waits as it is told after the end of its print: now, and without an end to come."""
    return replace(waiting, due_at=min(waiting.due_at, now), opens=False)
