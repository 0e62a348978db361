"""What the evaluation draws and counts comes from the pictures that it names."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("matplotlib")

from inference_server.contract import TOP_K  # noqa: E402 - only where both are
from inference_server.detector.compare import gain  # noqa: E402
from inference_server.detector.evaluate import (  # noqa: E402
    Figure,
    Looked,
    box_ap50,
    box_figure,
    draw_reliability,
    figures,
    frame_number,
    sequence_figures,
)
from inference_server.detector.geometry import NO_BOXES  # noqa: E402
from inference_server.detector.labels import Row  # noqa: E402
from inference_server.onnx_detector import Answer  # noqa: E402


def looked(label: str, split: str, score: float, number: int, source: str = "made", group=None, boxes=NO_BOXES) -> Looked:
    row = Row(f"{label}{number}", None, source, label, boxes, group or str(number), str(number), split)
    return Looked(row, answered(score))


def answered(score: float, boxes=NO_BOXES, confidences=()) -> Answer:
    """Return an answer of the contract's shapes: ``boxes`` with their ``confidences``, then padding."""
    rows, sure = np.zeros((TOP_K, 4), np.float32), np.zeros(TOP_K, np.float32)
    rows[: len(boxes)], sure[: len(boxes)] = boxes, confidences
    return Answer(rows, sure, np.zeros(TOP_K, np.int32), score, np.zeros((26, 26), np.uint8))


def square(side: float) -> np.ndarray:
    """Return a box whose size, the square root of its area, is ``side`` of the picture."""
    return np.array([[0.05, 0.05, 0.05 + side, 0.05 + side]], np.float32)


def pictures() -> list[Looked]:
    """Return 40 failed and 60 good pictures, a tenth of each on the wrong side of one half, and some of what counts nowhere."""
    failed = [looked("spaghetti", "val", 0.2 if i % 10 == 0 else 0.9, i) for i in range(40)]
    good = [looked("normal", "eval_only" if i % 2 else "val", 0.8 if i % 10 == 0 else 0.1, 100 + i) for i in range(60)]
    return [*failed, *good, *(looked("spaghetti", "eval_only", 0.0, 200 + i) for i in range(30))]


def test_recall_and_false_alarms_are_those_of_the_scores():
    """Nine of ten failures of val fire, one of ten good pictures of either split; failures of eval_only count nowhere."""
    found = {figure.name: figure for figure in figures(pictures())}
    assert found["recall of spaghetti at 0.5"].value == pytest.approx(0.9) and found["recall of spaghetti at 0.5"].pictures == 40
    assert found["share of normal that fires at 0.5"].value == pytest.approx(0.1)
    assert found["share of normal that fires at 0.5"].pictures == 60
    one = found["AUROC, spaghetti against normal"]
    assert one.low <= one.value <= one.high and 0.9 < one.value < 1.0


def videos() -> list[Looked]:
    """Return twelve videos of eight frames each, all labels among them; the frames of a video look alike and score alike.

    Two failures in three fire: none of the small, half of the medium, all of the larger ones.
    """
    kinds = [
        ("spaghetti", square(0.1), 0.1),
        ("spaghetti", square(0.3), 0.1),
        ("spaghetti", square(0.3), 0.9),
        ("spaghetti", square(0.6), 0.9),
        ("spaghetti", square(0.7), 0.9),
        ("spaghetti", square(0.8), 0.9),
        ("fail", square(0.3), 0.1),
        ("fail", square(0.3), 0.9),
        ("normal", NO_BOXES, 0.1),
        ("normal", NO_BOXES, 0.1),
        ("stringing", NO_BOXES, 0.9),
        ("other_defect", NO_BOXES, 0.1),
    ]
    return [
        looked(label, "val", score, 8 * video + frame, group=f"v{video}", boxes=boxes)
        for video, (label, boxes, score) in enumerate(kinds)
        for frame in range(8)
    ]


def found(pictures: list[Looked]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(pictures)}


@pytest.mark.parametrize(
    ("name", "value", "pictures"),
    [
        ("recall of spaghetti at 0.5", 4 / 6, 48),
        ("recall of spaghetti at 0.5, small (< 0.2)", 0.0, 8),
        ("recall of spaghetti at 0.5, medium (0.2 to 0.5)", 0.5, 16),
        ("recall of spaghetti at 0.5, large (> 0.5)", 1.0, 24),
        ("recall of spaghetti where 1 % of normal fires", 4 / 6, 64),
        ("recall of spaghetti and fail where 1 % of normal fires", 5 / 8, 80),
        ("share of normal that fires at 0.5", 0.0, 16),
        ("share of stringing and other defects that fires at 0.5", 0.5, 16),
        ("AUROC, spaghetti against normal", (4 + 2 * 0.5) / 6, 64),
        ("AUROC, spaghetti against stringing and other defects", (4 * 0.75 + 2 * 0.25) / 6, 64),
    ],
)
def test_each_figure_counts_its_own_pictures(name, value, pictures):
    """Which labels and which sizes a figure is over shows in its value and in how many pictures it counts."""
    figure = found(videos())[name]
    assert figure.value == pytest.approx(value) and figure.pictures == pictures


def test_an_interval_is_drawn_over_videos_not_over_frames():
    """Eight frames that agree are one witness: taken for eight, the interval would be far narrower."""
    name = "recall of spaghetti at 0.5"
    whole = found(videos())[name]
    apart = found([replace(one, row=replace(one.row, group=str(number))) for number, one in enumerate(videos())])[name]
    assert whole.value == apart.value and whole.high - whole.low > 2 * (apart.high - apart.low) > 0


def test_the_error_of_the_score_is_published_with_and_without_defects():
    """Pictures that all score 0.55 are wrong by what is missing to that share of spaghetti; fail, which may be either, is in neither."""
    half = [
        looked(label, "val", 0.55, number)
        for number, label in enumerate(["spaghetti", "normal", "stringing", "other_defect", "fail"])
    ]
    half.append(looked("normal", "eval_only", 0.55, 9))
    two, all_four = (
        found(half)[f"expected calibration error, {what}"] for what in ("spaghetti and normal", "all labels but fail")
    )
    assert (two.value, two.pictures) == (pytest.approx(0.55 - 1 / 3), 3)
    assert (all_four.value, all_four.pictures) == (pytest.approx(0.55 - 1 / 5), 5)


def test_a_figure_without_its_pictures_is_left_out():
    """Failures alone have a recall and no AUROC; without tight boxes there is no figure of boxes."""
    alone = [one for one in videos() if one.row.label == "spaghetti"]
    assert "recall of spaghetti at 0.5" in found(alone) and not [name for name in found(alone) if "normal" in name]
    assert box_figure(alone) is None and math.isnan(box_ap50(alone))


def test_a_draw_without_good_pictures_does_not_end_the_evaluation():
    """One good group among seven is missing from every third draw; the interval is that of the others."""
    few = [one for one in videos() if one.row.label == "spaghetti" or one.row.group == "v8"]
    figure = found(few)["recall of spaghetti where 1 % of normal fires"]
    assert 0 <= figure.low < figure.value < figure.high <= 1


def test_boxes_are_counted_where_they_are_tight():
    """One tangle of two is found; touching boxes are one tangle, and neither other collections or splits nor weak boxes count."""
    parts = np.array([[0.1, 0.1, 0.3, 0.5], [0.3, 0.1, 0.5, 0.5]], np.float32)
    whole, elsewhere = np.array([[0.1, 0.1, 0.5, 0.5]], np.float32), np.array([[0.7, 0.7, 0.9, 0.9]], np.float32)
    both = np.concatenate((elsewhere, whole))

    def seen(answer: Answer, number: int, split: str = "val", source: str = "wfpfopt") -> Looked:
        return replace(looked("spaghetti", split, 0.9, number, source, boxes=parts), answer=answer)

    pictures = [
        seen(answered(0.9, whole, [0.9]), 1),
        seen(answered(0.9, both, [0.8, 0.04]), 2),
        seen(answered(0.9, elsewhere, [0.99]), 3, split="train"),
        seen(answered(0.9, elsewhere, [0.99]), 4, source="made"),
    ]
    figure = box_figure(pictures)
    assert figure is not None and figure.pictures == 2
    assert figure.value == box_ap50(pictures) == pytest.approx(0.5) and figure.low < 0.5 < figure.high


class ByBrightness:
    """A stand-in detector whose score is how bright the picture is."""

    input_size = 32

    def look(self, prepared) -> Answer:
        return answered(float(prepared.image.mean()) / 255)


def test_the_frame_of_the_onset_counts_as_after(tmp_path):
    """Frames before it are good; a print that never fails has no frames after, whatever it scores."""
    folder = tmp_path / "sequences"
    (folder / "one").mkdir(parents=True)
    names = [f"clip2-{number:05}.jpg" for number in range(14, 20)]
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / "one" / name), np.full((48, 64, 3), 255 if number >= 3 else 0, np.uint8))
    told = {"folder": "sequences/one", "files": names}
    sequences = [{"id": "fails", "first_failure_frame": 17, **told}, {"id": "holds", "first_failure_frame": None, **told}]
    assert sequence_figures(ByBrightness(), tmp_path) == {}
    (folder / "sequences.json").write_text(json.dumps({"sequences": sequences}))
    assert sequence_figures(ByBrightness(), tmp_path) == {
        "fails": {"before": 0.0, "after": 1.0},
        "holds": {"before": 0.5, "after": None},
    }
    assert frame_number("clip2-00017.jpg") == 17


def test_the_reliability_is_drawn_as_a_picture(tmp_path):
    """The PNG opens, and a detector that is never right gives another one."""
    draw_reliability(pictures(), tmp_path / "one.png")
    wrong = [
        looked("normal" if one.row.label == "spaghetti" else "spaghetti", "val", one.answer.frame_score, i)
        for i, one in enumerate(pictures())
    ]
    draw_reliability(wrong, tmp_path / "two.png")
    one, two = (cv2.imread(str(tmp_path / name)) for name in ("one.png", "two.png"))
    assert one.shape == two.shape and one.shape[0] > 300 and (one != two).any()


def test_a_gain_is_measured_on_the_same_pictures():
    """A detector gains nothing on itself, and one that is always right gains on one that is sometimes wrong."""
    old = pictures()
    right = [looked(one.row.label, "val", float(one.row.label == "spaghetti"), i) for i, one in enumerate(old)]
    assert gain(old, old) == (0.0, 0.0, 0.0)
    more, low, high = gain(old, right)
    assert 0 < low < more < high
