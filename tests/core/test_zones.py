"""Ignore zones: what lies in them does not count, however the page shows the picture."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.geometry import Box, intersection
from octoprint_spaghetti.core.words import Detection
from octoprint_spaghetti.core.zones import Orientation, Zone, ignored_by, proposed, without
from octoprint_spaghetti.testing import answer

FRACTION = st.floats(0.0, 1.0)
ORIENTATIONS = [Orientation(h, v, turned) for h in (False, True) for v in (False, True) for turned in (False, True)]


def rectangle(box: Box) -> Zone:
    return Zone(((box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    left, top = draw(st.floats(0.0, 0.9)), draw(st.floats(0.0, 0.9))
    return Box(left, top, left + draw(st.floats(0.05, 1.0 - left)), top + draw(st.floats(0.05, 1.0 - top)))


@given(boxes(), boxes())
def test_a_rectangular_zone_covers_what_a_box_would(zone: Box, box: Box) -> None:
    """For rectangles the clipping agrees with plain arithmetic, whichever way round the corners go."""
    expected = pytest.approx(intersection(zone, box) / box.area, abs=1e-6)
    assert rectangle(zone).share_of(box) == expected
    assert Zone(tuple(reversed(rectangle(zone).corners))).share_of(box) == expected


def test_a_notched_zone_leaves_its_notch_free() -> None:
    """A polygon that goes around a part of the picture does not cover it: an L covers three quarters of its square."""
    shape = Zone(((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)))
    assert shape.share_of(Box(0.0, 0.0, 1.0, 1.0)) == pytest.approx(0.75)
    assert shape.share_of(Box(0.6, 0.6, 0.9, 0.9)) == 0.0


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param(((0.0, 0.0), (1.0, 1.0)), id="a line"),
        pytest.param(((0.0, 0.0), (1.2, 0.0), (1.0, 1.0)), id="outside the picture"),
        pytest.param(((0.0, 0.0), (float("nan"), 0.0), (1.0, 1.0)), id="not a number"),
    ],
)
def test_what_is_no_zone_is_refused(corners: tuple[tuple[float, float], ...]) -> None:
    """A zone has an inside, and lies in the picture."""
    with pytest.raises(ValueError):
        Zone(corners)


@given(FRACTION, FRACTION, st.sampled_from(ORIENTATIONS))
def test_a_point_drawn_on_the_page_comes_back_to_where_it_was_taken(x: float, y: float, orientation: Orientation) -> None:
    """Flips and rotation, there and back, end where they began, and stay in the picture."""
    shown = orientation.to_shown((x, y))
    assert all(0.0 <= value <= 1.0 for value in shown)
    assert orientation.to_taken(shown) == pytest.approx((x, y))


def test_the_page_mirrors_first_and_then_turns_left() -> None:
    """The top right corner of the camera's picture: mirrored it is top left, and turned left from there, bottom left."""
    assert Orientation(flip_h=True).to_shown((1.0, 0.0)) == (0.0, 0.0)
    assert Orientation(flip_h=True, rotate_90=True).to_shown((1.0, 0.0)) == (0.0, 1.0)


def test_what_lies_in_a_zone_does_not_count() -> None:
    """With the only tangle in a zone the frame shows none; another one counts with its own confidence."""
    inside, outside = Box(0.1, 0.1, 0.2, 0.2), Box(0.6, 0.6, 0.8, 0.8)
    zones = (rectangle(Box(0.0, 0.0, 0.3, 0.3)),)
    alone = without(answer(0.9, box=inside), lambda box: ignored_by(zones, box, 0.5))
    assert (alone.score, alone.detections) == (0.0, ())
    two = dataclasses.replace(
        answer(0.9, box=inside), detections=(Detection(inside, 0.9, "spaghetti"), Detection(outside, 0.6, "spaghetti"))
    )
    assert without(two, lambda box: ignored_by(zones, box, 0.5)).score == 0.6


def test_zones_side_by_side_cover_together() -> None:
    """A box half in one zone and half in its neighbour is in the zones."""
    zones = (rectangle(Box(0.0, 0.0, 0.5, 1.0)), rectangle(Box(0.5, 0.0, 1.0, 1.0)))
    assert ignored_by(zones, Box(0.4, 0.4, 0.6, 0.6), 0.99)
    assert not ignored_by(zones[:1], Box(0.4, 0.4, 0.6, 0.6), 0.51)


def test_an_answer_without_ignored_boxes_is_left_as_it_is() -> None:
    """A frame score higher than every box is not lowered by zones that nothing lies in."""
    seen = answer(0.9, box=Box(0.6, 0.6, 0.8, 0.8))
    assert without(seen, lambda box: False) is seen


@given(st.lists(boxes(), min_size=1, max_size=5))
def test_a_proposed_zone_holds_all_that_was_seen(seen: list[Box]) -> None:
    """The zone that a false alarm proposes covers each of its boxes and lies in the picture."""
    zone = proposed(seen)
    assert zone is not None
    assert all(zone.share_of(box) == pytest.approx(1.0) for box in seen)


def test_without_boxes_nothing_is_proposed() -> None:
    """A server that only scores gives no place to ignore."""
    assert proposed([]) is None


def test_zones_that_overlap_do_not_count_twice() -> None:
    """Two zones over the same third of a box cover a third of it: what lies outside still counts."""
    zone = rectangle(Box(0.0, 0.0, 0.46, 1.0))
    again = rectangle(Box(0.0, 0.05, 0.46, 1.0))
    assert not ignored_by((zone, again), Box(0.4, 0.4, 0.6, 0.6), 0.5)
