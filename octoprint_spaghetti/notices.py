"""Gets notices out of the house: one bounded inbox, one thread for all channels, and nobody ever waits for it.

The watcher's thread and OctoPrint's event thread only post. What becomes a message, and when, is decided in
``core/notice_rules.py``; when a channel is tried again in ``core/outbox.py``. Messages leave by a short-lived process
(``adapters/apprise_channels.py``), which this thread looks at now and then; the broker has paho's thread. What waits is kept
in a file whenever it changes, so that OctoPrint may end at any moment.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from octoprint_spaghetti.adapters.apprise_channels import Letter, Round, shown
from octoprint_spaghetti.broadcast import Broadcast
from octoprint_spaghetti.core import notice_rules, outbox
from octoprint_spaghetti.core.errors import ChannelError, EvidenceError
from octoprint_spaghetti.core.notice_rules import Desk, Message, Wording
from octoprint_spaghetti.core.outbox import Delivery, Outbox
from octoprint_spaghetti.core.quiet_hours import QuietHours
from octoprint_spaghetti.core.sentence import translated
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.waiting_record import Queued
from octoprint_spaghetti.core.words import Detection, Frame, Notice, Status

#: Notices, commands and changes that wait for the thread. It reads them within milliseconds; a full inbox means it is stuck.
INBOX_SIZE = 128
#: Longest sleep, so that quiet hours end on time and a lost wake-up costs seconds.
LONGEST_SLEEP_S = 5.0
#: While messages are on their way their process is looked at this often.
SENDING_SLEEP_S = 0.2
#: Processes at a time, 56 MB each: when a channel hangs in one, the others' messages leave by the next.
MOST_ROUNDS = 2
AFTER_ERROR_S = 5.0
#: Bound on the wait for the thread in ``stop``: it says farewell to the broker, which takes a second or two.
STOP_S = 4.0


@dataclass(frozen=True)
class ChannelReport:
    """How a channel does, without its address.

    ``id`` names it while OctoPrint runs; ``shown`` is what may be seen of it; ``succeeded_at`` Unix time of the last success,
    None before the first; ``problem`` why the last try failed, empty after a success; ``waiting`` messages still to deliver;
    ``failures`` messages in a row that did not get through.
    """

    id: str
    shown: str
    succeeded_at: float | None = None
    problem: str = ""
    waiting: int = 0
    failures: int = 0


@dataclass(frozen=True)
class Report:
    """How all channels do. ``mqtt_problem`` says why the broker is not connected; empty when it is, or none is wanted."""

    channels: tuple[ChannelReport, ...] = ()
    mqtt_connected: bool = False
    mqtt_problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        return {
            "channels": [dict(vars(channel)) for channel in self.channels],
            "mqtt": {"connected": self.mqtt_connected, "problem": self.mqtt_problem},
        }

    def unanswered(self, before: Report, since: float) -> tuple[ChannelReport, ...]:
        """Return the channels that have neither taken nor refused a message since Unix time ``since``; ``before`` is how they did.

        What was the problem the last time is no answer: it may be gone.
        """
        failures = {one.id: one.failures for one in before.channels}
        return tuple(
            one for one in self.channels if (one.succeeded_at or 0.0) < since and one.failures == failures.get(one.id, 0)
        )


@dataclass(frozen=True)
class Sending:
    """One letter on its way: the process, and by number the channels that have not answered, with what each delivers."""

    round: Round
    open: dict[int, tuple[str, Delivery]]


class Store(Protocol):
    """Keeps what waits, for a restart."""

    def save(self, queued: Queued, now: float, wall: float) -> None:
        """Keep what waits at monotonic second ``now``, Unix time ``wall``. Raises :class:`EvidenceError`."""

    def load(self, now: float, wall: float, channels: int) -> Queued:
        """Return what was kept, on the clock of now, for this many channels; nothing when there is nothing to be read."""


class Nowhere:
    """A store that keeps nothing."""

    def save(self, queued: Queued, now: float, wall: float) -> None:
        """Forget it."""

    def load(self, now: float, wall: float, channels: int) -> Queued:
        """Return that nothing waits."""
        return Queued()


class Notices:
    """Delivers notices to channels and the broker; its public methods may be called by any thread and return at once.

    ``picture_of`` returns the JPEG of an incident, or the latest one (for None), or None; ``obey`` carries out a command of
    the broker; ``drawn`` returns a JPEG with boxes; all are called on the thread of this class. ``printer`` is how the owner
    calls the printer, or empty; ``store`` keeps what waits; ``speaker`` gives what says English in the owner's language.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        picture_of: Callable[[str | None], bytes | None],
        obey: Callable[[str], None],
        drawn: Callable[[bytes, Iterable[Detection]], bytes] = lambda jpeg, detections: jpeg,
        printer: str = "",
        version: str = "",
        store: Store | None = None,
        speaker: Callable[[], Callable[[str], str]] = lambda: str,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        logger: logging.Logger | None = None,
    ) -> None:
        """Prepare the thread; it begins with :meth:`start`."""
        self._settings = settings
        self._picture_of = picture_of
        self._printer = printer
        self._monotonic = monotonic
        self._wall = wall
        self._logger = logger or logging.getLogger(__name__)
        self._key = secrets.token_bytes(16)  # so that an id tells nothing of the address it stands for
        self._inbox: queue.Queue[Callable[[], None]] = queue.Queue(INBOX_SIZE)
        self._newest: deque[tuple[Status, Frame | None]] = deque(maxlen=1)  # a status that was not published is outdated
        self._overflowing = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spaghetti-notices", daemon=True)
        self._desk = Desk()
        self._outboxes: dict[str, Outbox] = {address: Outbox() for address in settings.channels}
        self._sendings: list[Sending] = []
        self._store = store or Nowhere()
        self._speaker = speaker
        self._stored = Queued()
        self._storing_failed = False
        self._broadcast = Broadcast(
            settings,
            post=self._post,
            obey=obey,
            drawn=drawn,
            device_name=printer or "3D printer",
            version=version,
            logger=self._logger,
        )
        self.report = self._reported()

    # -- for any thread -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to deliver."""
        self._post(self._recall)
        self._post(self._broadcast.open)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and what it started; returns when it has ended, at the latest after ``STOP_S``."""
        self._stopping.set()
        self._post(lambda: None)
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def tell(self, notice: Notice) -> None:
        """Deliver a notice wherever it belongs."""
        self._post(lambda: self._receive(notice))

    def show(self, status: Status, frame: Frame | None) -> None:
        """Let the broker know how things stand."""
        self._newest.append((status, frame))
        if self._settings.mqtt_host and self._inbox.empty():
            self._post(lambda: None)  # only to wake the thread

    def configure(self, settings: Settings) -> None:
        """Use other settings; what waits for a channel that stays is kept."""
        self._post(lambda: self._configure(settings))

    def tried(self, address: str, problem: str) -> None:
        """Note how a test of a channel went."""
        self._post(lambda: self._note(address, problem))

    def id_of(self, address: str) -> str:
        """Return the id that stands for an address while OctoPrint runs."""
        return hashlib.blake2b(address.encode(), key=self._key, digest_size=8).hexdigest()

    # -- the thread -----------------------------------------------------------------------------------------------------

    def _post(self, event: Callable[[], None]) -> None:
        try:
            self._inbox.put_nowait(event)
        except queue.Full:
            if not self._overflowing.is_set():
                self._overflowing.set()
                self._logger.error("Too many notices at once; some are lost.")

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception:  # noqa: BLE001 - the thread's top: what nobody could name must not end the notices
                self._logger.exception("The notices met an unexpected error and go on.")
                self._stopping.wait(AFTER_ERROR_S)
        try:
            self._take_in()
        finally:
            for sending in self._sendings:
                sending.round.stop()
            self._broadcast.close()

    def _take_in(self) -> None:
        """Write down what was told in the last moment; it is sent after the next start."""
        with suppress(queue.Empty):
            for _ in range(INBOX_SIZE):
                self._inbox.get_nowait()()
        self._keep()

    def _step(self) -> None:
        try:
            self._inbox.get(timeout=self._sleep_s())()
        except queue.Empty:
            self._overflowing.clear()
        self._release()
        self._collect()
        self._keep()  # before anything that takes a while: drawing, sending
        self._send()
        if self._newest:
            self._broadcast.show(*self._newest.popleft(), self._monotonic(), self._wall())
        self.report = self._reported()

    def _recall(self) -> None:
        """Take up what waited when OctoPrint ended; called before anything new comes in."""
        known = self._store.load(self._monotonic(), self._wall(), len(self._outboxes))
        self._desk = known.desk
        deliveries = known.channels or ((),) * len(self._outboxes)
        self._outboxes = {address: Outbox(waiting) for address, waiting in zip(self._outboxes, deliveries)}
        self._stored = self._queued()

    def _queued(self) -> Queued:
        return Queued(self._desk, tuple(box.deliveries for box in self._outboxes.values()))

    def _keep(self) -> None:
        """Write down what waits when it is something else than before; what cannot be written now is tried at the next step."""
        queued = self._queued()
        if queued == self._stored:
            return
        try:
            self._store.save(queued, self._monotonic(), self._wall())
        except EvidenceError as error:
            if not self._storing_failed:  # once when it begins
                self._logger.error("%s", error)
            self._storing_failed = True
        else:
            self._stored, self._storing_failed = queued, False

    def _sleep_s(self) -> float:
        if self._sendings:
            return SENDING_SLEEP_S
        due = min((box.due_at for box in self._outboxes.values() if box.deliveries), default=float("inf"))
        wake_at = min(due, notice_rules.next_due(self._desk, self._quiet()))
        return max(0.0, min(wake_at - self._monotonic(), LONGEST_SLEEP_S))

    def _receive(self, notice: Notice) -> None:
        self._broadcast.tell(notice)
        wording = Wording(self._printer, self._link(), self._settings.summaries, self._speaker())
        self._desk = notice_rules.receive(self._desk, notice, self._monotonic(), wording)

    def _link(self) -> str:
        base = self._settings.link_base
        return f"{base.rstrip('/')}/#tab_plugin_spaghetti" if base else ""

    def _release(self) -> None:
        """Put the messages whose time has come into every channel's outbox."""
        now = self._monotonic()
        self._desk, messages = notice_rules.release(self._desk, now, self._quiet())
        for message in messages:
            self._outboxes = {address: outbox.put(box, message, now) for address, box in self._outboxes.items()}

    def _quiet(self) -> bool:
        hours = QuietHours.parse(self._settings.quiet_hours)
        local = time.localtime(self._wall())
        return hours is not None and hours.cover(60 * local.tm_hour + local.tm_min)

    def _send(self) -> None:
        """Start a process for the first message that is due, for all the channels that wait for just this one."""
        now = self._monotonic()
        busy = {address for sending in self._sendings for address, _ in sending.open.values()}
        due = [(address, outbox.due(box, now)) for address, box in self._outboxes.items() if address not in busy]
        waiting = [(address, delivery) for address, delivery in due if delivery is not None]
        if not waiting or len(self._sendings) >= MOST_ROUNDS:
            return
        first = waiting[0][1]
        together = [(address, one) for address, one in waiting if _alike(one, first)]
        letter = self._letter(first, now)
        try:
            started = Round([address for address, _ in together], letter, monotonic=self._monotonic)
        except ChannelError as error:
            for address, one in together:
                self._settle(address, one, str(error))
        else:
            self._sendings.append(Sending(started, dict(enumerate(together))))

    def _letter(self, delivery: Delivery, now: float) -> Letter:
        message: Message = delivery.message
        picture = self._picture_of(message.incident) if outbox.takes_picture(delivery) else None
        body = translated(outbox.text(delivery, now), self._speaker())
        return Letter(message.title, body, message.urgency, picture)

    def _collect(self) -> None:
        """See what has arrived and what has not."""
        for sending in tuple(self._sendings):
            for number, problem in sending.round.poll().items():
                self._settle(*sending.open.pop(number), problem)
            if sending.round.ended:
                self._sendings.remove(sending)

    def _settle(self, address: str, delivery: Delivery, problem: str) -> None:
        box = self._outboxes.get(address)
        if box is None:
            return  # the channel was removed meanwhile
        if problem:
            self._outboxes[address] = outbox.failed(box, delivery, problem, self._monotonic())
            if not box.failures:  # once when it begins; the settings page shows the rest
                self._logger.warning("A message to %s did not get through and is tried again: %s", shown(address), problem)
        else:
            self._outboxes[address] = outbox.delivered(box, delivery, self._wall())
            if box.failures:
                self._logger.info("Messages to %s get through again.", shown(address))

    def _note(self, address: str, problem: str) -> None:
        box = self._outboxes.get(address)
        if box is not None:
            self._outboxes[address] = outbox.tested(box, problem, self._monotonic(), self._wall())

    def _configure(self, settings: Settings) -> None:
        self._settings = settings
        self._outboxes = {address: self._outboxes.get(address, Outbox()) for address in settings.channels}
        self._broadcast.configure(settings)

    def _reported(self) -> Report:
        channels = tuple(
            ChannelReport(self.id_of(address), shown(address), box.succeeded_at, box.problem, len(box.deliveries), box.failures)
            for address, box in self._outboxes.items()
        )
        return Report(channels, self._broadcast.connected, self._broadcast.problem)


def _alike(one: Delivery, other: Delivery) -> bool:
    """Return whether two deliveries are the same letter."""
    return one.message == other.message and outbox.takes_picture(one) == outbox.takes_picture(other)
