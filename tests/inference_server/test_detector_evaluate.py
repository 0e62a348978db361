"""What the evaluation draws and counts comes from the pictures that it names."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("matplotlib")

from inference_server.detector.compare import gain  # noqa: E402 - only where both are
from inference_server.detector.evaluate import Looked, draw_reliability, figures  # noqa: E402
from inference_server.detector.geometry import NO_BOXES  # noqa: E402
from inference_server.detector.labels import Row  # noqa: E402
from inference_server.onnx_detector import Answer  # noqa: E402


def looked(label: str, split: str, score: float, number: int, source: str = "made") -> Looked:
    row = Row(f"{label}{number}", None, source, label, NO_BOXES, str(number), str(number), split)
    answer = Answer(
        np.zeros((20, 4), np.float32), np.zeros(20, np.float32), np.zeros(20, np.int32), score, np.zeros((26, 26), np.uint8)
    )
    return Looked(row, answer)


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
