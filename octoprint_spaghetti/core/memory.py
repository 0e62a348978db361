"""Is memory running out, or does it grow without end? A fold over readings; times and readings come from outside.

OctoPrint, its other plugins and we live in one process, so growth is told without saying whose it is. What is ours is bounded:
inboxes, evidence and histories have a longest length, and the detector on this computer is a process with a limit of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from octoprint_spaghetti.core.sentence import say

#: With less than this available a Pi swaps to its card, or the kernel ends a process of its choice. This computer's detector is
#: let go then, which gives about 170 MB back (185 resident with base, measured), and is started again only when that many more
#: are there: it must not be its own going that brings it back.
SHORT_MB, ENOUGH_MB = 60.0, 280.0
#: A computer of 512 MB hardly ever has that much; it looks with nano, whose going gives 65 MB back (of memory of its own, measured), and
#: is content with this share of what it has in all: 150 MB.
ENOUGH_SHARE = 0.35
#: OctoPrint may take so many times what it took when the print had run for ``SETTLED_S``, and must have grown by so much: 60 MB
#: more after a visit of the page, or a timelapse, are usual.
GROWN_TIMES, GROWN_MB = 2.0, 150.0
SETTLED_S = 600.0


@dataclass(frozen=True)
class Reading:
    """Megabytes: what this process takes, what the computer has left, and has in all. None where that is not known."""

    own_mb: float | None = None
    available_mb: float | None = None
    total_mb: float | None = None


@dataclass(frozen=True)
class Memory:
    """What is remembered: whether memory is ``short``; since when (seconds) a print runs; what OctoPrint took when it had settled,
    and ``grown`` what it had come to when that was too much (None: it was not).
    """

    short: bool = False
    printing_since: float | None = None
    settled_mb: float | None = None
    grown_mb: float | None = None
    newest: Reading = Reading()


def is_short(available_mb: float | None, was_short: bool = False, total_mb: float | None = None) -> bool:
    """Return whether memory is short; once it was, it takes ``ENOUGH_MB`` until it is not, less on a computer with little in all."""
    enough = ENOUGH_MB if total_mb is None else min(ENOUGH_MB, ENOUGH_SHARE * total_mb)
    return available_mb is not None and available_mb < (enough if was_short else SHORT_MB)


def advance(memory: Memory, reading: Reading, printing: bool, at: float) -> Memory:
    """Take a reading into account; ``printing`` tells whether a print runs at second ``at``."""
    short = is_short(reading.available_mb, memory.short, reading.total_mb)
    if not printing:
        return Memory(short=short, newest=reading)
    since = at if memory.printing_since is None else memory.printing_since
    settled, grown = memory.settled_mb, memory.grown_mb
    if settled is None and at - since >= SETTLED_S:
        settled = reading.own_mb
    if grown is None and _has_grown(settled, reading.own_mb):
        grown = reading.own_mb
    return replace(memory, short=short, printing_since=since, settled_mb=settled, grown_mb=grown, newest=reading)


def remarks(memory: Memory) -> tuple[str, ...]:
    """Return in sentences what the owner should know, nothing when all is well."""
    said = []
    if memory.short:
        said.append(
            say(
                "This computer is short of memory (%(available).0f MB left): its own detector rests, only a server goes on looking. "
                "End other programs; if it stays so, restart OctoPrint after the print.",
                available=memory.newest.available_mb or 0.0,
            )
        )
    if memory.grown_mb is not None:
        said.append(
            say(
                "OctoPrint has grown from %(before).0f to %(after).0f MB during this print, by which part of it is not known; "
                "restart it after the print.",
                before=memory.settled_mb or 0.0,
                after=memory.grown_mb,
            )
        )
    return tuple(said)


def _has_grown(before_mb: float | None, now_mb: float | None) -> bool:
    if before_mb is None or now_mb is None:
        return False
    return now_mb >= GROWN_TIMES * before_mb and now_mb - before_mb >= GROWN_MB
