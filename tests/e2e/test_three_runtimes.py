"""The shipped file says the same in torch, in ONNX Runtime and served by the real Triton, on rendered and on real frames.

The real frames are those of the project's picture pack: ``SPAGHETTI_DATA=FOLDER``, or ``../shared/data`` where that is there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'octoprint-spaghetti[train]'")
onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'octoprint-spaghetti[train]'")

import tritonclient.grpc as triton_client  # noqa: E402 - after the checks for what is missing

from inference_server.detector.export import ExportFailed, prove, unpacked  # noqa: E402
from inference_server.detector.model import SIZES as TRAINED  # noqa: E402
from inference_server.detector.model import Calibration, Detector, Served  # noqa: E402
from inference_server.model_files import SIZES, default_model  # noqa: E402
from inference_server.onnx_detector import OnnxDetector  # noqa: E402
from inference_server.pixels import prepare  # noqa: E402
from inference_server.repository import assemble  # noqa: E402
from inference_server.scene import Scene  # noqa: E402
from inference_server.triton import TritonServer  # noqa: E402

#: Largest difference in a probability or a fraction of the picture: fp32 sums in another order.
TOLERANCE = 1e-3
DATA = Path(os.environ.get("SPAGHETTI_DATA", Path(__file__).parents[3] / "shared" / "data"))
#: Every so many frames of a sequence are enough; the sequences lie in the pack as the cameras gave them.
EVERY = 20


def rendered() -> list[bytes]:
    """Return frames of four rendered prints, before and after they fail."""
    return [Scene(seed, frames=60, failure_at=20).jpeg(number) for seed in range(4) for number in (10, 30, 55)]


def real() -> list[bytes]:
    """Return frames of real prints."""
    frames = sorted((DATA / "sequences").glob("*/*.jpg"))[::EVERY]
    if not frames:
        pytest.skip(f"no picture pack in {DATA}; name its folder with SPAGHETTI_DATA=FOLDER")
    return [path.read_bytes() for path in frames]


@pytest.fixture(scope="module", params=SIZES)
def revived(request: pytest.FixtureRequest) -> tuple[Served, OnnxDetector]:
    """Return the network of today's code with the weights that a shipped file holds, and that file."""
    path = default_model(size=request.param)
    model = unpacked(onnx.load(str(path)))
    size = TRAINED[request.param]
    network = Detector(size.backbone, size.width).eval().fuse()
    arrays = {tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()) for tensor in model.graph.initializer}
    modules = dict(network.named_modules())
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    for node in convolutions:
        conv = modules[dotted(node.name)]
        conv.weight.data.copy_(arrays[node.input[1]])
        conv.bias.data.copy_(arrays[node.input[2]])
    for name, parameter in network.named_parameters():
        if "frame_head" in name:
            parameter.data.copy_(arrays[f"detector.{name}"])
    assert len(convolutions) == sum(isinstance(module, torch.nn.Conv2d) for module in modules.values())
    facts = {one.key: one.value for one in model.metadata_props}
    return Served(network, Calibration(**json.loads(facts["calibration"])), int(facts["input_size"])).eval(), OnnxDetector(path)


def dotted(node: str) -> str:
    """Turn ``/detector/backbone/stage2/stage2.0/x/Conv`` into the name of its module, ``backbone.stage2.0.x``."""
    parts = node.strip("/").split("/")[1:-1]
    return ".".join(part for part, following in zip(parts, [*parts[1:], ""]) if not following.startswith(part + "."))


def in_torch(served: Served, jpeg: bytes) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    prepared = prepare(jpeg, size=served.size)
    with torch.no_grad():
        boxes, confidences, _, score, heatmap = served(
            torch.from_numpy(prepared.image[None]), torch.from_numpy(prepared.window[None])
        )
    return float(score[0, 0]), confidences[0].numpy(), boxes[0].numpy(), heatmap[0].numpy()


def in_onnx_runtime(detector: OnnxDetector, jpeg: bytes) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    answer = detector.look(prepare(jpeg, size=detector.input_size))
    return answer.frame_score, answer.confidences, answer.boxes, answer.heatmap


def in_triton(client: triton_client.InferenceServerClient, jpeg: bytes) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    tensor = triton_client.InferInput("JPEG", [1, len(jpeg)], "UINT8")
    tensor.set_data_from_numpy(np.frombuffer(jpeg, np.uint8)[None])
    answer = client.infer("spaghetti", [tensor])
    score, confidences, boxes, heatmap = (answer.as_numpy(n)[0] for n in ("frame_score", "confidences", "boxes", "heatmap"))
    return float(score[0]), confidences, boxes, heatmap


def assert_same(
    one: tuple[float, np.ndarray, np.ndarray, np.ndarray], other: tuple[float, np.ndarray, np.ndarray, np.ndarray]
) -> None:
    """Compare score, confidences and heatmap, and each box that is told apart from the next by its confidence."""
    assert one[0] == pytest.approx(other[0], abs=TOLERANCE)
    np.testing.assert_allclose(one[1], other[1], atol=TOLERANCE)
    apart = np.abs(np.diff(one[1], append=0.0)) > 2 * TOLERANCE
    alone = apart & np.concatenate(([True], apart[:-1])) & (one[1] > 0)  # two of the same height may come in either order
    np.testing.assert_allclose(one[2][alone], other[2][alone], atol=TOLERANCE)
    assert np.abs(one[3].astype(int) - other[3].astype(int)).max() <= 1  # rounded to 1/255: a tie may fall to the other side


@pytest.mark.parametrize("frames", [rendered, real])
def test_torch_and_onnx_runtime_agree_on_the_shipped_weights(frames, revived: tuple[Served, OnnxDetector]) -> None:
    """Today's network with the file's weights gives the file's answers."""
    served, detector = revived
    scores = []
    for jpeg in frames():
        given = in_torch(served, jpeg)
        assert_same(given, in_onnx_runtime(detector, jpeg))
        scores.append(given[0])
    assert min(scores) < 0.3 and max(scores) > 0.7, "frames that all score alike would hide a mistake"


def test_an_export_with_another_head_would_be_noticed(revived: tuple[Served, OnnxDetector]) -> None:
    """The proof that an export passes holds for the shipped file, and fails once the head of the boxes is not the file's."""
    served, detector = revived
    prove(served, detector.path)
    served.detector.side_head.bias.data += 1.0
    try:
        with pytest.raises(ExportFailed, match="boxes differs"):
            prove(served, detector.path)
    finally:
        served.detector.side_head.bias.data -= 1.0


@pytest.fixture(scope="module", params=SIZES)
def twice(
    request: pytest.FixtureRequest, start_triton: Callable[..., TritonServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OnnxDetector, TritonServer]]:
    """Return a shipped file in this process and in a Triton that serves it."""
    path = default_model(size=request.param)
    server = start_triton(
        repository=assemble(tmp_path_factory.mktemp("served") / "repository", profile="cpu", model=path, cores=1)
    )
    yield OnnxDetector(path), server
    server.stop()


@pytest.mark.parametrize("frames", [rendered, real])
def test_onnx_runtime_and_triton_agree(frames, twice: tuple[OnnxDetector, TritonServer]) -> None:
    """What is served is what the file says in this process, from the JPEG's bytes on."""
    detector, server = twice
    with triton_client.InferenceServerClient(server.target) as client:
        for jpeg in frames():
            assert_same(in_onnx_runtime(detector, jpeg), in_triton(client, jpeg))
