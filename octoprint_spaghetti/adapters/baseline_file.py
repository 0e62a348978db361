"""What is usual for this printer and its files, in one small JSON file."""

from __future__ import annotations

import logging
from pathlib import Path

from octoprint_spaghetti.adapters.json_file import read_json, replace_json
from octoprint_spaghetti.core.baseline import Baselines
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.sentence import say


class BaselineFile:
    """Keeps the baselines in ``file``."""

    def __init__(self, file: Path, logger: logging.Logger | None = None) -> None:
        """Use ``file``, which is written when the first good print has ended."""
        self._file = file
        self._logger = logger or logging.getLogger(__name__)

    def load(self) -> Baselines:
        """Return what was kept; nothing is known when there is no file, or none that can be read."""
        try:
            return Baselines.from_json(read_json(self._file))
        except FileNotFoundError:
            return Baselines()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            self._logger.warning("%s cannot be read (%s); what is usual is learned anew.", self._file.name, error)
            return Baselines()

    def save(self, baselines: Baselines) -> None:
        """Keep the baselines. Raises :class:`EvidenceError`."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_json(self._file, baselines.as_json())
        except OSError as error:
            raise EvidenceError(
                say(
                    "What is usual could not be saved (%(reason)s); check space and rights of %(folder)s.",
                    reason=error.strerror,
                    folder=self._file.parent,
                )
            ) from error
