"""The second look: what is suspected, cut out of the full picture and looked at enlarged.

A tangle begins as 40 pixels in a picture of which the network sees a reduced copy. The mean of both looks counts, never the
larger: on 469 pictures the larger of the two fired on 5.1 % of the good ones, against 1.7 % for one look alone.
"""

from __future__ import annotations

from dataclasses import replace

from octoprint_spaghetti.core.geometry import Box, intersection
from octoprint_spaghetti.core.words import Answer

#: The region is this many times the box, and at least this share of the picture's sides: what is around it tells much.
_ROOM, _LEAST_SIDE = 1.6, 0.4
#: Beyond this share of a side there is nothing to gain.
_MOST_SIDE = 0.8
#: A region with fewer pixels than this share of those that the network sees would only be blown up.
_LEAST_SHARE = 0.8
#: A cell of its heatmap stands for so many pixels of its input, each way; who sends none looks at as many as `nano`.
_CELL_PIXELS, _USUAL_CELLS = 16, 26 * 26
#: A first look as sure as this stands: the second is for what is uncertain, and must not talk a certain failure down.
_CERTAIN = 0.85
#: Of a box: what the enlarged look has to say of it counts instead of the first.
_INSIDE = 0.5


def region(answer: Answer, size_wh: tuple[int, int] | None) -> Box | None:
    """Return where to look again in a picture of ``size_wh`` pixels, or None where it would show nothing new."""
    if not answer.detections or size_wh is None or answer.score >= _CERTAIN:
        return None
    box = answer.detections[0].box
    left, right = _widened(box.left, box.right)
    top, bottom = _widened(box.top, box.bottom)
    wanted = Box(left, top, right, bottom)
    pixels = wanted.area * size_wh[0] * size_wh[1]
    cells = answer.heatmap.rows * answer.heatmap.columns or _USUAL_CELLS
    return wanted if pixels >= _LEAST_SHARE * cells * _CELL_PIXELS**2 and max(right - left, bottom - top) <= _MOST_SIDE else None


def combined(first: Answer, second: Answer, looked_at: Box) -> Answer:
    """Return one answer of both looks; the second one saw the region ``looked_at`` alone."""
    outside = [seen for seen in first.detections if intersection(seen.box, looked_at) < _INSIDE * seen.box.area]
    detections = sorted((*outside, *second.detections), key=lambda seen: seen.confidence, reverse=True)
    return replace(first, score=(first.score + second.score) / 2.0, detections=tuple(detections))


def _widened(low: float, high: float) -> tuple[float, float]:
    side = min(1.0, max(_LEAST_SIDE, _ROOM * (high - low)))
    start = min(max(0.0, (low + high - side) / 2.0), 1.0 - side)
    return start, min(1.0, start + side)
