"""The curve of a print from before OctoPrint was restarted, out of the traces that it left.

A trace holds what was seen and not what was thought of it, so it is judged again: two seconds for a day of pictures on a PC,
more on a Raspberry Pi. That is done when somebody looks at the curve, on the thread of their request, and once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from octoprint_spaghetti.adapters.trace_reader import Trace, open_trace
from octoprint_spaghetti.adapters.traces import newest_first
from octoprint_spaghetti.considerate import considerate
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.history import History, Point
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.recording import Recording, Row, Seen
from octoprint_spaghetti.what_if import judged_again

#: Between two traces of one print lies a restart, which takes no longer than this, in seconds; as for the belief about it.
_GRACE_S = 300.0
#: A file's time and the clock may differ by so much, in seconds; so may two readings of one clock.
_CLOCKS_S, _CLOCK_S = 2.0, 0.25
#: Traces that are looked at, the newest: of a print that was restarted many times, before several cameras.
_MOST_TRACES = 40


@dataclass(frozen=True)
class Part:
    """One trace of a print, which began ``offset`` seconds after the first one."""

    trace: Trace
    offset: float


class Earlier:
    """What a print left behind in its earlier traces, those of its first camera; :meth:`history` may be called by any thread."""

    def __init__(self, folder: Path, watched_s: float, wall: float) -> None:
        """Find the traces of the print whose trace has just begun, the newest in ``folder``.

        It is watched for ``watched_s`` by now, Unix time ``wall``; what is said to begin later is of a clock that was wrong.
        """
        opened = map(_opened, newest_first(folder)[:_MOST_TRACES])
        traces = [trace for trace in opened if trace is not None and trace.started_at <= wall + _CLOCK_S]
        chain = _chain(traces, watched_s)
        first = chain[-1].started_at if chain else 0.0
        self._parts = [Part(trace, trace.started_at - first) for trace in reversed(chain[1:])]
        self._one_reader = threading.Lock()
        self._history: History | None = None
        #: Seconds that the print had lasted when the newest trace began.
        self.seconds = chain[0].started_at - first if chain else 0.0

    def history(self, patience: Patience) -> History:
        """Return the curve of those traces; read and judged at the first call, which may take seconds."""
        with self._one_reader:
            if self._history is None:
                self._history = _judged(self._parts, patience) if self._parts else History()
            return self._history


def _chain(traces: Sequence[Trace], watched_s: float) -> list[Trace]:
    """Return the traces of the newest one's print, newest first.

    They have one name, each began shortly after the last line of the one before, and none began before the print did: the same file may
    have been printed twice in a row.
    """
    chain = list(traces[:1])
    for trace in traces[1:]:
        later = chain[-1]
        began_before = trace.started_at < chain[0].started_at - watched_s - _CLOCK_S
        if began_before or trace.print_name != later.print_name or not _follows(later, trace):
            break
        chain.append(trace)
    return chain


def _follows(later: Trace, earlier: Trace) -> bool:
    try:
        ended = earlier.file.stat().st_mtime
    except OSError:
        return False
    return earlier.started_at <= later.started_at and -_CLOCKS_S <= later.started_at - ended <= _GRACE_S


def _judged(parts: Sequence[Part], patience: Patience) -> History:
    again = judged_again(Recording(list(_rows(parts)), goes_on=True), patience)
    points = tuple(
        Point(one.at + again.first_at, one.evidence, one.score, one.suspect_at, one.failing_at) for one in again.moments
    )
    return History(began=0.0, over=False, points=points, stretches=tuple(again.stretches), layers=tuple(again.layers))


def _rows(parts: Sequence[Part]) -> Iterator[Row]:
    """Yield the rows of all parts on the clock of the first; numbers of frames go on."""
    number = 0
    for part in parts:
        try:
            for row in considerate(part.trace):
                if isinstance(row, Seen):
                    number += 1
                    yield Seen(number, replace(row.sighting, at=row.sighting.at + part.offset), row.closer)
                else:
                    yield replace(row, at=row.at + part.offset)
        except OSError:
            continue  # pruned meanwhile


def _opened(file: Path) -> Trace | None:
    try:
        trace = open_trace(file)
    except EvidenceError:
        return None
    return None if trace.camera else trace  # the curve is the first camera's
