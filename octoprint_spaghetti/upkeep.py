"""What is noticed about the place we run in, beside the print: memory that runs out or grows, and files that were replaced."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from octoprint_spaghetti import __version__
from octoprint_spaghetti.adapters.installation import Installation, version_on_disk
from octoprint_spaghetti.adapters.memory import read_memory
from octoprint_spaghetti.core.memory import Memory, Reading, advance, remarks
from octoprint_spaghetti.core.sentence import say

#: Memory that runs out does so within minutes; a look takes a millisecond.
EVERY_S = 30.0


class Upkeep:
    """Looks around now and then; belongs to the watcher's thread, ``remarks`` may be read by any."""

    def __init__(
        self,
        *,
        read: Callable[[], Reading] = read_memory,
        is_replaced: Callable[[], bool] | None = None,
        new_version: Callable[[], str] = version_on_disk,
        monotonic: Callable[[], float] = time.monotonic,
        logger: logging.Logger | None = None,
    ) -> None:
        """Take the files of the package as they are now for those that run."""
        self._read = read
        self._is_replaced = is_replaced or Installation().is_replaced
        self._new_version = new_version
        self._monotonic = monotonic
        self._logger = logger or logging.getLogger(__name__)
        self._memory = Memory()
        self._printing = False
        self._looked_at: float | None = None
        self.remarks: tuple[str, ...] = ()

    def look(self, printing: bool) -> tuple[str, ...]:
        """Return what there is to remark, in sentences; ``printing`` tells whether a print is watched."""
        now = self._monotonic()
        if self._looked_at is None or printing != self._printing or now - self._looked_at >= EVERY_S:
            self._looked_at, self._printing = now, printing
            self._memory = advance(self._memory, self._read(), printing, now)
            self._remark((*remarks(self._memory), *self._about_files(printing)))
        return self.remarks

    def _remark(self, found: tuple[str, ...]) -> None:
        known = {_kind(sentence) for sentence in self.remarks}
        for sentence in found:
            if _kind(sentence) not in known:
                self._logger.warning("%s", sentence)
        self.remarks = found

    def _about_files(self, printing: bool) -> tuple[str, ...]:
        if not self._is_replaced():
            return ()
        version = self._new_version() or "?"
        if not printing:
            return (
                say(
                    "The plugin was upgraded (%(old)s to %(new)s), and the old version still runs; restart OctoPrint.",
                    old=__version__,
                    new=version,
                ),
            )
        return (
            say(
                "The plugin was upgraded (%(old)s to %(new)s) while this print runs; the old version goes on watching. "
                "Restart OctoPrint after the print.",
                old=__version__,
                new=version,
            ),
        )


def _kind(sentence: str) -> str:
    """Return what a sentence is about, whatever numbers it names."""
    return str(getattr(sentence, "template", sentence))
