"""A pseudo-label is kept only where a network is sure, and agrees with the family of the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from inference_server.contract import TOP_K  # noqa: E402 - only where both are
from inference_server.detector.labels import Row  # noqa: E402
from inference_server.detector.pseudo import DOUBT, label, looks  # noqa: E402
from inference_server.onnx_detector import Answer  # noqa: E402
from inference_server.pixels import prepare  # noqa: E402

FAILED, GOOD = "wfpfopt:2x3uijycszia", "wfpfopt:youtube_0007"
BOXES = np.array([[0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9], [0.6, 0.1, 0.9, 0.3]], np.float32)


class Scripted:
    """A stand-in detector that gives its scores in turns, and boxes in the first look alone."""

    input_size = 32

    def __init__(self, scores, confidences):
        self.scores, self.confidences, self.seen = list(scores), confidences, []

    def look(self, prepared):
        boxes, sure = np.zeros((TOP_K, 4), np.float32), np.zeros(TOP_K, np.float32)
        if not self.seen:
            boxes[: len(BOXES)], sure[: len(BOXES)] = BOXES, self.confidences
        self.seen.append(prepared.image)
        return Answer(boxes, sure, np.zeros(TOP_K, np.int32), self.scores[len(self.seen) - 1], np.zeros((2, 2), np.uint8))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "one.jpg"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8))
    return path


def row(path, group: str) -> Row:
    return Row("one", path, "wfpfopt", "unknown", None, group, "c1", "unlabelled")


def test_a_picture_is_looked_at_in_its_eight_orientations(picture):
    """The upright one comes first, for the boxes are its; each of the others is the same pixels elsewhere."""
    upright = prepare(picture.read_bytes(), size=32)
    views = [view.image for view in looks(upright)]
    assert np.array_equal(views[0], upright.image) and len({view.tobytes() for view in views}) == 8
    assert all(np.array_equal(np.sort(view, axis=None), np.sort(upright.image, axis=None)) for view in views)
    assert all(view.shape == upright.image.shape and view.flags.c_contiguous for view in views)


@pytest.mark.parametrize(
    ("group", "scores", "confidences", "frame", "boxes"),
    [
        pytest.param(FAILED, [0.7] * 8, [0.9, 0.8, 0.5], 1 - DOUBT, [0, 1], id="failed as its family: the boxes beside the best"),
        pytest.param(FAILED, [0.7] * 8, [0.4, 0.3, 0.3], 1 - DOUBT, [0], id="a box must be sure by itself, too"),
        pytest.param(FAILED, [0.7] * 8, [0.3, 0.3, 0.3], None, None, id="failed, but nobody knows where"),
        pytest.param(FAILED, [0.1] * 8, [0.0, 0.0, 0.0], None, None, id="good, against its family"),
        pytest.param(FAILED, [0.95] + [0.5] * 7, [0.9, 0.8, 0.5], None, None, id="only the mean of the looks counts"),
        pytest.param(GOOD, [0.3] * 8, [0.9, 0.8, 0.5], DOUBT, [], id="good as its family: no box is kept"),
        pytest.param(GOOD, [0.9] * 8, [0.9, 0.8, 0.5], None, None, id="failed, against its family"),
        pytest.param("wfpfopt:frame_12", [0.3] * 8, [0.0, 0.0, 0.0], DOUBT, [], id="the other good family"),
    ],
)
def test_network_and_family_must_agree(picture, group, scores, confidences, frame, boxes):
    """What one of them doubts is left out."""
    detector = Scripted(scores, confidences)
    found = label(detector, row(picture, group))
    assert len(detector.seen) == 8
    if frame is None:
        assert found is None
    else:
        assert found == {"id": "one", "frame": frame, "boxes": BOXES[boxes].round(4).tolist()}
