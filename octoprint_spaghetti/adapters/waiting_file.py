"""The messages that wait, in one small file that is replaced whenever they change: a few times for an incident, never for a frame."""

from __future__ import annotations

import logging
from pathlib import Path

from octoprint_spaghetti.adapters.json_file import read_json, replace_json
from octoprint_spaghetti.core import waiting_record
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.waiting_record import Queued


class WaitingFile:
    """Keeps what waits in ``file``; belongs to the thread of the notices."""

    def __init__(self, file: Path, logger: logging.Logger | None = None) -> None:
        """Use ``file``."""
        self._file = file
        self._logger = logger or logging.getLogger(__name__)

    def save(self, queued: Queued, now: float, wall: float) -> None:
        """Keep what waits at monotonic second ``now``, Unix time ``wall``; after this neither a kill nor a power cut loses it.

        Raises :class:`EvidenceError`.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_json(self._file, waiting_record.as_json(queued, now, wall))
        except OSError as error:
            raise EvidenceError(
                say(
                    "Messages that wait could not be saved (%(reason)s) and would be lost by a restart; "
                    "check space and rights of %(folder)s.",
                    reason=error.strerror,
                    folder=self._file.parent,
                )
            ) from error

    def load(self, now: float, wall: float, channels: int) -> Queued:
        """Return what waited for this many channels when OctoPrint ended, nothing when there is no file or it cannot be read."""
        try:
            queued, late = waiting_record.from_json(read_json(self._file), now, wall, channels)
        except FileNotFoundError:
            return Queued()
        except (OSError, ValueError, KeyError, TypeError, OverflowError, AttributeError) as error:
            self._logger.warning("%s cannot be read (%s); messages that waited in it are lost.", self._file.name, error)
            return Queued()
        if late:
            self._logger.warning("%d messages from before the restart are too old to be of use and are not sent.", late)
        return queued
