"""Parts of the picture that do not count: a logo on the bed, a waste chute, a spool behind the printer.

Zones are drawn on the picture as the camera sends it, before any flip or rotation that OctoPrint shows it with; who draws
on the picture as shown turns the points back with :class:`Orientation`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Answer

#: x and y as fractions of the picture's width and height, origin at the top left.
Point = tuple[float, float]

#: Room that a proposed zone leaves around what was seen, in fractions of the picture.
_MARGIN = 0.02
#: Points along each side of a box, where it is asked which part of it several zones cover: within a tenth of it, in 0.5 ms.
_SAMPLES = 12
#: Log-odds of a frame by those of its strongest peak, while something that does not count is in the picture too: fitted to both
#: shipped detectors together with ``python -m inference_server.detector.beside``, as the model card tells.
_PEAK_SCALE, _PEAK_SHIFT = 3.6, 2.7
#: How near to impossible and to certain a peak can be.
_LEAST_PEAK = 1e-6


@dataclass(frozen=True)
class Zone:
    """A polygon on the picture: at least three corners in order, either way round, as fractions 0 to 1."""

    corners: tuple[Point, ...]

    def __post_init__(self) -> None:
        """Refuse what has no inside or lies outside the picture (also NaN)."""
        if len(self.corners) < 3:
            raise ValueError(say("a zone needs at least three corners"))
        if not all(0.0 <= value <= 1.0 for corner in self.corners for value in corner):
            raise ValueError(say("a zone's corners must be fractions of the picture, 0 to 1"))

    def share_of(self, box: Box) -> float:
        """Return the share of ``box`` that lies inside, 0 to 1; exact for every polygon that does not cross itself."""
        return min(1.0, abs(_area(_clipped(self.corners, box))) / box.area)

    def holds(self, point: Point) -> bool:
        """Return whether a point lies inside: a ray from it to the left crosses the border an odd number of times."""
        x, y = point
        inside = False
        for (x1, y1), (x2, y2) in zip(self.corners, self.corners[1:] + self.corners[:1]):
            if (y1 > y) != (y2 > y) and x > x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                inside = not inside
        return inside


@dataclass(frozen=True)
class Orientation:
    """How OctoPrint shows a camera's picture: mirrored first, then turned by 90 degrees counter-clockwise."""

    flip_h: bool = False
    flip_v: bool = False
    rotate_90: bool = False

    def to_shown(self, point: Point) -> Point:
        """Return where a point of the picture as taken is seen on the page."""
        x, y = point
        x, y = (1.0 - x if self.flip_h else x), (1.0 - y if self.flip_v else y)
        return (y, 1.0 - x) if self.rotate_90 else (x, y)

    def to_taken(self, point: Point) -> Point:
        """Return where a point of the page lies on the picture as taken."""
        x, y = point
        x, y = (1.0 - y, x) if self.rotate_90 else (x, y)
        return (1.0 - x if self.flip_h else x, 1.0 - y if self.flip_v else y)


def without(answer: Answer, ignored: Callable[[Box], bool]) -> Answer:
    """Return the answer as if nothing had been seen in the boxes that are ``ignored``.

    The score of the whole frame is then at most as sure as the strongest box that is left, and 0 when none is: a frame
    whose only tangle does not count shows none. Nor does what is ignored make the others surer: a box's confidence is the
    geometric mean of its own peak and the frame's score (``inference_server/detector/model.py``), which is undone here.
    """
    left = tuple(seen for seen in answer.detections if not ignored(seen.box))
    if len(left) == len(answer.detections):
        return answer
    if answer.score <= 0.0:
        return replace(answer, detections=left)
    strongest = max((seen.confidence for seen in left), default=0.0)
    score = min(answer.score, strongest, _of_peak_alone(strongest**2 / answer.score))
    share = math.sqrt(score / answer.score)
    return replace(answer, detections=tuple(replace(seen, confidence=seen.confidence * share) for seen in left), score=score)


def _of_peak_alone(peak: float) -> float:
    """Return how likely a frame shows spaghetti whose strongest ``peak`` that counts, 0 to 1, is all that speaks for it."""
    peak = min(max(peak, _LEAST_PEAK), 1.0 - _LEAST_PEAK)
    return 1.0 / (1.0 + math.exp(-(_PEAK_SCALE * math.log(peak / (1.0 - peak)) + _PEAK_SHIFT)))


def ignored_by(zones: Iterable[Zone], box: Box, share: float) -> bool:
    """Return whether at least ``share`` of a box lies in the zones together; where they overlap they count once."""
    shares = {zone: part for zone in zones if (part := zone.share_of(box)) > 0.0}
    if len(shares) < 2 or sum(shares.values()) < share or max(shares.values()) >= share:
        return sum(shares.values()) >= share
    return _sampled_share(tuple(shares), box) >= share


def _sampled_share(zones: tuple[Zone, ...], box: Box) -> float:
    """Return about which share of a box lies in any of the zones, by a grid of points in it."""
    steps = [(number + 0.5) / _SAMPLES for number in range(_SAMPLES)]
    points = [(box.left + x * (box.right - box.left), box.top + y * (box.bottom - box.top)) for x in steps for y in steps]
    return sum(any(zone.holds(point) for zone in zones) for point in points) / len(points)


def proposed(boxes: Iterable[Box]) -> Zone | None:
    """Return a zone around boxes that were a false alarm, for a person to accept; None when there is no box."""
    seen = list(boxes)
    if not seen:
        return None
    left, top = max(0.0, min(box.left for box in seen) - _MARGIN), max(0.0, min(box.top for box in seen) - _MARGIN)
    right, bottom = min(1.0, max(box.right for box in seen) + _MARGIN), min(1.0, max(box.bottom for box in seen) + _MARGIN)
    return Zone(((left, top), (right, top), (right, bottom), (left, bottom)))


def _clipped(corners: tuple[Point, ...], box: Box) -> tuple[Point, ...]:
    """Return the part of a polygon inside a box, after Sutherland and Hodgman (1974): one side of the box after the other."""
    for axis, limit, sign in ((0, box.left, 1.0), (0, box.right, -1.0), (1, box.top, 1.0), (1, box.bottom, -1.0)):
        corners = tuple(_cut(corners, axis, limit, sign))
    return corners


def _cut(corners: tuple[Point, ...], axis: int, limit: float, sign: float) -> Iterable[Point]:
    for before, corner in zip(corners[-1:] + corners[:-1], corners):
        was, now = sign * (before[axis] - limit), sign * (corner[axis] - limit)
        if (was < 0.0) != (now < 0.0):
            part = was / (was - now)
            yield (before[0] + part * (corner[0] - before[0]), before[1] + part * (corner[1] - before[1]))
        if now >= 0.0:
            yield corner


def _area(corners: tuple[Point, ...]) -> float:
    """Return the signed area by the shoelace formula."""
    return 0.5 * sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, corners[1:] + corners[:1]))
