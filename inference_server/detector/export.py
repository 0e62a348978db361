"""Write the network as one ONNX file that keeps the tensor contract, and prove that it answers as torch does.

``spaghetti-server export --checkpoint RUN/best.pt --out spaghetti-nano-416-v3.onnx``
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from inference_server.contract import (
    BOXES,
    CLASS_NAMES,
    CLASSES,
    CONFIDENCES,
    FRAME_SCORE,
    HEATMAP,
    IMAGE,
    WINDOW,
)
from inference_server.detector import options
from inference_server.detector.backbones import pads_of_same
from inference_server.detector.geometry import Boxes
from inference_server.detector.metrics import Scores
from inference_server.detector.model import SIZES, Calibration, Detector, Served, count_macs
from inference_server.model_files import MAX_BYTES, misnamed, put_in_place
from inference_server.pixels import prepare
from inference_server.scene import Scene

#: TensorRT 8.6 and ONNX Runtime 1.14, the oldest that are served, read this operator set.
OPSET = 17
OUTPUTS = (BOXES, CONFIDENCES, CLASSES, FRAME_SCORE, HEATMAP)
#: Largest difference between torch and ONNX Runtime in fractions and probabilities; fp32 sums in another order differ by less.
TOLERANCE = 1e-3
#: Weights with fewer numbers stay as they are: a node for each would cost more than it saves.
LEAST_HALVED = 256
#: From so many numbers on a weight gets 8 bits: the largest of a network, which are most of its bytes.
LEAST_IN_BYTES = 250_000
#: The heatmap is rounded to 1/255, so a tie may fall to the other side.
HEATMAP_TOLERANCE = 1


class ExportFailed(RuntimeError):
    """The file that was written does not do what the network does."""


def load(checkpoint: Path) -> tuple[Detector, Calibration, dict[str, Any]]:
    """Read a checkpoint; returns the network in eval mode, its calibration and the facts kept beside it."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    detector = Detector(saved["config"]["backbone"], saved["config"]["width"])
    detector.load_state_dict(saved["weights"])
    return detector.eval(), Calibration(*saved.get("calibration", Calibration())), saved


def served_size(saved: Mapping[str, Any]) -> int:
    """Return the side in pixels at which a checkpoint's network is served; the first runs, all of nano, did not say."""
    return int(saved["config"].get("served", SIZES["nano"].pixels))


def export(detector: Detector, calibration: Calibration, facts: Mapping[str, str], path: Path, size: int) -> None:
    """Write ``detector`` (in eval mode; it is fused and rounded in place) to ``path`` with its sha256 beside it.

    A file that does not prove itself is never put there; what a kill leaves, :func:`inference_server.model_files.put_in_place` says.

    Weights lie in the file with 16 or 8 bits and are widened when it is loaded: a
    third of the bytes for a Pi's card, and the same 32-bit arithmetic.

    ``facts`` go into the file's metadata beside name, classes, size and calibration.
    Raises :class:`ExportFailed` when the name says another ``size``, when ONNX Runtime answers otherwise than torch, when there is
    no box to compare, or when the file is too large.
    """
    if wrong := misnamed(path, size):
        raise ExportFailed(wrong)
    served = Served(rounded(detector.fuse()), calibration, size).eval()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        _write_graph(served, draft)
        _describe(packed(absorbed(onnx.load(str(draft)))), draft, {**_own_facts(path, served), **facts})
        prove(served, draft)
        if draft.stat().st_size > MAX_BYTES:
            raise ExportFailed(f"{path.name} has {draft.stat().st_size:,} bytes; at most {MAX_BYTES:,} are shipped")
        put_in_place(draft, path)


def rounded(detector: Detector) -> Detector:
    """Round the weights of convolutions and linear layers in place to those that 16 bits can hold.

    The largest get 8 bits and a scale for each channel. What is exported, measured and shipped are the rounded weights.
    """
    with torch.no_grad():
        for parameter in detector.parameters():
            if parameter.ndim > 1 and parameter.numel() >= LEAST_IN_BYTES:
                scale = parameter.flatten(1).abs().amax(1).clamp(min=1e-8).div(127).view(-1, *[1] * (parameter.ndim - 1))
                parameter.copy_((parameter / scale).round() * scale)
            elif parameter.ndim > 1:
                parameter.copy_(parameter.half().float())
    return detector


def absorbed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let each convolution do the padding in front of it, in place, and drop what computed that padding; returns ``model``.

    torch writes constant paddings as a dozen nodes each, through which shapes cannot be inferred.
    """
    graph = model.graph
    pads = {node.output[0]: node for node in graph.node if node.op_type == "Pad"}
    for node in graph.node:
        if node.op_type == "Conv" and (pad := pads.get(node.input[0])) is not None:
            attributes = {attribute.name: attribute for attribute in node.attribute}
            before, after = pads_of_same(attributes["kernel_shape"].ints[0])
            attributes["pads"].ints[:] = [before, before, after, after]
            node.input[0] = pad.input[0]
    used = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):
        if used.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            used.update(node.input)
    return model


def packed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store each large float32 weight in as few bits as :func:`rounded` left it, and widen it in the graph; in place, and returned.

    ONNX Runtime and TensorRT fold the Cast of 16 bits when they load the file; a DequantizeLinear costs a pass over its weight.
    """
    graph = model.graph
    for tensor in list(graph.initializer):
        values, name = onnx.numpy_helper.to_array(tensor), tensor.name
        if values.dtype != np.float32 or values.ndim < 2 or values.size < LEAST_HALVED:
            continue
        stored = f"{name}.packed"
        if values.size >= LEAST_IN_BYTES:
            scale = np.abs(values).reshape(len(values), -1).max(1).clip(1e-8) / np.float32(127)
            graph.initializer.append(onnx.numpy_helper.from_array(scale, f"{name}.scale"))
            whole = np.round(values / scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
            widened = onnx.helper.make_node("DequantizeLinear", [stored, f"{name}.scale"], [name], f"{name}.widened", axis=0)
        else:
            whole = values.astype(np.float16)
            widened = onnx.helper.make_node("Cast", [stored], [name], f"{name}.widened", to=onnx.TensorProto.FLOAT)
        tensor.CopyFrom(onnx.numpy_helper.from_array(whole, stored))
        graph.node.insert(0, widened)
    return model


def unpacked(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo :func:`packed`: widen each stored weight to float32 again; in place, and returned."""
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.name.endswith(".widened")]:
        values = onnx.numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        if node.op_type == "DequantizeLinear":
            scale = onnx.numpy_helper.to_array(stored[node.input[1]])
            values = values * scale.reshape(-1, *[1] * (values.ndim - 1))
            graph.initializer.remove(stored[node.input[1]])
        stored[node.input[0]].CopyFrom(onnx.numpy_helper.from_array(values, node.output[0]))
        graph.node.remove(node)
    return model


def prove(served: Served, path: Path) -> None:
    """Compare the file with the network on noise and on rendered prints that failed, each as a whole picture and as windows.

    Raises :class:`ExportFailed` when they differ, or when the network sees no box: then nothing is known of boxes and confidences.
    """
    image = torch.cat((noise(served.size), failed_prints(served.size)))  # (6, 3, S, S)
    window = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.25, 0.5, 0.5, 0.75], [0.0, 0.0, 0.5, 1.0]]).tile(2, 1)
    with torch.no_grad():
        expected = [tensor.numpy() for tensor in served(image, window)]
    if not any(_clear(confidences).any() for confidences in expected[1]):
        raise ExportFailed(
            f"this network sees no tangle in {len(image)} pictures, not even in rendered prints that failed, so that its boxes "
            "cannot be proved; train it for longer"
        )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = session.run(list(OUTPUTS), {IMAGE: image.numpy(), WINDOW: window.numpy()})
    for name, want, got in zip(OUTPUTS, expected, given, strict=True):
        limit = HEATMAP_TOLERANCE if name == HEATMAP else TOLERANCE
        if name == BOXES:  # two peaks of equal height may come in either order
            worst = max(_farthest(*pair) for pair in zip(want, expected[1], got, given[1], strict=True))
        else:
            worst = float(np.abs(want.astype(np.float64) - got.astype(np.float64)).max(initial=0.0))
        if worst > limit or want.dtype != got.dtype:
            raise ExportFailed(f"{name} differs by {worst:.2g} between torch and ONNX Runtime; at most {limit} is rounding")


def noise(size: int, seed: int = 0) -> torch.Tensor:
    """Return soft colours, uint8 (3, 3, size, size)."""
    coarse = torch.rand(3, 3, size // 16, size // 16, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear") * 255).to(torch.uint8)


def failed_prints(size: int) -> torch.Tensor:
    """Return three rendered prints that failed, uint8 (3, 3, size, size)."""
    frames = (Scene(seed, frames=60, failure_at=20).jpeg(55) for seed in range(3))
    return torch.from_numpy(np.stack([prepare(jpeg, size=size).image for jpeg in frames]))


def _clear(confidences: Scores) -> NDArray[np.bool_]:
    """Return which rows of one picture (K,) are boxes, and stronger than the last: which of equals makes it into the list is chance."""
    return confidences > confidences[-1] + TOLERANCE


def _farthest(wanted: Boxes, wanted_confidences: Scores, given: Boxes, given_confidences: Scores) -> float:
    """Return how far the box of one list that has the least like partner in the other is from it, order aside.

    Only boxes that are :func:`_clear` are looked for.
    """
    clear = _clear(wanted_confidences)
    apart = np.abs(wanted[clear][:, None] - given[None]).max(-1)
    apart = np.maximum(apart, np.abs(wanted_confidences[clear][:, None] - given_confidences[None]))
    return float(apart.min(1).max(initial=0.0))


def _write_graph(served: Served, path: Path) -> None:
    size = served.size
    sample = (torch.zeros(2, 3, size, size, dtype=torch.uint8), torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2))
    names = [IMAGE, WINDOW, *OUTPUTS]
    torch.onnx.export(
        served,
        sample,
        str(path),
        input_names=names[:2],
        output_names=names[2:],
        dynamic_axes={name: {0: "N"} for name in names},
        opset_version=OPSET,
        dynamo=False,  # the newer exporter starts at opset 18, which TensorRT 8.6 does not read in full
    )


def _describe(model: onnx.ModelProto, path: Path, facts: Mapping[str, str]) -> None:
    onnx.helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def _own_facts(path: Path, served: Served) -> dict[str, str]:
    return {
        "name": path.stem,
        "version": path.stem.rpartition("-v")[2],
        "class_names": json.dumps(CLASS_NAMES),
        "input_size": str(served.size),
        "calibration": json.dumps(served.calibration._asdict()),
        "gmac": f"{count_macs(served.detector, served.size) / 1e9:.3f}",
        "licence": "AGPL-3.0-or-later",
    }


@click.command()
@options.checkpoint
@click.option(
    "--out", type=options.NEW_FILE, required=True, help="NAME-PIXELS-vVERSION.onnx, such as spaghetti-nano-416-v3.onnx."
)
@click.option("--uncalibrated", is_flag=True, help="Also where the scores are no probabilities yet, as in a first try.")
def command(checkpoint: Path, out: Path, uncalibrated: bool) -> None:
    """Write a trained network as ONNX, with its sha256 beside it."""
    detector, calibration, saved = load(checkpoint)
    if "calibration" not in saved and not uncalibrated:
        raise click.ClickException(
            f"the scores of {checkpoint} are no probabilities yet. Run  python -m inference_server.detector.calibrate "
            f"--checkpoint {checkpoint} --data DATA  first, or export it as it is with --uncalibrated."
        )
    facts = {"data_sha256": str(saved.get("data_sha256", "")), "trained_steps": str(saved.get("step", 0))}
    size = served_size(saved)
    try:
        export(detector, calibration, facts, out, size)
    except ExportFailed as failed:
        raise click.ClickException(str(failed)) from failed
    click.echo(f"{out} ({out.stat().st_size / 1e6:.2f} MB, {count_macs(detector, size) / 1e9:.3f} GMAC)")


if __name__ == "__main__":
    command()
