"""Our model repository in the real Triton, asked by a client that is not ours."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tritonclient.grpc as grpcclient

from inference_server.contract import DETECTOR, ENSEMBLE
from inference_server.model_files import default_model
from inference_server.onnx_detector import OnnxDetector
from inference_server.pixels import Fractions, prepare
from inference_server.precision import Chosen, byte_instructions, for_cpu
from inference_server.repository import SOURCE, assemble
from inference_server.serve import Choice, GpuNotUsed, serve_until_stopped
from inference_server.triton import TritonBinary, TritonFailed, TritonMissing, TritonServer, find_triton

OUTPUTS = {
    "boxes": ("FP32", [-1, 20, 4]),
    "confidences": ("FP32", [-1, 20]),
    "classes": ("INT32", [-1, 20]),
    "frame_score": ("FP32", [-1, 1]),
    "scene": ("FP32", [-1, 3]),
    "thumbnail": ("UINT8", [-1, 24, 32]),
    "heatmap": ("UINT8", [-1, 40, 40]),  # of base, which looks at 640 pixels
}
READY_S = 90.0
INVALID = "StatusCode.INVALID_ARGUMENT"


def picture(seed: int = 0, width: int = 1280, height: int = 720) -> bytes:
    """Return a JPEG of coloured clouds with a knot of lines in them."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 256, (9, 16, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    knot = rng.normal((width * 0.6, height * 0.6), height / 12, (200, 2)).astype(np.int32)
    cv2.polylines(image, [knot], isClosed=False, color=(20, 120, 240), thickness=3)
    return cv2.imencode(".jpg", image)[1].tobytes()


def ask(client: grpcclient.InferenceServerClient, jpeg: bytes, **parameters: str) -> dict[str, np.ndarray]:
    """Send one frame and return all outputs by name."""
    data = np.frombuffer(jpeg, np.uint8)[None]
    tensor = grpcclient.InferInput("JPEG", list(data.shape), "UINT8")
    tensor.set_data_from_numpy(data)
    answer = client.infer(ENSEMBLE, [tensor], parameters=parameters or None, client_timeout=60)
    return {name: answer.as_numpy(name) for name in OUTPUTS}


def refusal(client: grpcclient.InferenceServerClient, jpeg: bytes, **parameters: str) -> str:
    """Send one frame that must be refused; return status and reason."""
    with pytest.raises(grpcclient.InferenceServerException) as refused:
        ask(client, jpeg, **parameters)
    return f"{refused.value.status()}: {refused.value.message()}"


def gone(group: int) -> bool:
    """Wait, at most 30 s, until those that were killed are dead; tell whether no process of the group lives."""
    end = time.monotonic() + 30
    while living(group) and time.monotonic() < end:
        time.sleep(0.05)
    return not living(group)


def living(group: int) -> list[str]:
    """Return the names of the live processes in a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, pgrp = rest.split()[:3]
        if int(pgrp) == group and state != "Z":
            found.append(name)
    return found


@pytest.fixture(scope="module")
def binary() -> TritonBinary:
    """Return the Triton of this environment, or skip."""
    try:
        return find_triton()
    except TritonMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def server(binary: TritonBinary, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """Return a Triton that serves the shipped detector on the CPU."""
    folder = tmp_path_factory.mktemp("cpu")
    repository = assemble(folder / "repository", profile="cpu", model=default_model(), cores=2)
    with TritonServer(repository, log=folder / "triton.log", binary=binary) as running:
        running.wait_ready(READY_S)
        yield running


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[grpcclient.InferenceServerClient]:
    """Return NVIDIA's own client."""
    with grpcclient.InferenceServerClient(server.target) as connected:
        yield connected


def test_the_metadata_is_the_designs_table(client: grpcclient.InferenceServerClient) -> None:
    """Names, types and shapes of input and outputs, as a stranger's client sees them."""
    found = client.get_model_metadata(ENSEMBLE, as_json=True)

    def table(tensors: list[dict]) -> dict[str, tuple[str, list[int]]]:
        return {tensor["name"]: (tensor["datatype"], [int(side) for side in tensor["shape"]]) for tensor in tensors}

    assert table(found["inputs"]) == {"JPEG": ("UINT8", [-1, -1])}
    assert table(found["outputs"]) == OUTPUTS


def test_the_configuration_names_classes_and_model(client: grpcclient.InferenceServerClient) -> None:
    """A client can learn what the numbers in `classes` mean and which model answers."""
    parameters = client.get_model_config(ENSEMBLE, as_json=True)["config"]["parameters"]
    assert parameters["class_names"]["string_value"] == "spaghetti"
    assert parameters["model_name"]["string_value"] == default_model().stem
    assert len(parameters["model_sha256"]["string_value"]) == 64


@pytest.mark.parametrize("roi", [None, (0.5, 0.25, 1.0, 0.75), (0.31, 0.42, 0.63, 0.74)], ids=["whole", "half", "odd"])
@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1920, 1080)], ids=str)
def test_served_answers_are_those_of_the_model_in_process(
    client: grpcclient.InferenceServerClient, size: tuple[int, int], roi: Fractions | None
) -> None:
    """Triton adds and loses nothing: each output within 1e-4 (the heatmap: one step) of the detector run in this process."""
    jpeg = picture(1, *size)
    served = ask(client, jpeg, **({} if roi is None else {"roi": ",".join(map(str, roi))}))
    detector = OnnxDetector(default_model())
    prepared = prepare(jpeg, roi, size=detector.input_size)
    expected = detector.look(prepared)
    for name in ("boxes", "confidences", "classes", "frame_score"):
        assert np.abs(served[name][0] - getattr(expected, name)).max() <= 1e-4, name
    assert np.abs(served["heatmap"][0].astype(int) - expected.heatmap).max() <= 1
    assert (served["scene"][0] == prepared.scene).all()
    assert (served["thumbnail"][0] == prepared.thumbnail).all()


def test_a_region_is_answered_in_fractions_of_the_whole_picture(client: grpcclient.InferenceServerClient) -> None:
    """Every box that was found in the region lies in the region."""
    answer = ask(client, picture(), roi="0.5,0.5,1,1")
    boxes = answer["boxes"][0][answer["confidences"][0] > 0]
    assert ((boxes >= 0.5 - 1e-3) & (boxes <= 1)).all()
    assert (answer["heatmap"] != ask(client, picture())["heatmap"]).any()


@pytest.mark.parametrize(
    ("jpeg", "reason"),
    [
        (b"", "must hold one file"),
        (b"<html>not found</html>", "not a JPEG"),
        (picture()[:5000], "cut off after 5000 bytes"),
        (b"\xff\xd8\xff\xd9", "without a size"),
    ],
    ids=["empty", "html", "truncated", "hollow"],
)
def test_a_broken_picture_is_the_senders_fault(client: grpcclient.InferenceServerClient, jpeg: bytes, reason: str) -> None:
    """INVALID_ARGUMENT with the reason, so that nobody tries again with the same bytes."""
    answer = refusal(client, jpeg)
    assert answer.startswith(INVALID)
    assert reason in answer


def test_a_region_that_is_none_is_the_senders_fault(client: grpcclient.InferenceServerClient) -> None:
    """The refusal quotes what was asked."""
    assert refusal(client, picture(), roi="left").startswith(INVALID)
    assert "'left'" in refusal(client, picture(), roi="left")


def test_one_request_is_one_frame(client: grpcclient.InferenceServerClient) -> None:
    """Two frames in one request are refused; frames of several printers are batched inside."""
    tensor = grpcclient.InferInput("JPEG", [2, 100], "UINT8")
    tensor.set_data_from_numpy(np.zeros((2, 100), np.uint8))
    with pytest.raises(grpcclient.InferenceServerException, match="batch-size must be <= 1"):
        client.infer(ENSEMBLE, [tensor])


def test_a_broken_picture_fails_alone_in_its_batch(client: grpcclient.InferenceServerClient) -> None:
    """Good frames that were decoded in one batch with bad ones are answered as if they had been alone."""
    good = [picture(seed) for seed in range(4)]
    alone = [ask(client, jpeg)["frame_score"] for jpeg in good]
    large = picture(9, 4000, 3000)  # keeps the decoder busy while the others gather

    def outcome(jpeg: bytes) -> object:
        try:
            return ask(client, jpeg)["frame_score"]
        except grpcclient.InferenceServerException as refused:
            return refused.status()

    def batched() -> bool:
        statistics = client.get_inference_statistics("decode", as_json=True)["model_stats"][0]
        return any(int(batch["batch_size"]) > 1 for batch in statistics["batch_stats"])

    for _ in range(20):  # a busy machine may send them one after the other
        with ThreadPoolExecutor(13) as printers:
            first = printers.submit(outcome, large)
            outcomes = list(printers.map(outcome, [part for jpeg in good for part in (jpeg, jpeg[:-400], jpeg)]))
        assert isinstance(first.result(), np.ndarray)
        for position, expected in enumerate(alone):
            before, broken, after = outcomes[3 * position : 3 * position + 3]
            assert before == pytest.approx(expected, abs=1e-4)
            assert after == pytest.approx(expected, abs=1e-4)
            assert broken == INVALID
        if batched():
            return
    pytest.fail("no two frames were ever decoded together")


def test_nobody_reaches_what_printers_do_not_need(client: grpcclient.InferenceServerClient) -> None:
    """Shared memory, repository, trace and log settings are locked; nothing can be loaded from afar."""
    for call in (
        lambda: client.register_system_shared_memory("a", "/a", 1),
        client.get_model_repository_index,
        lambda: client.load_model("decode"),
        client.get_log_settings,
        client.get_trace_settings,
    ):
        with pytest.raises(grpcclient.InferenceServerException, match="protocol is restricted"):
            call()


def test_the_running_server_tells_version_and_target(server: TritonServer) -> None:
    """What a status line needs is asked of the server itself."""
    assert server.version.count(".") == 2
    assert server.target == f"127.0.0.1:{server.addresses.grpc_port}"
    assert {group["kind"] for group in server.model_config(DETECTOR)["instance_group"]} == {"KIND_CPU"}
    with pytest.raises(TritonFailed, match="nobody"):
        server.model_config("nobody")


def test_another_triton_on_the_same_port_is_not_ours(server: TritonServer, binary: TritonBinary, tmp_path: Path) -> None:
    """Its health is no answer to ours: the start fails and names the port."""
    repository = assemble(tmp_path / "repository", profile="cpu", model=default_model(), cores=1)
    port = server.addresses.http_port
    with (
        TritonServer(repository, log=tmp_path / "log", binary=binary, http_port=port) as second,
        pytest.raises(TritonFailed, match=f"'127.0.0.1:{port}' already in use"),
    ):
        second.wait_ready(READY_S)


def test_stopping_leaves_nothing_although_a_printer_holds_a_stream(binary: TritonBinary, tmp_path: Path) -> None:
    """Triton alone would wait for the stream for ever; afterwards no process, port or folder of it is left."""
    repository = assemble(tmp_path / "repository", profile="cpu", model=default_model(), cores=1)
    with TritonServer(repository, log=tmp_path / "log", binary=binary) as server:
        server.wait_ready(READY_S)
        group = server.pid
        assert any("triton_python_b" in name for name in living(group))
        answers: Queue[object] = Queue()
        client = grpcclient.InferenceServerClient(server.target)
        client.start_stream(lambda result, error: answers.put(error or result))
        data = np.frombuffer(picture(), np.uint8)[None]
        tensor = grpcclient.InferInput("JPEG", list(data.shape), "UINT8")
        tensor.set_data_from_numpy(data)
        client.async_stream_infer(ENSEMBLE, [tensor])
        assert answers.get(timeout=30).as_numpy("frame_score").shape == (1, 1)  # type: ignore[attr-defined]
        work = Path(server._work.name)  # type: ignore[union-attr]
    client.stop_stream(cancel_requests=True)
    client.close()
    assert gone(group)
    assert not work.exists()
    assert not server.is_ready()


def shared_memory(server: TritonServer) -> list[str]:
    """Return the regions of that server's Python stubs."""
    return [path.name for path in Path("/dev/shm").glob(f"{server._name}-*")]


@pytest.mark.parametrize("ready", [False, True], ids=["while it starts", "when it serves"])
def test_stopping_leaves_no_shared_memory(binary: TritonBinary, tmp_path: Path, ready: bool) -> None:
    """Also when it is stopped before its stubs have answered for the first time, which Triton itself forgets to clear up after."""
    repository = assemble(tmp_path / "repository", profile="cpu", model=default_model(), cores=2)
    server = TritonServer(repository, log=tmp_path / "log", binary=binary)
    server.start()
    try:
        if ready:
            server.wait_ready(READY_S)
        end = time.monotonic() + READY_S
        while not shared_memory(server) and time.monotonic() < end:
            time.sleep(0.005)
        assert shared_memory(server)
    finally:
        server.stop()
    assert shared_memory(server) == []


def stand_in(binary: TritonBinary, folder: Path, *backends: str) -> TritonBinary:
    """Return ``binary`` with backends of those names that run ONNX on the CPU instead."""
    laid = binary.lay_out_backends(folder)
    if binary.stub is None:
        laid = shutil.copytree(laid, folder / "backends")
    for name in backends:
        (laid / name).mkdir(exist_ok=True)
        shutil.copy(SOURCE / "detector" / "1" / "model.py", laid / name / "model.py")
    return dataclasses.replace(binary, backends=laid, stub=None, python_backends=("python", *backends))


def production(folder: Path, profile: str) -> Path:
    """Return a repository of a profile with the shipped model where the stand-in backend finds it."""
    model = default_model()
    if profile == "tensorrt":
        model = folder / f"{model.stem}.plan"
        model.write_bytes(b"stands for an engine")
    repository = assemble(folder / "repository", profile=profile, model=model, cores=1)  # type: ignore[arg-type]
    shutil.copy(default_model(), repository / DETECTOR / "1" / "model.onnx")
    return repository


@pytest.mark.parametrize(("profile", "backend"), [("tensorrt", "tensorrt"), ("onnx", "onnxruntime")])
def test_the_production_configuration_loads_and_serves(binary: TritonBinary, tmp_path: Path, profile: str, backend: str) -> None:
    """config.pbtxt and onnx.pbtxt, unchanged, with warm-up and batching, on a stand-in for the GPU's backend."""
    with (
        TritonServer(
            production(tmp_path, profile),
            log=tmp_path / "log",
            profile=profile,  # type: ignore[arg-type]
            binary=stand_in(binary, tmp_path, backend),
        ) as server,
        grpcclient.InferenceServerClient(server.target) as client,
    ):
        server.wait_ready(READY_S)
        detector = OnnxDetector(default_model())
        expected = detector.look(prepare(picture(), size=detector.input_size))
        assert float(ask(client, picture())["frame_score"][0, 0]) == pytest.approx(expected.frame_score, abs=1e-4)
        assert server.model_config(DETECTOR)["backend"] == backend


def test_a_server_that_ended_up_on_the_cpu_is_refused(binary: TritonBinary, tmp_path: Path) -> None:
    """All signs said GPU, but Triton runs the detector on the CPU: nothing goes on in secret."""
    server = TritonServer(
        production(tmp_path, "tensorrt"), log=tmp_path / "log", profile="tensorrt", binary=stand_in(binary, tmp_path, "tensorrt")
    )
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(GpuNotUsed, match="runs the detector on the CPU"):
        serve_until_stopped(
            server,
            Choice("tensorrt", "a test"),
            Chosen(default_model(), "fp16", "a test"),
            ("NVIDIA L4",),
            needs_gpu=True,
            as_json=True,
        )
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert not server.is_ready()


@pytest.fixture
def served(binary: TritonBinary, tmp_path: Path, hang_up_is_heard: None) -> Iterator[SimpleNamespace]:
    """Return `spaghetti-server serve --json` as a person starts it, with what it said when it was ready."""
    command = [
        sys.executable,
        "-m",
        "inference_server",
        "serve",
        "--port",
        "0",
        "--profile",
        "cpu",
        "--work",
        str(tmp_path),
        "--json",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    overtime = threading.Timer(READY_S, process.kill)
    overtime.start()
    try:
        assert process.stdout is not None
        yield SimpleNamespace(process=process, said=json.loads(process.stdout.readline()))
        process.wait(30)
    finally:
        overtime.cancel()
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_serve_says_what_runs_and_a_signal_ends_all_of_it(served: SimpleNamespace, number: signal.Signals) -> None:
    """One JSON document when ready; Ctrl-C, SIGTERM and a closed terminal end with status 0 and leave no process."""
    said = served.said
    assert (said["profile"], said["device"].split(" ")[0], said["model"]) == (
        "cpu",
        "CPU",
        for_cpu("auto", byte_instructions()).path.stem,
    )
    with grpcclient.InferenceServerClient(said["target"]) as client:
        assert ask(client, picture())["frame_score"].shape == (1, 1)
    served.process.send_signal(number)
    assert served.process.wait(30) == 0
    assert gone(said["pid"])


def test_serve_ends_when_triton_dies(served: SimpleNamespace) -> None:
    """A server that is gone is an exit status, for whoever restarts it."""
    os.kill(served.said["pid"], signal.SIGKILL)
    assert served.process.wait(30) == 1
    assert "Triton stopped by itself" in served.process.stderr.read()
    assert gone(served.said["pid"])


def test_a_space_in_the_path_of_the_repository_is_no_matter(tmp_path: Path) -> None:
    """Triton's Python stubs get paths unquoted; a home folder with a space in its name must serve all the same."""
    place = tmp_path / "a folder with spaces" / "models"
    assemble(place, profile="cpu", model=default_model(), cores=1)
    with TritonServer(place, log=tmp_path / "triton.log") as server:
        server.wait_ready(60.0)
        assert server.is_ready()
