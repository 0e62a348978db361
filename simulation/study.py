"""The study: many hours of good prints and many failures, the same for every rule and every sensitivity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulation.figures import Delay, Rate, Tally, delay, rate
from simulation.measured import Kind, Print
from simulation.paths import Path, deviations, failing_path, good_path
from simulation.watching import Watcher, pauses

#: Prints are as long as people's: half of them below 4 h, one in twenty beyond 15 h. Hours; spread of the logarithm.
_MEDIAN_HOURS, _SPREAD, _SHORTEST_HOURS, _LONGEST_HOURS = 4.0, 0.8, 0.5, 24.0
#: A failure comes into view within the first hour of what is simulated, and is missed when it was not paused after ten minutes, seconds.
_ONSET_S, MISSED_AFTER_S = (600, 3600), 600.0
#: Times that each real failure happens, on another good print at another moment.
_REPEATS = 3


@dataclass(frozen=True)
class Measured:
    """The prints to draw from, how looks deviate within one, and for how long that deviation lasts, seconds."""

    prints: Sequence[Print]
    memory_s: float

    def of(self, kind: Kind) -> list[Print]:
        """Return the prints of a kind."""
        return [one for one in self.prints if one.kind is kind]

    @property
    def steps(self) -> NDArray[np.float64]:
        """Return the deviations of looks from their print's mean, of webcam prints, in logits."""
        return deviations(self.of(Kind.WEBCAM))


@dataclass(frozen=True)
class Failure:
    """A print that fails at second ``onset``; ``source`` numbers the real failure that is behind it."""

    source: int
    path: Path
    onset: int


def good_prints(measured: Measured, kind: Kind, hours: float, seed: int) -> Iterator[tuple[int, Path]]:
    """Yield (number of the real print, simulated print), the same hours of each real print, ``hours`` in all."""
    prints, steps = measured.of(kind), measured.steps
    for number, one in enumerate(prints):
        rng = np.random.default_rng([seed, number])
        left = hours / len(prints)
        while left > 0.0:
            length = min(left, float(np.clip(rng.lognormal(np.log(_MEDIAN_HOURS), _SPREAD), _SHORTEST_HOURS, _LONGEST_HOURS)))
            yield number, good_path(one, max(60, int(3600 * length)), steps, measured.memory_s, rng)
            left -= length


def failures(measured: Measured, kind: Kind, seed: int) -> list[Failure]:
    """Return prints that are good until they fail; what is behind one is a webcam print drawn at random."""
    good, steps = measured.of(Kind.WEBCAM), measured.steps
    made = []
    for number, tangle in enumerate(measured.of(kind)):
        rng = np.random.default_rng([seed, 1, number])
        for _ in range(_REPEATS):
            onset = int(rng.integers(*_ONSET_S))
            before = good_path(good[rng.integers(len(good))], onset + int(MISSED_AFTER_S) + 60, steps, measured.memory_s, rng)
            made.append(Failure(number, failing_path(before, onset, tangle, steps, measured.memory_s, rng), onset))
    return made


def false_pauses(watchers: Sequence[Watcher], prints: Iterator[tuple[int, Path]], seed: int) -> list[Rate]:
    """Return the rate of false pauses for each watcher, over the same prints."""
    counted: list[dict[int, Tally]] = [{} for _ in watchers]
    for number, path in prints:
        for tallies, watcher in zip(counted, watchers):
            before = tallies.get(number, Tally(0.0, 0))
            found = len(pauses(watcher, path, start=watcher.calm_s / 2.0))
            tallies[number] = Tally(before.hours + len(path) / 3600.0, before.pauses + found)
    return [rate(list(tallies.values()), seed) for tallies in counted]


def delays(watchers: Sequence[Watcher], failing: Sequence[Failure], seed: int) -> list[Delay]:
    """Return for each watcher how soon it pauses, over the same failures."""
    return [delay(_by_source(watcher, failing), seed) for watcher in watchers]


def _by_source(watcher: Watcher, failing: Sequence[Failure]) -> list[list[float | None]]:
    found: dict[int, list[float | None]] = {}
    for one in failing:
        start = one.onset % watcher.calm_s  # the onset comes at any moment between two frames
        times = [at for at in pauses(watcher, one.path, start / 2.0, one.onset) if at >= one.onset]
        seconds = times[0] - one.onset if times else None
        found.setdefault(one.source, []).append(seconds if seconds is not None and seconds <= MISSED_AFTER_S else None)
    return list(found.values())
