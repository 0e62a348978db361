"""Takes the printer's power off after a stop, step by step on the watch's own thread, and says what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from octoprint_spaghetti.core.errors import PrinterError
from octoprint_spaghetti.core.power import COOL_C, PowerCut, Step, next_step
from octoprint_spaghetti.core.printer_state import is_connected
from octoprint_spaghetti.core.sentence import Sentence, say
from octoprint_spaghetti.ports import Power, Printer

#: What is said when the power stays on, by what keeps it on.
_KEPT = {
    Step.WANTED: say("The printer prints again, so its power stays on."),
    Step.HEATED: say("A hotend is being heated, so the printer's power stays on."),
    Step.LOST: say("OctoPrint lost the printer before it was cool, so nobody knows how hot it is and its power stays on."),
    Step.NOT_COOL: say("No hotend was seen to cool down in half an hour, so the printer's power stays on. Look at it."),
}


class Powering:
    """Waits until the hotends are cool, switches the power off, and looks whether it is off.

    ``tell`` takes a word for programs (``waiting``, ``off``, ``kept`` or ``failed``) and a sentence. All methods belong to
    one thread; :meth:`tick` may block for as long as the switch takes.
    """

    def __init__(self, power: Power, printer: Printer, tell: Callable[[str, Sentence], None], logger: logging.Logger) -> None:
        """Switch nothing before :meth:`begin`."""
        self._power = power
        self._printer = printer
        self._tell = tell
        self._logger = logger
        self._cut: PowerCut | None = None

    def begin(self, now: float) -> None:
        """Take the power off as soon as it may go, or say why that cannot be done."""
        problem = self._power.missing()
        if problem:
            self._tell("failed", say("The printer's power stays on: %(problem)s", problem=problem))
            return
        self._cut = PowerCut(now)
        self._tell("waiting", say("The printer's power goes off once its hotends are below %(cool)g °C.", cool=COOL_C))

    def drop(self) -> None:
        """Leave the power on after all."""
        if self._cut is not None:
            self._cut = None
            self._tell("kept", say("The printer's power stays on."))

    def tick(self, now: float) -> None:
        """Do the next step."""
        cut = self._cut
        if cut is None:
            return
        try:
            self._cut = self._stepped(cut, now)
        except PrinterError as error:
            self._cut = None
            self._tell("failed", say("The printer's power may still be on: %(problem)s", problem=error.args[0]))

    def _stepped(self, cut: PowerCut, now: float) -> PowerCut | None:
        """Do the next step; return what is still to be done, None when nothing is. Raises :class:`PrinterError`."""
        state = self._printer.state()
        off = self._power.is_off() if cut.switched_at is not None else None
        step = next_step(cut, state, is_connected(state), self._printer.hotends(), off, now)
        if step is Step.WAIT:
            return cut
        if step is Step.SWITCH_OFF:
            self._power.switch_off()
            return replace(cut, switched_at=now, attempts=cut.attempts + 1)
        self._end(step)
        return None

    def _end(self, step: Step) -> None:
        if step is Step.OFF:
            self._tell("off", say("The printer's power is off."))
        elif step is Step.FAILED:
            self._logger.error("The power was switched off again and again, and the switch says that it is on.")
            self._tell("failed", say("THE PRINTER'S POWER DID NOT GO OFF. Switch it off by hand."))
        else:
            self._tell("kept", _KEPT[step])
