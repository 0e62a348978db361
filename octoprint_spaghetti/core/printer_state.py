"""What OctoPrint's state ids and events mean here."""

from __future__ import annotations

from collections.abc import Mapping

#: In these a job prints or could; any other, known or new, counts as not connected: better a false "connect it" than a false "ready".
_CONNECTED = frozenset({"OPERATIONAL", "STARTING", "PRINTING", "PAUSING", "PAUSED", "RESUMING", "FINISHING", "CANCELLING"})
_JOB_ENDS = frozenset({"PrintDone", "PrintFailed", "PrintCancelled", "Disconnected"})
_TRANSFER_ENDS = frozenset({"TransferDone", "TransferFailed"})


def is_connected(state: str) -> bool:
    """Return whether OctoPrint has a printer that could be told to pause."""
    return state in _CONNECTED


def is_echo(event: str, payload: Mapping[str, object]) -> bool:
    """Return whether an event only says again what another one said.

    Of a cancelled job OctoPrint says ``PrintCancelled``, and ``PrintFailed`` from a thread of its own once its log is written: on a
    slow SD card the next job has begun by then.
    """
    return event == "PrintFailed" and payload.get("reason") == "cancelled"


class Upload:
    """Whether OctoPrint's ``PRINTING`` is a file on its way to the printer's own SD card, which has no state of its own.

    A transfer that is told of while a job runs is another kind, beside the job; a job that begins has ended every transfer.
    """

    def __init__(self, *, job_runs: bool) -> None:
        """Begin with what the printer does now."""
        self._job_runs = job_runs
        self._is_under_way = False

    def tell(self, event: str) -> None:
        """Take an event of OctoPrint into account."""
        if event in _JOB_ENDS:
            self._job_runs = self._is_under_way = False
        elif event == "PrintStarted":
            self._job_runs, self._is_under_way = True, False
        elif event in _TRANSFER_ENDS:
            self._is_under_way = False
        elif event == "TransferStarted":
            self._is_under_way = not self._job_runs

    def seen_through(self, state: str) -> str:
        """Return the state id that is true: ``TRANSFERRING_FILE`` for a ``PRINTING`` that is an upload."""
        return "TRANSFERRING_FILE" if self._is_under_way and state == "PRINTING" else state
