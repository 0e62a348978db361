"""What OctoPrint's state ids mean here."""

from __future__ import annotations

#: In these a job prints or could; any other, known or new, counts as not connected: better a false "connect it" than a false "ready".
_CONNECTED = frozenset({"OPERATIONAL", "STARTING", "PRINTING", "PAUSING", "PAUSED", "RESUMING", "FINISHING", "CANCELLING"})


def is_connected(state: str) -> bool:
    """Return whether OctoPrint has a printer that could be told to pause."""
    return state in _CONNECTED
