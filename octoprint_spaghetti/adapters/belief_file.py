"""The belief about the print that runs, in one small file that is replaced every few seconds."""

from __future__ import annotations

import logging
from pathlib import Path

from octoprint_spaghetti.adapters.json_file import read_json, replace_json
from octoprint_spaghetti.core import belief_record
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.sentence import say

#: Older than this, seconds, the print has changed too much for what was believed of it to help.
GRACE_S = 300.0


class BeliefFile:
    """Keeps one belief in ``file``."""

    def __init__(self, file: Path, logger: logging.Logger | None = None) -> None:
        """Use ``file``."""
        self._file = file
        self._logger = logger or logging.getLogger(__name__)

    def save(self, key: str, belief: Belief, at: float, wall: float) -> None:
        """Keep what is believed of the print of file ``key`` at monotonic second ``at``, Unix time ``wall``.

        Not flushed to the disk: a killed process loses nothing, and an SD card is not worn out. Raises :class:`EvidenceError`.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            content = {"key": key, "at": at, "wall": wall, "belief": belief_record.as_json(belief)}
            replace_json(self._file, content, durable=False)
        except OSError as error:
            raise EvidenceError(
                say(
                    "What is believed of the print could not be saved (%(reason)s); check space and rights of %(folder)s.",
                    reason=error.strerror,
                    folder=self._file.parent,
                )
            ) from error

    def load(self, key: str, at: float, wall: float) -> Belief | None:
        """Return what was believed of the print of file ``key``, on the clock of now, when it is younger than ``GRACE_S``.

        Of a print without a file (an empty ``key``) nobody knows whether it is the same.
        """
        try:
            content = read_json(self._file)
            age = wall - float(content["wall"])
            if not key or content["key"] != key or not 0.0 <= age <= GRACE_S:
                return None
            belief = belief_record.from_json(content["belief"], at - age - float(content["at"]))
            _refuse_future(belief, at)
            return belief
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            self._logger.warning("%s cannot be read (%s); the print is judged anew.", self._file.name, error)
            return None

    def forget(self) -> None:
        """Drop the belief: the print has ended."""
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            raise EvidenceError(
                say("%(file)s cannot be deleted (%(reason)s); check its rights.", file=self._file, reason=error.strerror)
            ) from error


def _refuse_future(belief: Belief, now: float) -> None:
    """Raise :class:`ValueError` when something is said to have happened after ``now``: all frames until then would be ignored."""
    times = (belief.started_at, belief.extruding_at, belief.last_at, belief.suspect_since, belief.resumed_at, belief.acted_at)
    if any(time is not None and time > now for time in (*times, *(glance.at for glance in belief.recent))):
        raise ValueError("it is about a time to come")
