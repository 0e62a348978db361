"""When the fire drill is held of its own accord, and what the last one found."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from octoprint_spaghetti.adapters.json_file import read_json, replace_json
from octoprint_spaghetti.core.printer_state import is_connected
from octoprint_spaghetti.core.quiet_hours import QuietHours
from octoprint_spaghetti.core.sentence import with_parts
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.drill import DrillReport

_DAY_S = 86_400.0


class DrillSchedule:
    """Holds a drill when one is due, one at a time, and keeps the report in ``file``."""

    def __init__(
        self, file: Path, hold: Callable[[], DrillReport], wall: Callable[[], float], logger: logging.Logger | None = None
    ) -> None:
        """Prepare; ``hold`` runs a drill, ``wall`` is Unix time in seconds. The first day of an installation has no drill."""
        self._file = file
        self._hold = hold
        self._wall = wall
        self._logger = logger or logging.getLogger(__name__)
        self._one_at_a_time = threading.Lock()
        self._began_at = wall()
        self._tried_at = -math.inf  # for a drill that ends in an error and leaves no report
        self._unsaved: dict[str, Any] | None = None  # the last report, when the disk did not take it

    def last(self) -> dict[str, Any] | None:
        """Return the last report, or None when there is none that can be read."""
        if self._unsaved is not None:
            return self._unsaved
        try:
            content = read_json(self._file)
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) and _is_time(content.get("at")) else None

    def hold_if_due(self, every_days: float) -> None:
        """Hold a drill when the last one, or the start, is longer ago than ``every_days``; 0 means never."""
        last = self.last()
        known = last is not None and last["at"] <= self._wall()  # a report of a time to come: the clock was wrong then
        since = float(last["at"]) if last is not None and known else self._began_at - (every_days - 1.0) * _DAY_S
        if every_days > 0.0 and self._wall() >= max(since + every_days * _DAY_S, self._tried_at + _DAY_S):
            self._tried_at = self._wall()
            self.hold()

    def hold(self) -> dict[str, Any] | None:
        """Hold a drill now and return its report; None when one is being held already."""
        if not self._one_at_a_time.acquire(blocking=False):
            return None
        try:
            report = self._hold()
            self._logger.log(logging.INFO if report.passed else logging.WARNING, "%s", report.sentence())
            content = with_parts(report.as_json())
            self._keep(content)
            return content
        finally:
            self._one_at_a_time.release()

    def _keep(self, report: dict[str, Any]) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_json(self._file, report)
            self._unsaved = None
        except OSError as error:
            self._unsaved = report  # or the next drill, and its message, would be due at once
            self._logger.error("The report of the fire drill could not be saved (%s).", error.strerror)


def is_time_for_drill(settings: Settings, state: str, minute: int) -> bool:
    """Return whether a drill that is due may be held now, in this ``state`` of the printer, at that ``minute`` of the day (0 to 1439).

    It waits for a printer that is switched on, and for hours in which its message gets through. Where watching is switched off
    there is none: nobody wants to be told so every week.
    """
    hours = QuietHours.parse(settings.quiet_hours)
    quiet = hours is not None and hours.cover(minute)
    return settings.enabled and is_connected(state) and not quiet


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) < math.inf
