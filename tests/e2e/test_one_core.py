"""The real Triton on a single core, with the int8 detector: its answers are the file's, and frames that come together do not wait."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.grpc as grpcclient

from inference_server.contract import ENSEMBLE
from inference_server.model_files import default_model, int8_of
from inference_server.onnx_detector import OnnxDetector
from inference_server.pixels import prepare
from inference_server.repository import assemble
from inference_server.scene import Scene
from inference_server.triton import TritonMissing, TritonServer, find_triton

pytestmark = pytest.mark.e2e

READY_S = 90.0
#: Frames at once, how often, and the time after which a batcher that nobody woke looks again.
TOGETHER, BURSTS, TIMER_S = 6, 9, 0.5
#: The same file in the same runtime; and int8 against fp32, where it rounds most.
SAME, ROUNDED = 1e-3, 0.25
SMALL = int8_of(default_model())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """Return a Triton whose processes all share one core, as on the smallest machine."""
    try:
        binary = find_triton()
    except TritonMissing as missing:
        pytest.skip(str(missing))
    if SMALL is None:
        pytest.skip("no int8 detector is shipped")
    folder = tmp_path_factory.mktemp("one-core")
    repository = assemble(folder / "repository", profile="cpu", model=SMALL, cores=1)
    started, before = TritonServer(repository, log=folder / "log", binary=binary), os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        started.start()
        os.sched_setaffinity(0, before)
        started.wait_ready(READY_S)
        yield started
    finally:
        os.sched_setaffinity(0, before)
        started.stop()


def frames() -> list[bytes]:
    """Return rendered frames of two prints, before and after they fail."""
    return [Scene(seed, frames=60, failure_at=20).jpeg(number) for seed in range(2) for number in (10, 30, 55)]


def ask(client: grpcclient.InferenceServerClient, jpeg: bytes) -> dict[str, np.ndarray]:
    """Send one frame; return its score, confidences and heatmap."""
    data = np.frombuffer(jpeg, np.uint8)[None]
    tensor = grpcclient.InferInput("JPEG", list(data.shape), "UINT8")
    tensor.set_data_from_numpy(data)
    answer = client.infer(ENSEMBLE, [tensor], client_timeout=30)
    return {name: answer.as_numpy(name)[0] for name in ("frame_score", "confidences", "heatmap")}


def seconds(client: grpcclient.InferenceServerClient, jpeg: bytes) -> float:
    started = time.monotonic()
    ask(client, jpeg)
    return time.monotonic() - started


def test_the_int8_detector_answers_the_same_when_it_is_served(server: TritonServer) -> None:
    """Served it says what its file says in this process, and near what the fp32 file says; not the same, or it would not be int8."""
    small, plain = OnnxDetector(SMALL), OnnxDetector(default_model())
    apart = []
    with grpcclient.InferenceServerClient(server.target) as client:
        for jpeg in frames():
            prepared = prepare(jpeg, size=small.input_size)
            served, here = ask(client, jpeg), small.look(prepared)
            assert served["frame_score"][0] == pytest.approx(here.frame_score, abs=SAME)
            np.testing.assert_allclose(served["confidences"], here.confidences, atol=SAME)
            assert np.abs(served["heatmap"].astype(int) - here.heatmap.astype(int)).max() <= 1
            apart.append(abs(here.frame_score - plain.look(prepared).frame_score))
    assert 0 < max(apart) < ROUNDED


def test_frames_that_come_together_do_not_wait_for_a_timer(server: TritonServer) -> None:
    """Each follows the one before; with one instance of a step Triton's batcher, not woken, looks again after half a second.

    Shortest times are compared: other work on the machine only lengthens, the timer lengthens each burst.
    """
    jpeg = frames()[0]
    clients = [grpcclient.InferenceServerClient(server.target) for _ in range(TOGETHER)]
    with ThreadPoolExecutor(TOGETHER) as printers:
        list(printers.map(seconds, clients, [jpeg] * TOGETHER))  # each has its connection
        longest = [max(printers.map(seconds, clients, [jpeg] * TOGETHER)) for _ in range(BURSTS)]
    alone = min(seconds(clients[0], jpeg) for _ in range(BURSTS))
    for client in clients:
        client.close()
    assert min(longest) < TOGETHER * alone + TIMER_S / 2, (longest, alone)
