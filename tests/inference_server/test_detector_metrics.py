"""The figures a detector is judged by are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from inference_server.detector.metrics import (
    Bin,
    auroc,
    average_precision,
    bootstrap,
    calibration_error,
    recall_above,
    reliability,
    threshold_at,
)

BOX = np.array([[0.1, 0.1, 0.5, 0.5]], np.float32)
ELSEWHERE = np.array([[0.6, 0.6, 0.9, 0.9]], np.float32)


@pytest.mark.parametrize(
    ("failed", "good", "expected"),
    [
        pytest.param([0.8, 0.9], [0.1, 0.2], 1.0, id="apart"),
        pytest.param([0.1], [0.9], 0.0, id="upside down"),
        pytest.param([0.5], [0.5], 0.5, id="ties"),
        pytest.param([0.3, 0.9], [0.5], 0.5, id="mixed"),
    ],
)
def test_auroc_is_the_chance_of_the_right_order(failed, good, expected):
    """AUROC counts pairs in the right order, ties half."""
    assert auroc(np.array(failed), np.array(good)) == expected


def test_the_threshold_lets_at_most_the_allowed_share_fire():
    """Of 200 good pictures, two may fire at one percent."""
    good = np.arange(200) / 200
    bar = threshold_at(good, 0.01)
    assert (good > bar).sum() == 2 and recall_above(np.array([0.999, 0.5]), bar) == 0.5


def test_what_has_no_pictures_is_no_number():
    """Without good pictures there is no threshold, so nothing is above it; without failed ones there is no share, and no AUROC."""
    none, some = np.zeros(0), np.array([0.2, 0.9])
    assert np.isnan(threshold_at(none, 0.01)) and np.isnan(recall_above(some, threshold_at(none, 0.01)))
    assert np.isnan(recall_above(none, 0.5)) and np.isnan(auroc(some, none)) and np.isnan(auroc(none, some))


def test_a_calibrated_score_has_no_error():
    """Half of what scores one half has failed: error 0; none of it: error one half."""
    scores = np.full(10, 0.5)
    assert calibration_error(scores, np.arange(10) < 5) == 0
    assert calibration_error(scores, np.zeros(10, bool)) == 0.5


def test_pictures_are_sorted_by_their_score():
    """A bin holds its own pictures; one that nothing fell into is left out, and a score of 1 belongs to the last."""
    bins = reliability(np.array([0.12, 0.18, 1.0]), np.array([False, True, True]))
    assert bins == [Bin(pytest.approx(0.15), 0.5, 2), Bin(1.0, 1.0, 1)]


def test_a_second_box_on_one_tangle_is_a_false_one():
    """Only the best box on a tangle counts; a double that ranks above other finds costs precision."""
    once = [(BOX, np.array([0.9]))]
    double = [(np.concatenate((BOX, BOX, ELSEWHERE)), np.array([0.9, 0.8, 0.7]))]
    assert average_precision(once, [BOX]) == 1.0
    assert average_precision(double, [np.concatenate((BOX, ELSEWHERE))]) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_boxes_on_a_good_picture_cost_precision():
    """A false box that is surer than the true one halves the precision."""
    assert average_precision([(BOX, np.array([0.5])), (BOX, np.array([0.9]))], [BOX, BOX[:0]]) == pytest.approx(0.5)


def test_frames_of_one_video_are_one_witness():
    """With one group there is nothing to draw anew: the interval is the value; with many it is wider."""
    values = np.array([0.0, 1.0] * 20)
    low, high = bootstrap(["one"] * 40, lambda index: float(values[index].mean()))
    assert low == high == 0.5
    low, high = bootstrap([str(i) for i in range(40)], lambda index: float(values[index].mean()))
    assert low < 0.5 < high


def test_a_draw_without_one_kind_does_not_count():
    """Of two groups one alone has good pictures: the draws without it are left out, and the interval is that of the others."""
    good = np.array([True, False])

    def figure(index):
        return 0.25 if good[index].any() else float("nan")

    assert bootstrap(["a", "b"], figure, rounds=50) == (0.25, 0.25)
