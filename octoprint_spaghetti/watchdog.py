"""Says that the watcher's thread stands still, which it cannot say itself: the last thing it said was that all is well."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Notice, NoticeKind, Status, Verdict
from octoprint_spaghetti.watcher import Watcher

#: Small beside the minutes after which a thread is taken to stand still.
EVERY_S = 10.0
#: Bound on the wait for the thread in ``stop``: it sleeps, or tells.
_STOP_S = 3.0


class Watchdog:
    """Looks after a :class:`Watcher` from a thread of its own.

    ``publish`` is called with what it says of a watch that stands still, as often as it looks; ``notify`` once when that
    begins and once when it is over.
    """

    def __init__(
        self,
        watcher: Watcher,
        *,
        publish: Callable[[Status], None],
        notify: Callable[[Notice], None],
        logger: logging.Logger | None = None,
    ) -> None:
        """Prepare the thread; it begins with :meth:`start`."""
        self._watcher = watcher
        self._publish = publish
        self._notify = notify
        self._logger = logger or logging.getLogger(__name__)
        self._told = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spaghetti-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended, at the latest after ``_STOP_S``."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def look(self) -> None:
        """Say how things are if the watch cannot, and once more when it can again."""
        stalled, status = self._watcher.is_stalled, self._watcher.status
        if stalled:
            self._publish(status)
        if stalled and not self._told:
            self._logger.error("%s It stands here:\n%s", status.sentence, self._watcher.where())
            self._notify(Notice(NoticeKind.BLIND, status.sentence))
        if self._told and not stalled:
            self._logger.warning("The watch moves again.")
            if status.verdict is not Verdict.BLIND:  # else it moves and sees nothing, and says itself when it does
                self._notify(Notice(NoticeKind.SEEING, say("The watch moves again.")))
        self._told = stalled

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the thread's top: whoever is told must not end the looking
                self._logger.exception("That the watch stands still could not be told.")
