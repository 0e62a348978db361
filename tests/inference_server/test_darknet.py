"""The stand-in for the peer: as much work as the original, and an answer for a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("flask")

from inference_server.bench import convolutions, picture  # noqa: E402 - after the check that onnx is there
from inference_server.benchmarks.darknet import application, write_network  # noqa: E402


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("darknet") / "darknet416.onnx")


def test_the_network_has_the_originals_size(network: Path) -> None:
    """29.3 GFLOP and 50.6 million weights, in 23 convolutions, the last of which comes out."""
    model = onnx.load(str(network))
    weights = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    assert weights / 1e6 == pytest.approx(50.6, abs=0.1)
    found = convolutions(model)
    assert sum(found.values()) == 23
    assert sum(conv.flop * count for conv, count in found.items()) / 1e9 == pytest.approx(29.3, abs=0.3)


def test_a_picture_gets_an_answer(network: Path) -> None:
    """JSON with boxes, as the original's clients read it."""
    answer = application(network).test_client().post("/p/", data=picture())
    assert answer.status_code == 200
    for confidence, left, top, width, height in answer.get_json()["detections"]:
        assert 0 <= confidence <= 1
        assert np.isfinite([left, top, width, height]).all()
