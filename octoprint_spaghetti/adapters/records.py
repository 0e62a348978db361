"""Where the records of each camera lie in the plugin's folder: those of the first under plain names, of others beside them."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from octoprint_spaghetti.adapters.baseline_file import BaselineFile
from octoprint_spaghetti.adapters.belief_file import BeliefFile
from octoprint_spaghetti.adapters.traces import TraceFolder
from octoprint_spaghetti.core.further_cameras import FurtherCamera
from octoprint_spaghetti.ports import Records


class RecordFolder:
    """Gives the records of a camera below ``folder``; of all traces together the newest ``kept`` stay."""

    def __init__(self, folder: Path, kept: int, logger: logging.Logger) -> None:
        """Use ``folder``, in which files are made when there is something to write."""
        self._folder = folder
        self.kept = kept  # may be changed at any time; it counts from the next print on
        self._logger = logger

    def of(self, camera: str) -> Records:
        """Return the records of ``camera``, by what the settings know it by; empty for the first."""
        mark = f"-{_digest(camera)}" if camera else ""
        return Records(
            TraceFolder(self._folder / "traces", self.kept, FurtherCamera(camera).name if camera else ""),
            BaselineFile(self._folder / f"baselines{mark}.json", self._logger),
            BeliefFile(self._folder / f"belief{mark}.json", self._logger),
        )


def _digest(camera: str) -> str:
    """Return a few letters for a camera's name or address, which may hold signs that no file may, and passwords."""
    return hashlib.blake2b(camera.encode(), digest_size=4).hexdigest()
