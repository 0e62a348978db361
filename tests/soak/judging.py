"""Is a series of samples flat? A slope with an interval against a bound for memory; counts must be exactly what they were.

The first and the last sample say little: memory that was freed is handed back to the system late or never, so a process that
leaks nothing wanders up and down. The slope is Theil's and Sen's, the median over all pairs of samples, which a few outliers
do not move; its interval is scipy's, at 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import theilslopes

from tests.soak.sampling import Sample

#: The first part of the samples is not judged: pools fill, modules are imported, caches grow to their bounds.
WARM_UP = 1.0 / 3.0
#: Fewer samples than this say nothing.
FEWEST = 6
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Judgement:
    """What is thought of one series; ``sentence`` says why. ``slope`` is per hour of wall time, with its interval."""

    process: str
    what: str
    flat: bool
    sentence: str
    slope: float | None = None
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        rounded = {name: None if value is None else round(value, 3) for name, value in vars(self).items() if name in _NUMBERS}
        return {"process": self.process, "what": self.what, "flat": self.flat, "sentence": self.sentence, **rounded}


_NUMBERS = ("slope", "low", "high")
#: Each a count that must stay as it is from print to print.
COUNTS: tuple[tuple[str, Callable[[Sample], int]], ...] = (
    ("threads", lambda sample: sample.threads),
    ("descriptors", lambda sample: sample.descriptors),
    ("children", lambda sample: sample.children),
)


def judge(process: str, at_rest: Sequence[Sample], bound_mb_per_hour: float) -> tuple[Judgement, ...]:
    """Judge what a process took after each print, when it had nothing to do; ``bound_mb_per_hour`` is for memory, of wall time."""
    warm = after_warm_up(at_rest)
    return (judge_memory(process, warm, bound_mb_per_hour), *(judge_count(process, warm, *count) for count in COUNTS))


def after_warm_up(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return the samples without their first third."""
    return samples[round(WARM_UP * len(samples)) :]


def judge_memory(process: str, samples: Sequence[Sample], bound_mb_per_hour: float) -> Judgement:
    """Return whether memory is shown to grow by no more than the bound: the whole interval lies below it."""
    if len(samples) < FEWEST:
        return _too_few(process, "memory", len(samples))
    hours = [sample.at / 3600.0 for sample in samples]
    slope, _, low, high = theilslopes([sample.rss_mb for sample in samples], hours, alpha=_CONFIDENCE)
    flat = bool(high <= bound_mb_per_hour)
    sentence = (
        f"{slope:+.1f} MB an hour, 95 % between {low:+.1f} and {high:+.1f}, where {bound_mb_per_hour:g} is the bound; "
        f"{min(sample.rss_mb for sample in samples):.0f} to {max(sample.rss_mb for sample in samples):.0f} MB"
    )
    return Judgement(process, "memory", flat, sentence, float(slope), float(low), float(high))


def judge_count(process: str, samples: Sequence[Sample], what: str, count: Callable[[Sample], int]) -> Judgement:
    """Return whether a count is what it was: in the second half of the samples its least and its most are not both higher.

    At rest a process has some threads more or fewer after this print or that: OctoPrint, for one, keeps a timer's thread for each
    page that was closed in the last minute. What each print, or each print of one kind, leaves behind moves both.
    """
    if len(samples) < FEWEST:
        return _too_few(process, what, len(samples))
    counts = [count(sample) for sample in samples]
    before, after = counts[: len(counts) // 2], counts[len(counts) // 2 :]
    grown = min(after) > min(before) and max(after) > max(before)
    said = f"{min(before)} to {max(before)} in the first half, {min(after)} to {max(after)} in the second"
    return Judgement(process, what, not grown, said)


def _too_few(process: str, what: str, count: int) -> Judgement:
    return Judgement(process, what, False, f"only {count} samples after the warm-up, and {FEWEST} are needed; let it run longer")
