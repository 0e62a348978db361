"""The enlarged look at what is suspected: where it is worth it, and what it changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.geometry import Box, intersection
from octoprint_spaghetti.core.second_look import combined, region
from octoprint_spaghetti.core.words import Heatmap
from octoprint_spaghetti.testing import answer

SMALL = Box(0.70, 0.60, 0.76, 0.68)


def test_a_small_tangle_in_a_large_picture_is_looked_at_again() -> None:
    """The region holds the whole box with room around it."""
    roi = region(answer(0.4, box=SMALL), (1280, 720))
    assert roi is not None
    assert intersection(roi, SMALL) == pytest.approx(SMALL.area)
    assert roi.area < 0.2


@pytest.mark.parametrize(
    ("box", "size"),
    [
        pytest.param(SMALL, (640, 480), id="the picture has no more pixels to show"),
        pytest.param(Box(0.1, 0.1, 0.8, 0.8), (1920, 1080), id="the tangle fills the picture"),
        pytest.param(SMALL, None, id="a picture of unknown size"),
        pytest.param(None, (1920, 1080), id="no box"),
    ],
)
def test_no_second_look_where_nothing_is_to_be_gained(box: Box | None, size: tuple[int, int] | None) -> None:
    """A look that would show nothing new is not made."""
    assert region(answer(0.4, box=box), size) is None


def test_a_network_that_sees_more_pixels_needs_more_to_look_again() -> None:
    """At 640 pixels two fifths of a 720p picture show nothing that was not seen; of a 1080p picture they do."""
    seen = replace(answer(0.4, box=SMALL), heatmap=Heatmap(40, 40, bytes(1600)))
    assert region(seen, (1280, 720)) is None
    assert region(seen, (1920, 1080)) is not None


def test_a_server_that_sends_no_heatmap_is_taken_for_a_small_one() -> None:
    """What it looks at is not known; the rule is that of the smallest network."""
    unknown = replace(answer(0.4, box=SMALL), heatmap=Heatmap(0, 0, b""))
    assert region(unknown, (1280, 720)) == region(answer(0.4, box=SMALL), (1280, 720)) is not None
    assert region(unknown, (640, 480)) is None


def test_a_certain_first_look_stands() -> None:
    """What is plain to see is not looked at again: a second look that misses it would halve the evidence."""
    assert region(answer(0.9, box=SMALL), (1280, 720)) is None


@given(st.floats(0.0, 0.95), st.floats(0.0, 0.95), st.floats(0.01, 0.05))
def test_the_region_always_lies_in_the_picture(left: float, top: float, side: float) -> None:
    """Also for a box in the corner: building a box outside the picture would raise."""
    region(answer(0.4, box=Box(left, top, left + side, top + side)), (1920, 1080))


def test_both_looks_count_half() -> None:
    """The mean, never the larger; the boxes in the region are those of the second look, the others stay."""
    roi = Box(0.5, 0.4, 0.9, 0.8)
    first, second = answer(0.6, box=SMALL), answer(0.2, box=Box(0.7, 0.6, 0.75, 0.66))
    both = combined(first, second, roi)
    assert both.score == pytest.approx(0.4)
    assert both.detections == second.detections
    elsewhere = answer(0.6, box=Box(0.0, 0.0, 0.2, 0.2))
    assert combined(elsewhere, second, roi).detections == (*elsewhere.detections, *second.detections)
