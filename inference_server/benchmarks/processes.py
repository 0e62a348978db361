"""What a server has used: CPU time and memory of a process and all its descendants, read from Linux's /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
#: Fields of /proc/<pid>/stat after the name in parentheses: parent, then user and system time.
_PARENT, _USER, _SYSTEM = 1, 11, 12


def cpu_s(*heads: int) -> float:
    """Return the CPU time, user and system, that these processes and their living descendants used, in seconds (steps of 10 ms)."""
    stats = _stats()
    return sum(int(stats[pid][_USER]) + int(stats[pid][_SYSTEM]) for pid in _families(heads, stats)) / _TICKS_PER_S


def memory_mb(*heads: int) -> float:
    """Return their memory in MB: each process's own pages, and its share of those that it has with others (PSS)."""
    return sum(_pss_kb(pid) for pid in _families(heads, _stats())) / 1024.0


def _families(heads: Sequence[int], stats: Mapping[int, list[str]]) -> Iterator[int]:
    for head in heads:
        if head in stats:
            yield head
            yield from _families([pid for pid, fields in stats.items() if fields[_PARENT] == str(head)], stats)


def _stats() -> dict[int, list[str]]:
    """Return the fields of every process's stat after its name."""
    found = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            found[int(stat.parent.name)] = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _pss_kb(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
