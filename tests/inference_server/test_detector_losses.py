"""Each loss is near nothing for a perfect answer, and what is not known teaches nothing."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from inference_server.detector.losses import SMOOTHING, WEIGHTS, loss, peak_loss, side_loss  # noqa: E402 - only where torch is
from inference_server.detector.model import Raw  # noqa: E402

SIZE = 64
SURE = 12.0


def taught():
    """Return what two frames of 64 pixels should be answered with: one tangle in the first, none in the second; all is known."""
    peaks, mask = torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 4, 4)
    peaks[0, 0, 3, 4], mask[0, 0, 1:3, 1:3] = 1.0, 1.0
    return {
        "image": torch.zeros(2, 3, SIZE, SIZE),
        "peaks": peaks,
        "peaks_known": torch.ones_like(peaks),
        "sides": torch.full((2, 4, 8, 8), -1.0),
        "sides_weight": peaks.clone(),
        "mask": mask,
        "mask_known": torch.ones_like(mask),
        "frame": torch.tensor([[1.0], [0.0]]),
        "frame_trust": torch.ones(2, 1),
    }


def perfect(target):
    frame = torch.logit(target["frame"].clamp(SMOOTHING, 1 - SMOOTHING))
    return Raw(SURE * (2 * target["peaks"] - 1), target["sides"].clone(), SURE * (2 * target["mask"] - 1), frame)


def test_a_perfect_answer_costs_next_to_nothing():
    """What is left is the doubt that a frame's label is always taught with."""
    found = loss(perfect(taught()), taught())
    doubt = -SMOOTHING * math.log(SMOOTHING) - (1 - SMOOTHING) * math.log(1 - SMOOTHING)
    assert found.peaks < 1e-4 and found.mask < 1e-4 and found.sides.abs() < 1e-5
    assert float(found.frame) == pytest.approx(doubt, abs=1e-5)


@pytest.mark.parametrize(
    ("head", "known"), [("peaks", "peaks_known"), ("sides", "sides_weight"), ("mask", "mask_known"), ("frame", "frame_trust")]
)
def test_what_is_not_known_teaches_nothing(head, known):
    """The opposite of the right answer costs much where it is known, and as little as the right one where it is not."""
    target, answer = taught(), perfect(taught())
    wrong = answer._replace(**{head: -getattr(answer, head)})
    assert getattr(loss(wrong, target), head) > 0.4 + getattr(loss(answer, target), head)
    target[known].zero_()
    unknown = loss(wrong, target)
    assert getattr(unknown, head) == 0 and torch.isfinite(unknown.total)


def test_one_unknown_cell_leaves_the_others_as_they_are():
    """A wrong peak and a wrong mask in cells that nobody vouches for change no loss; the mean is over the known ones."""
    target, answer = taught(), perfect(taught())
    for head in ("peaks", "mask"):
        getattr(answer, head)[1, 0, 0, 0] = SURE
        target[f"{head}_known"][1, 0, 0, 0] = 0.0
    found = loss(answer, target)
    assert found.peaks < 1e-4 and found.mask < 1e-4


def test_the_total_is_the_weighted_sum():
    """Each head counts as much as its weight says."""
    wrong = Raw(*(-2.0 * one for one in perfect(taught())))
    found = loss(wrong, taught())
    assert float(found.total) == pytest.approx(sum(float(getattr(found, name)) * weight for name, weight in WEIGHTS.items()))


@pytest.mark.parametrize(
    ("hill", "expected"),
    [
        pytest.param(1.0, 0.25 * math.log(2), id="a centre"),
        pytest.param(0.0, 0.25 * math.log(2), id="far from any"),
        pytest.param(0.5, 0.25 * 0.5**4 * math.log(2), id="beside one"),
    ],
)
def test_a_cell_of_one_half_costs_what_the_paper_says(hill, expected):
    """A quarter of ln 2, and beside a centre the less the nearer it is."""
    one = torch.ones(1, 1, 1, 1)
    assert float(peak_loss(0 * one, hill * one, one)) == pytest.approx(expected)


def test_peaks_are_counted_for_each_tangle():
    """Twice the tangles, each half seen, cost as much as one."""
    one, two = torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 2)
    assert float(peak_loss(0 * one, one, one)) == pytest.approx(float(peak_loss(0 * two, two, two)))


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        pytest.param((0.5, 0.5, 0.5, 0.5), 1 - 1 / 4, id="a quarter of the area, inside"),
        pytest.param((2.0, 2.0, 2.0, 2.0), 1 - 1 / 4, id="four times the area, around"),
        pytest.param(
            (0.5, 2.0, 0.5, 2.0), 1 - 1 / 3 + 1 / 4, id="half as wide and twice as high: a quarter of the hull is neither's"
        ),
    ],
)
def test_a_box_costs_what_the_paper_says(reach, expected):
    """1 less the overlap over the union, and the part of the hull that neither fills; ``reach`` is a share of each wanted side."""
    wanted, weight = torch.zeros(1, 4, 1, 1), torch.ones(1, 1, 1, 1)
    sides = torch.tensor(reach).log().view(1, 4, 1, 1)
    assert float(side_loss(sides, wanted, weight, SIZE)) == pytest.approx(expected, abs=1e-5)
