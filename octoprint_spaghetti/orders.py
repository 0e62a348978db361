"""Orders that come from outside OctoPrint's pages, over MQTT: the same few things its buttons do, and nothing that makes no sense now."""

from __future__ import annotations

import logging
from collections.abc import Callable

from octoprint_spaghetti.core.errors import PrinterError
from octoprint_spaghetti.ports import Printer
from octoprint_spaghetti.watcher import Watcher


class Orders:
    """Carries out an order of one word; all calls return at once."""

    def __init__(self, printer: Printer, watcher: Watcher, logger: logging.Logger) -> None:
        self._printer = printer
        self._logger = logger
        self._known: dict[str, Callable[[], None]] = {
            "pause": lambda: self._when("PRINTING", printer.pause),
            "resume": lambda: self._when("PAUSED", printer.resume),
            "false_alarm": watcher.false_alarm,
            "mute": lambda: watcher.mute(True),
            "unmute": lambda: watcher.mute(False),
        }

    def obey(self, word: str) -> None:
        """Do what the word says; an unknown one does nothing."""
        try:
            self._known.get(word, lambda: None)()
        except PrinterError as error:
            self._logger.error("%s", error)

    def _when(self, state: str, move: Callable[[], None]) -> None:
        now = self._printer.state()
        if now == state:
            move()
        else:
            self._logger.info("Nothing to do: the printer is %s.", now)
