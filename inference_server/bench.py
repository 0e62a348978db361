"""Measure the detector on this machine: milliseconds per picture, and how near that is to what the machine can do.

Everything is timed on one thread, in turns within one run, so that ratios hold on a machine that does other things
meanwhile. Prints a table for people and, as the last line, one JSON document for programs.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, shape_inference

from inference_server.model_files import default_model, int8_of
from inference_server.onnx_detector import OnnxDetector
from inference_server.pixels import prepare

#: A webcam picture: 720p with enough texture to weigh about 100 kB at this quality, like a real one.
PICTURE_SIZE, PICTURE_QUALITY = (1280, 720), 80
#: Calls before the clock counts: memory is laid out and caches are warm after three.
WARM_UP_CALLS = 3
#: How a row of the table begins that times everything from the bytes to the boxes; what follows is the precision.
WHOLE_FRAME = "JPEG to answer "


@dataclass(frozen=True)
class Timing:
    """Milliseconds per call on one thread: the best call, and the median."""

    best_ms: float
    median_ms: float

    @property
    def per_second(self) -> float:
        """Return calls per second and core, from the median."""
        return 1000.0 / self.median_ms


@dataclass(frozen=True)
class Conv:
    """One convolution of a network: channels, kernel, stride, groups and the rows and columns that come out."""

    c_in: int
    c_out: int
    kernel: int
    stride: int
    groups: int
    rows: int
    columns: int

    @property
    def flop(self) -> float:
        """Return floating point operations (two per multiply-accumulate)."""
        return 2.0 * self.c_out * (self.c_in // self.groups) * self.kernel**2 * self.rows * self.columns


def measure(works: dict[str, Callable[[], object]], seconds: float) -> dict[str, Timing]:
    """Call each of ``works`` in turns for ``seconds`` in all, and once at least; return their timings."""
    for work in works.values():
        for _ in range(WARM_UP_CALLS):
            work()
    spent: dict[str, list[float]] = {name: [] for name in works}
    end = time.perf_counter() + seconds
    while True:
        for name, work in works.items():
            started = time.perf_counter()
            work()
            spent[name].append((time.perf_counter() - started) * 1e3)
        if time.perf_counter() >= end:
            return {name: Timing(min(times), statistics.median(times)) for name, times in spent.items()}


def convolutions(model: onnx.ModelProto) -> Counter[Conv]:
    """Return the convolutions of a network for one picture, and how often each occurs."""
    inferred = shape_inference.infer_shapes(_for_one_picture(model)).graph
    weights = {tensor.name: tensor.dims for tensor in inferred.initializer}
    weights |= {
        node.output[0]: weights[node.input[0]]
        for node in inferred.node
        if node.op_type in ("Cast", "DequantizeLinear") and node.input[0] in weights
    }
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output)
    }
    found: Counter[Conv] = Counter()
    for node in inferred.node:
        if node.op_type == "Conv" and node.input[1] in weights and node.output[0] in shapes:
            attributes = {attribute.name: attribute for attribute in node.attribute}
            groups = attributes["group"].i if "group" in attributes else 1
            stride = attributes["strides"].ints[0] if "strides" in attributes else 1
            c_out, c_in, kernel, _ = weights[node.input[1]]
            rows, columns = shapes[node.output[0]][2:]
            found[Conv(c_in * groups, c_out, kernel, stride, groups, rows, columns)] += 1
    return found


def lone(conv: Conv) -> Callable[[], object]:
    """Return a call that runs this convolution and nothing else."""
    size = [1, conv.c_in, conv.rows * conv.stride, conv.columns * conv.stride]
    weight = np.random.default_rng(0).normal(size=(conv.c_out, conv.c_in // conv.groups, conv.kernel, conv.kernel))
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[conv.stride] * 2, pads=[conv.kernel // 2] * 4, group=conv.groups)
    graph = helper.make_graph(
        [node],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, size)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.astype(np.float32).tobytes(), raw=True)],
    )
    session = _session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString())
    feed = {"x": np.zeros(size, np.float32)}
    return lambda: session.run(None, feed)


def picture() -> bytes:
    """Return a made-up 720p JPEG: soft shapes with noise on them."""
    rng = np.random.default_rng(0)
    soft = cv2.resize(rng.integers(0, 255, (9, 16, 3), np.uint8), PICTURE_SIZE, interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(soft + rng.normal(0, 6, soft.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY])[1].tobytes()


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _for_one_picture(model: onnx.ModelProto) -> onnx.ModelProto:
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return fixed


def _whole_frame(detector: OnnxDetector, jpeg: bytes) -> Callable[[], object]:
    return lambda: detector.look(prepare(jpeg, size=detector.input_size))


def _network(detector: OnnxDetector) -> Callable[[], object]:
    prepared = prepare(picture(), size=detector.input_size)
    return lambda: detector.look(prepared)


@click.command("bench", help="Measure the detector on this machine, one thread: a table, and one JSON line at the end.")
@click.option(
    "--model", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The fp32 file; default: the shipped one."
)
@click.option(
    "--int8",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A quantised file to measure beside it; default: the one that lies beside.",
)
@click.option(
    "--seconds", default=10.0, show_default=True, type=click.FloatRange(0.5, 600.0), help="Time for all measurements together."
)
def command(model: Path | None, int8: Path | None, seconds: float) -> None:
    """Measure the detector on this machine."""
    path = model or default_model()
    int8 = int8 or int8_of(path)
    found = convolutions(onnx.load(str(path)))
    plain = {conv: count for conv, count in found.items() if conv.kernel == 3 and conv.groups == 1}
    jpeg = picture()
    detector = OnnxDetector(path)
    works: dict[str, Callable[[], object]] = {
        "network fp32": _network(detector),
        "decode": lambda: prepare(jpeg, size=detector.input_size),
    }
    works[f"{WHOLE_FRAME}fp32"] = _whole_frame(detector, jpeg)
    if int8 is not None:
        quantised = OnnxDetector(int8)
        works |= {"network int8": _network(quantised), f"{WHOLE_FRAME}int8": _whole_frame(quantised, jpeg)}
    lone_names = {conv: f"conv {number}" for number, conv in enumerate(plain)}
    timings = measure(works | {name: lone(conv) for conv, name in lone_names.items()}, seconds)
    gflop = sum(conv.flop * count for conv, count in found.items()) / 1e9
    reached = gflop / timings["network fp32"].best_ms * 1e3
    ceiling_ms = sum(timings[lone_names[conv]].best_ms * count for conv, count in plain.items())
    ceiling = sum(conv.flop * count for conv, count in plain.items()) / 1e9 / ceiling_ms * 1e3 if plain else None
    _print_table({name: timings[name] for name in works})
    click.echo(f"{gflop:.2f} GFLOP a picture at {detector.input_size} px: {reached:.0f} GFLOP/s reached", nl=ceiling is None)
    if ceiling is not None:
        click.echo(f"; its own 3x3 convolutions alone: {ceiling:.0f} GFLOP/s ({reached / ceiling:.0%})")
    document = {
        "model": path.name,
        "int8": int8.name if int8 else None,
        "processor": platform.processor() or platform.machine(),
        "onnxruntime": onnxruntime.__version__,
        "picture_bytes": len(jpeg),
        "gflop": round(gflop, 4),
        "gflop_per_s": round(reached, 1),
        "conv_gflop_per_s": None if ceiling is None else round(ceiling, 1),
        "ms": {name: {key: round(value, 3) for key, value in asdict(timings[name]).items()} for name in works},
        "pictures_per_s_and_core": {
            name.removeprefix(WHOLE_FRAME): round(timings[name].per_second, 1) for name in works if name.startswith(WHOLE_FRAME)
        },
    }
    click.echo(json.dumps(document))


def _print_table(timings: dict[str, Timing]) -> None:
    click.echo(f"{'one thread':24}{'best ms':>10}{'median ms':>12}{'per second':>12}")
    for name, timing in timings.items():
        click.echo(f"{name:24}{timing.best_ms:10.2f}{timing.median_ms:12.2f}{timing.per_second:12.0f}")
