"""Rates, delays, and how sure one may be of them: intervals are drawn over prints, since frames of one print agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 2000
_PERCENT = (2.5, 97.5)


@dataclass(frozen=True)
class Tally:
    """What came of the simulated prints that were made of one real print: hours printed, and false pauses."""

    hours: float
    pauses: int


@dataclass(frozen=True)
class Rate:
    """False pauses per 1,000 h with the 95 % interval over prints; of how many prints, and how many of them were ever paused."""

    per_1000_h: float
    low: float
    high: float
    prints: int
    paused_prints: int


@dataclass(frozen=True)
class Delay:
    """Seconds from onset to pause, median and 95th percentile of the failures that were paused; share missed with its interval."""

    median_s: float
    p95_s: float
    missed: float
    missed_low: float
    missed_high: float
    failures: int


def rate(tallies: Sequence[Tally], seed: int) -> Rate:
    """Return the rate of false pauses over real prints."""
    hours = np.array([one.hours for one in tallies])
    pauses = np.array([one.pauses for one in tallies])
    drawn = _draws(len(tallies), seed)
    low, high = np.percentile(pauses[drawn].sum(1) / hours[drawn].sum(1), _PERCENT)
    value = pauses.sum() / hours.sum()
    return Rate(1e3 * value, 1e3 * float(low), 1e3 * float(high), len(tallies), int((pauses > 0).sum()))


def delay(delays: Sequence[Sequence[float | None]], seed: int) -> Delay:
    """Return the delays of failures, a sequence for each real failure; None stands for one that was missed."""
    paused = np.array([one for several in delays for one in several if one is not None])
    missed = np.array([np.mean([one is None for one in several]) for several in delays])
    low, high = np.percentile(missed[_draws(len(missed), seed)].mean(1), _PERCENT)
    median, p95 = np.percentile(paused, (50, 95)) if len(paused) else (float("nan"), float("nan"))
    return Delay(float(median), float(p95), float(missed.mean()), float(low), float(high), sum(map(len, delays)))


def most_prints(prints: int) -> float:
    """Return the share of all prints that may be paused at most (95 %) when none of ``prints`` independent ones was."""
    return float(1.0 - 0.05 ** (1.0 / prints))


def _draws(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(count, size=(_ROUNDS, count))
