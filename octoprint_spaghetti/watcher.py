"""The plugin's one thread. It takes its pictures itself, so frames never queue; its inbox holds only events, and is bounded."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace

from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame, Protection, ProtectionLevel, Status, Verdict
from octoprint_spaghetti.watch import Watch

#: Events waiting for the thread. It reads them between two frames; what does not fit is found by asking the printer.
INBOX_SIZE = 64
#: Longest sleep, so that a lost wake-up costs seconds and not the night.
LONGEST_SLEEP_S = 5.0
#: After an error that nobody could name the thread waits this long, so that a lasting one cannot spin.
AFTER_ERROR_S = 5.0
#: A look blocks for the deadlines of camera and detectors, a fire drill for a minute; a step beyond this hangs somewhere.
STALLED_S = 150.0
#: Bound on the wait for the thread in ``stop``: a camera may hold it until its own time-out.
STOP_S = 3.0


class Watcher:
    """Runs a :class:`Watch` on a thread of its own; its methods post an event and return at once."""

    def __init__(
        self, watch: Watch, *, monotonic: Callable[[], float] = time.monotonic, logger: logging.Logger | None = None
    ) -> None:
        """Prepare the thread; it begins with :meth:`start`."""
        self._watch = watch
        watch.outdated = self._has_news
        self._monotonic = monotonic
        self._logger = logger or logging.getLogger(__name__)
        self._inbox: queue.Queue[Callable[[], None]] = queue.Queue(INBOX_SIZE)
        self._overflowing = threading.Event()
        self._stopping = threading.Event()
        self._stepped_at = monotonic()
        self._started = False
        self._thread = threading.Thread(target=self._run, name="spaghetti-watcher", daemon=True)

    @property
    def status(self) -> Status:
        """Return the newest status, or that the thread stands still for ``STALLED_S``, or is gone: it cannot say so itself."""
        status, silent = self._watch.status, self._monotonic() - self._stepped_at
        if not self.is_stalled:
            return status
        sentence = say("The watch has not moved for %(silent).0f s and sees nothing; restart OctoPrint.", silent=silent)
        unprotected = Protection(ProtectionLevel.UNPROTECTED, self._stepped_at, sentence)
        return replace(status, verdict=Verdict.BLIND, sentence=sentence, protection=unprotected)

    @property
    def is_stalled(self) -> bool:
        """Return whether the thread should move and has not for ``STALLED_S``, or is gone."""
        moves = self._thread.is_alive() and self._monotonic() - self._stepped_at < STALLED_S
        return self._started and not moves and not self._stopping.is_set()

    def where(self) -> str:
        """Return the lines of code at which the thread is just now, for a log; empty when it is gone."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame is not None else ""

    @property
    def picture(self) -> Frame | None:
        """Return the last frame that was looked at, of the camera that the status is about."""
        return self._watch.picture

    @property
    def pictures(self) -> Mapping[int, Frame]:
        """Return the last frame of each camera, by its place from 1."""
        return self._watch.pictures

    @property
    def watched_s(self) -> float:
        """Return for how many seconds the print that runs is watched, those before a restart among them; 0 when none is."""
        return self._watch.watched_s

    def start(self) -> None:
        """Begin to follow the printer."""
        self._stepped_at = self._monotonic()
        self._thread.start()
        self._started = True

    def stop(self) -> None:
        """End the thread; returns when it has ended, at the latest after ``STOP_S``."""
        self._stopping.set()
        self._post(lambda: None)
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def print_started(self) -> None:
        """Tell that a job has begun."""
        self._post(self._watch.begin)

    def extrusion_began(self) -> None:
        """Tell that the job has begun to extrude."""
        at = self._monotonic()
        self._post(lambda: self._watch.extruding(at))

    def print_paused(self) -> None:
        """Tell that OctoPrint has paused the job."""
        self._post(self._watch.paused)

    def print_resumed(self) -> None:
        """Tell that the job goes on."""
        at = self._monotonic()
        self._post(lambda: self._watch.resumed(at))

    def false_alarm(self) -> None:
        """Tell that what was seen is no failure."""
        self._post(self._watch.false_alarm)

    def mute(self, on: bool) -> None:
        """Tell whether anything is to be done about this print."""
        self._post(lambda: self._watch.mute(on))

    def print_ended(self, *, done: bool) -> None:
        """Tell that the job has ended: it is ``done``, or was cancelled or failed."""
        self._post(lambda: self._watch.end(done=done))

    def configure(self, settings: Settings) -> None:
        """Use other settings from the next frame on."""
        self._post(lambda: self._watch.configure(settings))

    def _post(self, event: Callable[[], None]) -> None:
        try:
            self._inbox.put_nowait(event)
        except queue.Full:
            if not self._overflowing.is_set():
                self._overflowing.set()
                self._logger.warning("Too many events at once; the printer's state will be asked instead.")

    def _has_news(self) -> bool:
        return not self._inbox.empty()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stepped_at = self._monotonic()
            try:
                self._step()
            except Exception:  # noqa: BLE001 - the thread's top: what nobody could name must not end the watch
                self._logger.exception("The watch met an unexpected error and goes on.")
                self._stumble()
                self._stopping.wait(AFTER_ERROR_S)
        self._watch.close()

    def _stumble(self) -> None:
        try:
            self._watch.stumbled(
                say("The watch met an unexpected error; OctoPrint's log says which. Restart OctoPrint if it lasts.")
            )
        except Exception:  # noqa: BLE001 - still the thread's top: what broke the watch may break this too
            self._logger.exception("The error could not be told.")

    def _step(self) -> None:
        """Handle one event; when there is none until the next look is due, look."""
        wait = max(0.0, min(self._watch.due_at - self._monotonic(), LONGEST_SLEEP_S))
        try:
            event = self._inbox.get(timeout=wait) if wait else self._inbox.get_nowait()
        except queue.Empty:
            self._overflowing.clear()
            self._watch.tick()
            return
        event()
        self._watch.report()
