"""A stand-in for Obico's detection server: one worker, one picture at a time, a network of the same shape and random weights.

Obico (TheSpaghettiDetective/obico-server, ml_api at commit 49c0bc70) runs a YOLOv2-like network of 22 hidden convolutions at 416 x 416,
50.6 million weights, 29.3 GFLOP a picture, with ONNX Runtime in a Flask application with one worker. Of its code nothing is
here; of its work, decoding, scaling, network and the suppression of overlapping boxes are. That pictures come with the
request instead of by their address spares the stand-in a tenth of what the original does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import flask
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 416
ANCHORS = 5
#: Four sides, "there is something", and one class.
PER_ANCHOR = 6
CELL = 32
THRESHOLD, OVERLAP = 0.08, 0.4
#: YOLOv2 (Redmon and Farhadi, arXiv 1612.08242): (channels, kernel) of each convolution, None = halve by max pooling.
_TRUNK: tuple[tuple[int, int] | None, ...] = (
    *((32, 3), None, (64, 3), None, (128, 3), (64, 1), (128, 3), None),
    *((256, 3), (128, 1), (256, 3), None),
    *((512, 3), (256, 1), (512, 3), (256, 1), (512, 3)),
)
_TOP: tuple[tuple[int, int] | None, ...] = (
    None,
    *((1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3)),
    *((1024, 3), (1024, 3)),
)
#: Fine cells are taken from the trunk's end with so many channels, four beside each other for one coarse cell.
_PASSED_ON = 64


class _Graph:
    """Collects nodes and random weights; each method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(0)

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def conv(self, before: str, c_in: int, c_out: int, kernel: int, leaky: bool = True) -> str:
        name = f"w{len(self.nodes)}"
        # He et al., arXiv 1502.01852: the signal neither grows nor fades, so no arithmetic gets slower than with real weights.
        spread = np.float32(np.sqrt(2.0 / (c_in * kernel * kernel)))
        values = self._rng.standard_normal((c_out, c_in, kernel, kernel), np.float32) * spread
        self.weights.append(helper.make_tensor(name, TensorProto.FLOAT, values.shape, values.tobytes(), raw=True))
        after = self.add("Conv", [before, name], kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4)
        return self.add("LeakyRelu", [after], alpha=0.1) if leaky else after

    def run(self, before: str, c_in: int, layers: tuple[tuple[int, int] | None, ...]) -> tuple[str, int]:
        for layer in layers:
            if layer is None:
                before = self.add("MaxPool", [before], kernel_shape=[2, 2], strides=[2, 2])
            else:
                before, c_in = self.conv(before, c_in, *layer), layer[0]
        return before, c_in


def write_network(path: Path) -> Path:
    """Write the network as ONNX, 202 MB, and return ``path``; takes some seconds."""
    graph = _Graph()
    fine, c_fine = graph.run("image", 3, _TRUNK)
    coarse, c_coarse = graph.run(fine, c_fine, _TOP)
    passed_on = graph.add("SpaceToDepth", [graph.conv(fine, c_fine, _PASSED_ON, 1)], blocksize=2)
    joined = graph.add("Concat", [passed_on, coarse], axis=1)
    last = graph.conv(joined, 4 * _PASSED_ON + c_coarse, 1024, 3)
    cells = graph.conv(last, 1024, ANCHORS * PER_ANCHOR, 1, leaky=False)
    side = SIZE // CELL
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "darknet416",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
            [helper.make_tensor_value_info(cells, TensorProto.FLOAT, [1, ANCHORS * PER_ANCHOR, side, side])],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.save(model, str(path))
    return path


def application(model: Path) -> flask.Flask:
    """Return the web application: POST a JPEG to ``/p/``, get its detections as JSON."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    app = flask.Flask("darknet416")

    @app.post("/p/")
    def look() -> flask.Response:
        picture = cv2.imdecode(np.frombuffer(flask.request.get_data(), np.uint8), cv2.IMREAD_COLOR)
        small = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        image = np.ascontiguousarray(small[:, :, ::-1].transpose(2, 0, 1)[None], np.float32) / 255.0
        (cells,) = session.run(None, {name: image})
        return flask.jsonify(detections=list(_detections(cells[0])))

    return app


def _detections(cells: NDArray[np.float32]) -> Iterator[list[float]]:
    """Yield [confidence, left, top, width, height] (fractions) of what is above the threshold and overlaps nothing better."""
    side = cells.shape[-1]
    grid = cells.reshape(ANCHORS, PER_ANCHOR, side * side).transpose(0, 2, 1).reshape(-1, PER_ANCHOR)
    confidence = 1.0 / (1.0 + np.exp(-np.clip(grid[:, 4], -30, 30)))
    size = np.exp(np.clip(grid[:, 2:4], -4, 1)) / side
    at = np.tile(np.stack(np.divmod(np.arange(side * side), side)[::-1], 1), (ANCHORS, 1)) / side
    boxes = np.concatenate([at - size / 2, size], axis=1)
    for index in np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), confidence.tolist(), THRESHOLD, OVERLAP)).flatten()[:15]:
        yield [float(confidence[index]), *map(float, boxes[index])]


def serve(model: Path, port: int) -> None:
    """Serve on loopback with one worker, one request at a time, until the process is ended."""
    application(model).run("127.0.0.1", port, threaded=False, use_reloader=False)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
