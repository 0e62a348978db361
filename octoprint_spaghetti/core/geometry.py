"""Boxes in fractions of the picture: the only place that computes with them.

``Box`` is always left, top, right, bottom, as fractions of the picture's width and height, origin at the top left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle in the picture, in fractions: 0 <= left < right <= 1 and 0 <= top < bottom <= 1."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        """Refuse what is no rectangle inside the picture (also NaN and infinities)."""
        values = (self.left, self.top, self.right, self.bottom)
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"a box of {values} is not finite")
        if not (0.0 <= self.left < self.right <= 1.0 and 0.0 <= self.top < self.bottom <= 1.0):
            raise ValueError(f"a box of {values} is not inside the picture")

    @property
    def area(self) -> float:
        """Return the share of the picture that the box covers, 0 to 1."""
        return (self.right - self.left) * (self.bottom - self.top)

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom as a tuple, for JSON."""
        return (self.left, self.top, self.right, self.bottom)


def intersection(a: Box, b: Box) -> float:
    """Return the share of the picture that lies in both boxes, 0 to 1."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    return max(0.0, width) * max(0.0, height)


def iou(a: Box, b: Box) -> float:
    """Return intersection over union, 0 (apart) to 1 (the same box)."""
    both = intersection(a, b)
    return both / (a.area + b.area - both)


def covered(a: Box, b: Box) -> float:
    """Return the share of the smaller box that the larger one covers, 0 to 1."""
    return intersection(a, b) / min(a.area, b.area)
