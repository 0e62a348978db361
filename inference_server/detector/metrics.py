"""The figures a detector is judged by. Numpy only; a score is higher the more a picture looks failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_server.detector.geometry import Boxes, iou

Scores = NDArray[np.float64]  # (n,)


def auroc(failed: Scores, good: Scores) -> float:
    """Return the probability that a failed picture scores above a good one (ties count half); NaN where one kind is missing."""
    if not len(failed) or not len(good):
        return math.nan
    order = np.sort(good)
    below = np.searchsorted(order, failed, "left") + np.searchsorted(order, failed, "right")
    return float(below.mean() / 2 / len(good))


def threshold_at(good: Scores, false_alarms: float) -> float:
    """Return the score above which at most ``false_alarms`` of the good pictures lie; NaN where there are none."""
    if not len(good):
        return math.nan
    allowed = int(np.floor(false_alarms * len(good)))
    return float(np.sort(good)[::-1][allowed])


def recall_above(failed: Scores, threshold: float) -> float:
    """Return the share of failed pictures that score above ``threshold``; NaN where there are none, or no threshold."""
    return float((failed > threshold).mean()) if len(failed) and not math.isnan(threshold) else math.nan


@dataclass(frozen=True)
class Bin:
    """Pictures of about the same score: their mean score and the share that failed, both 0 to 1, and how many they are."""

    score: float
    failed: float
    pictures: int


def reliability(scores: Scores, failed: NDArray[np.bool_], bins: int = 10) -> list[Bin]:
    """Sort pictures into ``bins`` equal bins of score; empty ones are left out."""
    which = np.minimum((scores * bins).astype(int), bins - 1)
    inside = [which == b for b in range(bins)]
    return [Bin(float(scores[one].mean()), float(failed[one].mean()), int(one.sum())) for one in inside if one.any()]


def calibration_error(scores: Scores, failed: NDArray[np.bool_], bins: int = 10) -> float:
    """Return the expected calibration error over ``bins`` equal bins of score (Guo et al. 2017)."""
    return sum(abs(one.score - one.failed) * one.pictures for one in reliability(scores, failed, bins)) / len(scores)


def average_precision(found: Sequence[tuple[Boxes, Scores]], true: Sequence[Boxes], least_iou: float = 0.5) -> float:
    """Return AP at ``least_iou``, all points interpolated (PASCAL VOC 2010), over pictures given in the same order."""
    wanted = sum(len(boxes) for boxes in true)
    hits: list[tuple[float, bool]] = []
    for (boxes, scores), truth in zip(found, true, strict=True):
        free = np.ones(len(truth), dtype=bool)
        overlap = iou(boxes, truth)
        for i in np.argsort(-scores):
            best = int(np.argmax(np.where(free, overlap[i], -1.0))) if len(truth) else -1
            hit = best >= 0 and bool(free[best]) and overlap[i, best] >= least_iou
            if hit:
                free[best] = False
            hits.append((float(scores[i]), hit))
    if not hits or not wanted:
        return 0.0
    hits.sort(key=lambda pair: -pair[0])
    right = np.cumsum([hit for _, hit in hits])
    precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
    steps = np.diff(np.concatenate(([0], right))) / wanted
    return float((precision * steps).sum())


def bootstrap(
    groups: Sequence[str], figure: Callable[[NDArray[np.int64]], float], rounds: int = 500, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of ``figure(indices)`` when whole groups are drawn again.

    Frames of one video are no witnesses of their own, so they come and go together. A draw in which the figure is NaN,
    because a kind of pictures was not drawn, does not count.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    rows = [np.flatnonzero(member == g) for g in range(len(names))]
    rng = np.random.default_rng(seed)
    draws = [figure(np.concatenate([rows[g] for g in rng.integers(len(names), size=len(names))])) for _ in range(rounds)]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)
