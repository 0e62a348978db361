"""Boxes keep their meaning when a view turns, scales and cuts them."""

from __future__ import annotations

import numpy as np
import pytest

from inference_server.detector.geometry import ViewRange, area, iou, merged, moved, random_view, visible_share


def test_boxes_that_touch_are_one_tangle():
    """Boxes that overlap or lie close by are joined, also through a third one; a far one stays by itself."""
    boxes = np.array([[0.1, 0.1, 0.2, 0.2], [0.3, 0.1, 0.4, 0.2], [0.19, 0.1, 0.31, 0.2], [0.8, 0.8, 0.9, 0.9]], np.float32)
    found = merged(boxes)
    assert sorted(found.round(3).tolist()) == pytest.approx(np.array([[0.1, 0.1, 0.4, 0.2], [0.8, 0.8, 0.9, 0.9]]))


def test_no_boxes_stay_no_boxes():
    """Joining nothing gives an empty (0, 4) array."""
    assert merged(np.zeros((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        pytest.param([[2, 0, 5], [0, 3, 7]], [25, 67, 65, 157], id="scaled and shifted"),
        pytest.param([[0, -1, 100], [1, 0, 0]], [50, 10, 80, 30], id="quarter turn"),
        pytest.param([[-1, 0, 100], [0, 1, 0]], [70, 20, 90, 50], id="mirrored"),
    ],
)
def test_moved_boxes_bound_what_they_bounded(matrix, expected):
    """Turns by a quarter, mirrors and scales move a box exactly."""
    found = moved(np.array([[10, 20, 30, 50]], np.float32), np.array(matrix, float))
    assert found[0] == pytest.approx(expected, abs=1e-3)


def test_a_turned_round_tangle_keeps_its_size():
    """A square box turned by 45 degrees holds the same round tangle, so its box does not grow."""
    c = np.sqrt(0.5)
    found = moved(np.array([[-10, -10, 10, 10]], np.float32), np.array([[c, -c, 0], [c, c, 0]]))
    assert found[0] == pytest.approx([-10, -10, 10, 10], abs=1e-4)


def test_visible_share_counts_area_inside():
    """A box of which a quarter lies inside has a share of one quarter; one outside has none."""
    share = visible_share(np.array([[-10, -10, 10, 10], [200, 200, 220, 220]], np.float32), 100)
    assert share == pytest.approx([0.25, 0.0])


def test_overlap_of_equal_boxes_is_one_and_of_apart_ones_zero():
    """Intersection over union is 1 on itself and 0 without contact."""
    boxes = np.array([[0, 0, 1, 1], [2, 2, 3, 3]], np.float32)
    assert iou(boxes, boxes) == pytest.approx(np.eye(2))
    assert area(np.array([[3, 3, 2, 2]], np.float32))[0] == 0


def test_views_stay_within_their_range():
    """A thousand views keep the zoom they were allowed and put a small picture wholly or partly in sight."""
    rng = np.random.default_rng(0)
    within = ViewRange(zoom=(0.5, 2.0))
    for _ in range(1000):
        matrix = random_view(rng, 640, 480, 320, within)
        zoom = np.sqrt(abs(np.linalg.det(matrix[:, :2])) * 640 * 480) / 320
        assert 0.499 <= zoom <= 2.001
        middle = matrix @ [320, 240, 1]
        assert (middle >= -160).all() and (middle <= 480).all()
