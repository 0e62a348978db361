"""Ignore zones: what lies in them does not count, however the page shows the picture."""

from __future__ import annotations

import dataclasses
import math

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
    """With the only tangle in a zone the frame shows none; another one that is as clear still counts, by itself."""
    inside, outside = Box(0.1, 0.1, 0.2, 0.2), Box(0.6, 0.6, 0.8, 0.8)
    zones = (rectangle(Box(0.0, 0.0, 0.3, 0.3)),)
    alone = without(answer(0.9, box=inside), lambda box: ignored_by(zones, box, 0.5))
    assert (alone.score, alone.detections) == (0.0, ())
    two = dataclasses.replace(
        answer(0.9, box=inside), detections=(Detection(inside, 0.9, "spaghetti"), Detection(outside, 0.7, "spaghetti"))
    )
    counted = without(two, lambda box: ignored_by(zones, box, 0.5))
    assert counted.score == 0.7 and [seen.box for seen in counted.detections] == [outside]


@pytest.mark.parametrize(
    ("peak", "at_least", "at_most"), [(0.12, 0.0, 0.02), (0.2, 0.0, 0.1), (0.27, 0.1, 0.3), (0.4, 0.6, 0.7), (0.6, 0.7, 0.8)]
)
def test_what_is_ignored_does_not_make_the_rest_surer(peak: float, at_least: float, at_most: float) -> None:
    """A faint peak beside a tangle that does not count has the tangle's certainty in its confidence, and loses it."""
    inside, outside = Box(0.1, 0.1, 0.2, 0.2), Box(0.6, 0.6, 0.8, 0.8)
    confidence = math.sqrt(peak * 0.99)
    seen = (Detection(inside, 0.8, "spaghetti"), Detection(outside, confidence, "spaghetti"))
    counted = without(dataclasses.replace(answer(0.99, box=inside), detections=seen), lambda box: box == inside)
    assert at_least <= counted.score <= at_most
    assert counted.detections[0].confidence == pytest.approx(math.sqrt(peak * counted.score))


@given(
    st.floats(0.0, 1.0),
    st.lists(st.tuples(boxes(), st.floats(0.0, 1.0), st.integers(0, 2)), max_size=5, unique_by=lambda one: one[0]),
)
def test_ignoring_makes_nothing_surer_and_its_order_is_all_one(score: float, given_boxes: list[tuple[Box, float, int]]) -> None:
    """Zones and forgiven places are taken out one after the other; together they would leave the same."""
    kinds = {box: kind for box, _, kind in given_boxes}
    seen = tuple(Detection(box, confidence, "spaghetti") for box, confidence, _ in given_boxes)
    whole = dataclasses.replace(answer(score), detections=seen, score=score)
    at_once = without(whole, lambda box: kinds[box] > 0)
    one_by_one = without(without(whole, lambda box: kinds[box] == 1), lambda box: kinds[box] == 2)
    assert at_once.score <= score and one_by_one.score <= score
    assert [one.box for one in at_once.detections] == [one.box for one in one_by_one.detections]
    before = {one.box: one.confidence for one in seen}
    assert all(one.confidence <= before[one.box] for one in at_once.detections)


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
