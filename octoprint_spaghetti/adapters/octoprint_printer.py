"""The printer, through OctoPrint: its state, its job, its heaters, and what can be ordered of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octoprint_spaghetti.adapters.pause_scripts import PauseScripts, read_heaters
from octoprint_spaghetti.core.errors import PrinterError
from octoprint_spaghetti.core.pause_script import Heater, Wishes
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.toolhead import Tool

#: The only connection of OctoPrint that runs its scripts; OctoPrint 1.x has no other.
_WITH_SCRIPTS = "serial"


def scripts_missing(printer: Any) -> str:
    """Return in a sentence why OctoPrint runs no scripts for this printer, or an empty string when it does, or may."""
    connector = (getattr(printer, "connection_state", None) or {}).get("connector") or _WITH_SCRIPTS
    if connector == _WITH_SCRIPTS:
        return ""
    return say(
        "OctoPrint reaches this printer through %(connector)s, which runs no scripts: what a pause does besides has no effect.",
        connector=str(connector),
    )


class OctoPrintPrinter:
    """Wraps OctoPrint's printer interface; all calls return at once."""

    def __init__(
        self,
        printer: Any,
        tool: Callable[[], Tool] = Tool,
        scripts: PauseScripts | None = None,
        wishes: Callable[[], Wishes] = Wishes,
        seen_through: Callable[[str], str] = str,
    ) -> None:
        """Use OctoPrint's ``PrinterInterface`` (``self._printer`` of a plugin); ``tool`` says what the G-code tells.

        ``seen_through`` returns the true state for the one that OctoPrint names. Pauses ordered here do what is wished besides,
        through ``scripts``; without them they are plain.
        """
        self._printer = printer
        self._tool = tool
        self._scripts = scripts
        self._wishes = wishes
        self._seen_through = seen_through

    def state(self) -> str:
        """Return OctoPrint's state id, such as ``PRINTING``, ``PAUSING``, ``PAUSED`` or ``OPERATIONAL``."""
        return self._seen_through(str(self._printer.get_state_id()))

    def job_name(self) -> str:
        """Return the name of the file that prints, or an empty string."""
        return str(self._file().get("name") or "")

    def job_key(self) -> str:
        """Return origin, path, size and date of the file that prints: uploaded again with other content, it is another one."""
        file = self._file()
        return "/".join(str(file.get(part) or "") for part in ("origin", "path", "size", "date")) if file.get("path") else ""

    def tool(self) -> Tool:
        """Return where the tool is and what the printer is busy with."""
        return self._tool()

    def pause(self) -> None:
        """Order a pause; ``PrintPaused`` tells when it has happened. Raises :class:`PrinterError`.

        One that is on its way already is somebody else's, and does nothing besides.
        """
        if self._scripts is not None and self.state() not in ("PAUSING", "PAUSED"):
            self._scripts.arm(self._wishes())
        self._order("pause", self._printer.pause_print)

    def withdraw(self) -> bool:
        """Let a pause that has not come yet do nothing besides; return whether there was anything that it was to do."""
        return self._scripts is not None and self._scripts.withdraw()

    def cancel(self) -> None:
        """Order the end of the job; ``PrintCancelled`` tells when it has happened. Raises :class:`PrinterError`."""
        self._order("cancel", self._printer.cancel_print)

    def resume(self) -> None:
        """Let a paused job go on; ``PrintResumed`` tells when it does. Raises :class:`PrinterError`."""
        self._order("resume", self._printer.resume_print)

    def hotends(self) -> tuple[Heater, ...]:
        """Return the hotends as they were last reported, none when they were not."""
        return tuple(heater for name, heater in read_heaters(self._printer).items() if name.startswith("tool"))

    def _file(self) -> dict[str, Any]:
        job = self._printer.get_current_job() or {}
        return dict(job.get("file") or {})

    @staticmethod
    def _order(what: str, order: Callable[..., None]) -> None:
        try:
            order(tags={"source:plugin", "plugin:spaghetti"})
        except Exception as error:  # noqa: BLE001 - any plugin's printer connector may be behind it
            raise PrinterError(
                say(
                    "OctoPrint could not order the %(what)s (%(kind)s: %(error)s).",
                    what=what,
                    kind=type(error).__name__,
                    error=error,
                )
            ) from error
