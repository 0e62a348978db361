"""What Linux says about memory: of this process, and of the computer. Other systems say nothing, and nothing is concluded."""

from __future__ import annotations

from pathlib import Path

from octoprint_spaghetti.core.memory import Reading

_OWN, _ALL = Path("/proc/self/status"), Path("/proc/meminfo")


def read_memory() -> Reading:
    """Return what this process takes, and what the computer has left and in all; None where the system does not tell."""
    return Reading(own_mb=_megabytes(_OWN, "VmRSS:"), available_mb=available_mb(), total_mb=total_mb())


def available_mb() -> float | None:
    """Return how many megabytes could be taken without swapping, or None where the system does not tell."""
    return _megabytes(_ALL, "MemAvailable:")


def total_mb() -> float | None:
    """Return how many megabytes the computer has in all, or None where the system does not tell."""
    return _megabytes(_ALL, "MemTotal:")


def _megabytes(file: Path, name: str) -> float | None:
    """Return the number of a line such as ``VmRSS:   1234 kB``, in megabytes."""
    try:
        with file.open(encoding="ascii", errors="replace") as lines:
            found = next(line for line in lines if line.startswith(name))
            return int(found.split()[1]) * 1024 / 1e6
    except (OSError, StopIteration, ValueError, IndexError):
        return None
