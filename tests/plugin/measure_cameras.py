"""Measure what a second camera costs the first: the time between its pictures, and from a failure to the pause.

    python -m tests.plugin.measure_cameras

The judge and the watch are real, time is moved by hand: the figures are those of the schedule, without any computer's speed.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

from octoprint_spaghetti.core.errors import CameraTooSlow
from tests.plugin.test_several_cameras import DEADLINE_S, SETTINGS, Bench, gaps

#: Simulated prints, each begun at another moment of the second camera's turn, and how long they are watched, seconds.
PRINTS, WATCHED_S = 24, 600.0


def measured(further: bool, hangs: bool) -> tuple[float, float, float]:
    """Return seconds between two pictures of the first camera, mean and longest, and the mean from a failure to the pause."""
    waits: list[float] = []
    delays: list[float] = []
    for number in range(PRINTS):
        bench = Bench(SETTINGS if further else replace(SETTINGS, also_watched=()))
        if hangs:
            bench.garage.trouble, bench.garage.holds = CameraTooSlow("The camera takes too long."), DEADLINE_S
        bench.print()
        bench.run(WATCHED_S + number)
        waits += gaps(bench.front.at[1:])
        bench.front.score, failed_at = 0.95, bench.clock()
        bench.run(300.0, until=lambda bench=bench: bench.printer.pauses > 0)  # type: ignore[misc]
        delays.append(bench.clock() - failed_at)
    return fmean(waits), max(waits), fmean(delays)


def main() -> None:
    """Print the table."""
    print("| | mean s | longest s | to the pause s |\n| --- | --: | --: | --: |")  # noqa: T201
    for name, further, hangs in (
        ("alone", False, False),
        ("beside a calm one", True, False),
        ("beside one that hangs", True, True),
    ):
        print("| " + " | ".join([name, *(f"{value:.1f}" for value in measured(further, hangs))]) + " |")  # noqa: T201


if __name__ == "__main__":
    main()
