"""The printer, through OctoPrint: its state, its job, and the pause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octoprint_spaghetti.core.errors import PrinterError
from octoprint_spaghetti.core.toolhead import Tool


class OctoPrintPrinter:
    """Wraps OctoPrint's printer interface; all calls return at once."""

    def __init__(self, printer: Any, tool: Callable[[], Tool] = Tool) -> None:
        """Use OctoPrint's ``PrinterInterface`` (``self._printer`` of a plugin); ``tool`` says what the G-code tells."""
        self._printer = printer
        self._tool = tool

    def state(self) -> str:
        """Return OctoPrint's state id, such as ``PRINTING``, ``PAUSING``, ``PAUSED`` or ``OPERATIONAL``."""
        return str(self._printer.get_state_id())

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
        """Order a pause; ``PrintPaused`` tells when it has happened. Raises :class:`PrinterError`."""
        self._order("pause", self._printer.pause_print)

    def resume(self) -> None:
        """Let a paused job go on; ``PrintResumed`` tells when it does. Raises :class:`PrinterError`."""
        self._order("resume", self._printer.resume_print)

    def _file(self) -> dict[str, Any]:
        job = self._printer.get_current_job() or {}
        return dict(job.get("file") or {})

    @staticmethod
    def _order(what: str, order: Callable[..., None]) -> None:
        try:
            order(tags={"source:plugin", "plugin:spaghetti"})
        except Exception as error:  # noqa: BLE001 - any plugin's printer connector may be behind it
            raise PrinterError(f"OctoPrint could not order the {what} ({type(error).__name__}: {error}).") from error
