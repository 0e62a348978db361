"""What a process takes, as the kernel counts it: memory, threads, descriptors, children. Linux alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True)
class Sample:
    """What a process takes ``at`` a second of the soak: resident megabytes, and how many of the other things.

    ``children`` are direct ones, those that have ended and were not waited for included.
    """

    at: float
    rss_mb: float
    threads: int
    descriptors: int
    children: int

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return all but the memory."""
        return self.threads, self.descriptors, self.children


class Gone(Exception):
    """There is no such process any more."""


def sample(pid: int, at: float) -> Sample:
    """Return what the process takes now; raises :class:`Gone`."""
    process = _PROC / str(pid)
    try:
        return Sample(
            at=at,
            rss_mb=int((process / "statm").read_text().split()[1]) * _PAGE_MB,
            threads=sum(1 for _ in (process / "task").iterdir()),
            descriptors=sum(1 for _ in (process / "fd").iterdir()),
            children=len(children_of(pid)),
        )
    except (OSError, IndexError) as error:
        raise Gone(f"process {pid} is gone") from error


def children_of(pid: int) -> list[int]:
    """Return the ids of the direct children, zombies included; those of all its threads."""
    found: list[int] = []
    for task in (_PROC / str(pid) / "task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # the thread has ended meanwhile
    return found


def command_of(pid: int) -> str:
    """Return the command line of a process, empty when it is gone or a zombie."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
