"""What cannot be written down: a line in the log going, one returning, and meanwhile a sentence that says what to do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from octoprint_spaghetti.core.errors import EvidenceError

#: On a disk that is full to the brim one line fits and the next one does not; it is well again when all of them did for so long.
_SETTLED_S = 10.0


class Writing:
    """Writes for the watch; a disk that is full or read-only is never in its way. Belongs to one thread."""

    def __init__(self, logger: logging.Logger, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Know of no trouble yet."""
        self._logger = logger
        self._monotonic = monotonic
        self._failed: dict[str, tuple[str, float]] = {}  # by what it was: the sentence, and when it was last so

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return in sentences what cannot be written at present."""
        return tuple(sentence for sentence, _ in self._failed.values())

    def forget(self) -> None:
        """Know of no trouble any more: an incident that could not be saved is not tried again, and would be remarked for ever."""
        self._failed.clear()

    def write(self, what: str, write: Callable[[], None]) -> None:
        """Write something that is called ``what`` in the log, such as ``trace``."""
        try:
            write()
        except EvidenceError as error:
            if what not in self._failed:
                self._logger.error("%s", error)
            self._failed[what] = (error.args[0], self._monotonic())
        else:
            if what in self._failed and self._monotonic() - self._failed[what][1] >= _SETTLED_S:
                del self._failed[what]
                self._logger.info("The %s can be written again.", what)
