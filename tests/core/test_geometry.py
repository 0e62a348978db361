"""Boxes: fractions, inside the picture, and how much two of them share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.geometry import Box, intersection, iou


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param((0.5, 0.0, 0.5, 1.0), id="no width"),
        pytest.param((0.6, 0.0, 0.5, 1.0), id="left of right"),
        pytest.param((0.0, 0.0, 1.1, 1.0), id="outside"),
        pytest.param((0.0, float("nan"), 1.0, 1.0), id="NaN"),
    ],
)
def test_what_is_no_rectangle_inside_the_picture_is_no_box(corners: tuple[float, float, float, float]) -> None:
    """A box that cannot be is refused where it is made, not where it is drawn."""
    with pytest.raises(ValueError, match="a box of"):
        Box(*corners)


def test_a_quarter_of_each_is_a_seventh_of_both() -> None:
    """Two equal boxes that share a quarter have an IoU of 1/7."""
    a, b = Box(0.0, 0.0, 0.4, 0.4), Box(0.2, 0.2, 0.6, 0.6)
    assert intersection(a, b) == pytest.approx(0.04)
    assert iou(a, b) == pytest.approx(1 / 7)


def test_boxes_that_touch_share_nothing() -> None:
    """Neighbours have an IoU of zero, a box with itself one."""
    a, b = Box(0.0, 0.0, 0.5, 1.0), Box(0.5, 0.0, 1.0, 1.0)
    assert iou(a, b) == 0.0
    assert iou(a, a) == pytest.approx(1.0)


FRACTION = st.integers(0, 100)


@given(FRACTION, FRACTION, FRACTION, FRACTION, FRACTION, FRACTION, FRACTION, FRACTION)
def test_iou_is_symmetric_and_a_share(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int) -> None:
    """Whatever the boxes, the IoU is the same both ways and between 0 and 1."""
    first = Box(min(a, b) / 101, min(c, d) / 101, (max(a, b) + 1) / 101, (max(c, d) + 1) / 101)
    second = Box(min(e, f) / 101, min(g, h) / 101, (max(e, f) + 1) / 101, (max(g, h) + 1) / 101)
    assert iou(first, second) == iou(second, first)
    assert 0.0 <= iou(first, second) <= 1.0 + 1e-9
