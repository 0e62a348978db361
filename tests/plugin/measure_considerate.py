"""Measure what a thread that feeds a printer gets done while a day of pictures is judged again.

``python -m tests.plugin.measure_considerate``. The thread writes to a pipe, reads from it and sleeps 2 ms in turn, as a serial line's
thread waits for the printer's *ok*.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import click

from octoprint_spaghetti import what_if
from octoprint_spaghetti.adapters.trace_reader import recorded
from octoprint_spaghetti.adapters.traces import TraceFolder, newest_first
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Sighting
from octoprint_spaghetti.testing import answer

_ROWS, _EVERY_S = 17_280, 5.0
_LINE_S = 0.002


def rounds_beside(work: Callable[[], object]) -> tuple[float, float]:
    """Return how many rounds a second the thread makes while ``work`` runs, and how many seconds that takes."""
    ended = threading.Event()
    rounds = 0

    def feed() -> None:
        nonlocal rounds
        source, sink = os.pipe()
        while not ended.is_set():
            os.write(sink, b"G1 X1\n")
            os.read(source, 6)
            time.sleep(_LINE_S)
            rounds += 1
        os.close(source)
        os.close(sink)

    feeder = threading.Thread(target=feed)
    feeder.start()
    began = time.monotonic()
    try:
        work()
        seconds = time.monotonic() - began
        return rounds / seconds, seconds
    finally:
        ended.set()
        feeder.join()


def main() -> None:
    """Print a line for each of the three."""
    with tempfile.TemporaryDirectory() as name:
        folder = TraceFolder(Path(name), kept=1)
        folder.begin("a day", 0.0, 0.0)
        for number in range(_ROWS):
            folder.add(Sighting(number * _EVERY_S, answer(0.05), number // 40, (10.0, 20.0, 0.2), ""))
        folder.end()
        file = newest_first(Path(name))[0]
        considerate = what_if.considerate
        for said, pace, work in (
            ("at rest", considerate, lambda: time.sleep(1.0)),
            ("in one go", iter, lambda: what_if.judged_again(recorded(file), Settings().patience())),
            ("considerate", considerate, lambda: what_if.judged_again(recorded(file), Settings().patience())),
        ):
            what_if.considerate = pace
            rounds, seconds = rounds_beside(work)
            click.echo(f"{said:12} {rounds:5.0f} rounds a second, for {seconds:.2f} s")


if __name__ == "__main__":
    main()
