"""Which of several servers is asked first: the first one of the settings, and while that fails, the one that works.

The way back is made of probes: the first server must say twice in a row that it is ready before frames go there again. A server
that fails soon after such a return is left alone for longer each time, so one that comes and goes does not drag the printers along.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WayBack:
    """How the way back to the first server goes; all in seconds but ``probes``."""

    first_wait: float = 20.0  # from leaving it to the first probe: a container restarts in less
    longest_wait: float = 640.0  # the wait doubles up to here, each time it fails soon after a return
    between: float = 10.0  # between two probes
    probes: int = 2  # this many in a row must find it ready
    settled: float = 600.0  # it has failed "soon" when it served for less than this


WAY_BACK = WayBack()


class Preference:
    """Remembers which of ``count`` servers answers, and when the first of them is worth a probe; ``now`` is monotonic seconds."""

    def __init__(self, count: int, way_back: WayBack = WAY_BACK) -> None:
        self._count = count
        self._way_back = way_back
        self._current = 0
        self._wait = way_back.first_wait
        self._returned_at = float("-inf")
        self._probe_at = 0.0
        self._ready = 0

    @property
    def current(self) -> int:
        """Return the position of the server that is asked first."""
        return self._current

    def order(self) -> tuple[int, ...]:
        """Return all positions in the order to ask them: the current one, those after it, then those before it."""
        return tuple((self._current + step) % self._count for step in range(self._count))

    def answered(self, position: int, now: float) -> None:
        """Take note that a frame was answered by the server at ``position``; it is asked first from now on."""
        if position == self._current:
            return
        if self._current == 0:
            soon = now - self._returned_at < self._way_back.settled
            self._wait = min(2.0 * self._wait, self._way_back.longest_wait) if soon else self._way_back.first_wait
            self._probe_at, self._ready = now + self._wait, 0
        elif position == 0:
            self._returned_at = now
        self._current = position

    def probe_due(self, now: float) -> bool:
        """Tell whether it is time to ask the first server if it is ready; never while it is the current one."""
        return self._current != 0 and now >= self._probe_at

    def probed(self, ready: bool, now: float) -> None:
        """Take note of what a probe of the first server found; enough good ones in a row make it the current one."""
        if self._current == 0:
            return
        self._ready = self._ready + 1 if ready else 0
        self._probe_at = now + self._way_back.between
        if self._ready >= self._way_back.probes:
            self._current, self._returned_at = 0, now
