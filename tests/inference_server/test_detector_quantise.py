"""An int8 file answers nearly as the fp32 one does, and one that does not is never written."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("onnx")

from inference_server.detector.evaluate import Looked  # noqa: E402 - after the check that onnx is there
from inference_server.detector.geometry import NO_BOXES  # noqa: E402
from inference_server.detector.labels import Row  # noqa: E402
from inference_server.detector.quantise import (  # noqa: E402
    HEADS,
    MAY_LOSE,
    NotWorthIt,
    Pictures,
    Sight,
    changes_once,
    chosen,
    command,
    network,
    quantise,
    refuse_if_worse,
    sight,
)
from inference_server.model_files import MAX_BYTES, MODELS, default_model, verify  # noqa: E402
from inference_server.onnx_detector import Answer, OnnxDetector  # noqa: E402
from inference_server.pixels import prepare  # noqa: E402
from inference_server.scene import Scene  # noqa: E402

SEEN = Sight(auroc_normal=0.96, auroc_others=0.9, recall_at_1_percent=0.6, recall=0.8, quiet=0.9, box_ap50=0.6)
#: int8 rounds; a score may move by this much where it is least sure, and by far less in the mean.
FARTHEST, MEAN = 0.25, 0.06


def frame(seed: int, number: int) -> bytes:
    return Scene(seed, frames=60, failure_at=20).jpeg(number)


def row(name: str, split: str = "train", source: str = "rendered", path=None) -> Row:
    return Row(name, path, source, "normal", NO_BOXES, name, name, split)


def distances(plain: OnnxDetector, small: OnnxDetector) -> list[float]:
    frames = [prepare(frame(seed, number), size=plain.input_size) for seed in (5, 6) for number in (5, 15, 25, 35, 55)]
    return [abs(plain.look(one).frame_score - small.look(one).frame_score) for one in frames]


def test_the_int8_file_answers_nearly_as_the_fp32_one(tmp_path):
    """It is smaller, says that it is int8, and its scores differ by rounding."""
    rows = [row(str(number), path=tmp_path / f"{number}.jpg") for number in range(6)]
    for number, one in enumerate(rows):
        one.path.write_bytes(frame(number, 10 * number))
    target = tmp_path / "spaghetti-nano-416-v9-int8.onnx"
    plain = OnnxDetector(default_model())
    quantise(default_model(), target, Pictures(rows, plain.input_size))
    small = OnnxDetector(target)
    assert target.stat().st_size < 0.7 * default_model().stat().st_size
    assert small.metadata == {**plain.metadata, "name": target.stem, "precision": "int8"}
    apart = distances(plain, small)
    assert max(apart) < FARTHEST and sum(apart) / len(apart) < MEAN and max(apart) > 0


@pytest.mark.parametrize("path", sorted(MODELS.glob("*-int8.onnx")), ids=lambda path: path.name)
def test_only_what_gains_is_rounded(path):
    """Of a plain network the wide convolutions; one of inverted residuals whole, but for what sees the picture; never a head."""
    import onnx

    model = onnx.load(str(path))
    in_bytes = {name for node in model.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    nodes = network(model)
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    heads = [node for node in convolutions if any(head in node.name for head in HEADS)]
    first, *inner = [node for node in convolutions if node not in heads]
    rounded = [node for node in inner if node.input[1] in in_bytes]
    assert first.input[1] not in in_bytes and not [node for node in heads if node.input[1] in in_bytes]
    assert len(heads) == 3 and len(rounded) == (len(inner) if changes_once(nodes) else 10)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*-nano-*-int8.onnx")), ids=lambda path: path.name)
def test_fp32_layers_of_a_plain_network_read_fp32(path):
    """What is not rounded itself gets no rounded copy of a tensor that is there in fp32; so the max pooling works on floats."""
    import onnx

    nodes = onnx.load(str(path)).graph.node
    makers = {name: node for node in nodes for name in node.output}
    (pool,) = [node for node in nodes if node.op_type == "MaxPool" and "backbone" in node.name]
    assert makers[pool.input[0]].op_type == "Relu"


def test_ranges_are_taken_from_pictures_that_may_be_trained_on():
    """Neither val nor what is only for measuring nor the noisy collection sets a range, and the draw is the same each time."""
    rows = [row("a"), row("b", split="val"), row("c", split="eval_only"), row("d", source="fd1"), row("e")]
    assert {one.id for one in chosen(rows, 10)} == {"a", "e"}
    assert chosen(rows, 1) == chosen(rows, 1) and len(chosen(rows, 1)) == 1


def test_what_sees_as_much_passes():
    """Equal, better, or worse by less than it may be."""
    refuse_if_worse(SEEN, SEEN)
    refuse_if_worse(SEEN, replace(SEEN, auroc_normal=0.99))
    refuse_if_worse(SEEN, replace(SEEN, recall=SEEN.recall - 0.9 * MAY_LOSE.recall))


@pytest.mark.parametrize("name", list(Sight.__dataclass_fields__))
def test_what_sees_less_is_refused_by_name(name):
    """Each figure alone can refuse the file, and the sentence says which one fell from what to what."""
    worse = replace(SEEN, **{name: getattr(SEEN, name) - 1.1 * getattr(MAY_LOSE, name)})
    with pytest.raises(NotWorthIt, match=f"{name} falls from {getattr(SEEN, name):.3f} to"):
        refuse_if_worse(SEEN, worse)


@pytest.mark.parametrize("name", list(Sight.__dataclass_fields__))
@pytest.mark.parametrize("measured", [(SEEN, False), (False, SEEN), (False, False)], ids=["after", "before", "both"])
def test_a_figure_that_was_not_measured_proves_nothing(name, measured):
    """NaN is less than nothing and not more either; it refuses the file by name."""
    before, after = (one or replace(SEEN, **{name: math.nan}) for one in measured)
    with pytest.raises(NotWorthIt, match=f"{name} falls from"):
        refuse_if_worse(before, after)


def test_a_name_with_other_pixels_is_refused(tmp_path):
    """Before any picture is looked at: who serves the file goes by its name."""
    asked = [str(default_model(size="nano")), "--data", str(tmp_path), "--out", str(tmp_path / "spaghetti-nano-640-v9-int8.onnx")]
    refused = CliRunner().invoke(command, asked)
    assert refused.exit_code == 1 and "says 640 pixels, but it would look at 416" in refused.output


def test_the_gate_draws_no_intervals(monkeypatch):
    """It reads the value of each figure alone; where no picture has tight boxes, their figure is NaN."""
    monkeypatch.setattr("inference_server.detector.evaluate.bootstrap", None)
    nothing = np.zeros(20, np.float32)

    def looked(label: str, source: str, score: float) -> Looked:
        one = replace(row(label, "val", source), label=label)
        return Looked(
            one, Answer(np.zeros((20, 4), np.float32), nothing, nothing.astype(np.int32), score, np.zeros((26, 26), np.uint8))
        )

    seen = sight([looked("spaghetti", "made", 0.9), looked("normal", "made", 0.1), looked("stringing", "made", 0.7)])
    assert (seen.auroc_normal, seen.auroc_others, seen.recall, seen.quiet) == (1.0, 1.0, 1.0, 0.5)
    assert math.isnan(seen.box_ap50)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*-int8.onnx")), ids=lambda path: path.name)
def test_a_shipped_int8_file_is_whole_and_sees_what_its_fp32_file_sees(path):
    """Checksum, size and scores of the rendered prints are those of the file that it was made of."""
    verify(path)
    assert path.stat().st_size <= MAX_BYTES
    plain = OnnxDetector(path.with_name(path.name.replace("-int8", "")))
    apart = distances(plain, OnnxDetector(path))
    assert max(apart) < FARTHEST and sum(apart) / len(apart) < MEAN
