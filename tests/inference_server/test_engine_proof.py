"""What it takes for an engine to count as proven."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from inference_server.engine_proof import (
    MOST_HEAT,
    MOST_SCORE,
    Agreement,
    EngineUnfaithful,
    agreement,
    is_proven,
    note_of,
    note_proof,
    rendered_frames,
)
from inference_server.model_files import default_model
from inference_server.onnx_detector import Answer, OnnxDetector
from inference_server.pixels import prepare


def answer(score: float = 0.9, confidence: float = 0.8, heat: int = 100) -> Answer:
    return Answer(
        boxes=np.zeros((20, 4), np.float32),
        confidences=np.float32([confidence] + [0.0] * 19),
        classes=np.zeros(20, np.int32),
        frame_score=score,
        heatmap=np.full((26, 26), heat, np.uint8),
    )


@pytest.mark.parametrize(
    ("served", "holds"),
    [
        (answer(), True),
        (answer(score=0.9 + MOST_SCORE / 2), True),
        (answer(score=0.9 - 2 * MOST_SCORE), False),
        (answer(confidence=0.8 - 2 * MOST_SCORE), False),
        (answer(heat=100 - MOST_HEAT), True),
        (answer(heat=100 - MOST_HEAT - 1), False),
        (answer(score=math.nan), False),
        (answer(confidence=math.nan), False),
    ],
)
def test_the_worst_frame_decides(served: Answer, holds: bool) -> None:
    """One frame that differs by more than half precision explains is enough, among any number that agree."""
    found = agreement([answer(score=0.1), answer()], [answer(score=0.1), served])
    assert found.holds is holds
    assert (found.frames, found.detected) == (2, 1)


def test_an_engine_of_another_size_is_refused() -> None:
    """A heatmap of other cells comes from a network that looks at other pixels."""
    other = dataclasses.replace(answer(), heatmap=np.zeros((40, 40), np.uint8))
    with pytest.raises(EngineUnfaithful, match=r"not of this model.*\(26, 26\), \(40, 40\)"):
        agreement([answer()], [other])


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    path = tmp_path / "a.plan"
    path.write_bytes(b"engine")
    return path


GOOD = Agreement(frames=16, detected=8, frame_score=0.004, confidence=0.001, heatmap=2)


def test_a_proof_is_of_these_bytes(engine: Path) -> None:
    """A changed engine is not proven, and neither is one whose note cannot be read."""
    assert not is_proven(engine)
    note_proof(engine, GOOD)
    assert is_proven(engine)
    engine.write_bytes(b"enginf")
    assert not is_proven(engine)
    engine.write_bytes(b"engine")
    for text in ("", "[]", "{}", "null"):
        note_of(engine).write_text(text)
        assert not is_proven(engine)


def test_a_failed_proof_puts_the_engine_out_of_the_way(engine: Path) -> None:
    """The message has the figures and what was allowed; no start finds the engine again."""
    bad = dataclasses.replace(GOOD, frame_score=0.5)
    with pytest.raises(EngineUnfaithful, match=r"up to 0\.500 \(allowed: 0\.02\).*--profile onnx"):
        note_proof(engine, bad)
    assert sorted(path.name for path in engine.parent.iterdir()) == ["a.rejected"]


def test_good_and_failing_prints_are_looked_at() -> None:
    """Sixteen frames of four printers, no two alike."""
    frames = rendered_frames()
    assert len(frames) == len(set(frames)) == 16


def test_half_precision_is_well_within_what_is_allowed(tmp_path: Path) -> None:
    """The shipped detector, converted to fp16 as TensorRT computes it, stays below half of each limit on the frames of the proof."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("torch")
    from onnxruntime.transformers.float16 import convert_float_to_float16

    from inference_server.detector.export import unpacked

    half = tmp_path / "half.onnx"
    onnx.save(convert_float_to_float16(unpacked(onnx.load(str(default_model()))), keep_io_types=True), str(half))
    detectors = (OnnxDetector(default_model()), OnnxDetector(half))
    prepared = [prepare(jpeg, size=detectors[0].input_size) for jpeg in rendered_frames()]
    found = agreement(*([detector.look(picture) for picture in prepared] for detector in detectors))
    assert max(found.frame_score, found.confidence) <= MOST_SCORE / 2
    assert found.heatmap <= MOST_HEAT // 2
    assert 0 < found.detected < found.frames
