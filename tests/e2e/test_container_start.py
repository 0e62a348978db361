"""What the container runs when it starts: an engine is built once, proven, served; and whatever goes wrong is said, not hidden.

The real program and the real Triton; stand-ins for nvidia-smi, trtexec and the backends that need a GPU.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from inference_server import oip
from inference_server.engine_proof import rendered_frames
from inference_server.model_files import default_model
from inference_server.onnx_detector import OnnxDetector
from inference_server.pixels import prepare
from inference_server.serve import EXIT_NO_GPU
from inference_server.triton import TritonBinary, TritonMissing, find_triton
from tests.e2e.conftest import eventually
from tests.e2e.ngc_stand_in import GpuMachine, gpu_machine
from tests.e2e.ports import free_port

pytestmark = pytest.mark.e2e

START_S = 180.0
ENGINE = "-nvidia-l4-tensorrt-10.11.0.plan"


@pytest.fixture(scope="module")
def binary() -> TritonBinary:
    """Return the Triton of this environment, or skip."""
    try:
        return find_triton()
    except TritonMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def machine(binary: TritonBinary, tmp_path: Path) -> GpuMachine:
    return gpu_machine(tmp_path / "machine", binary)


def started(machine: GpuMachine, work: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "inference_server", "serve", "--triton", str(machine.triton), "--port", "0"]
    return subprocess.Popen(
        [*command, "--work", str(work), "--json", *options],
        env=machine.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(machine: GpuMachine, work: Path, *options: str) -> tuple[int, str]:
    """Start the program, which must end by itself; return its status and what it said."""
    process = started(machine, work, *options)
    try:
        said, complaint = process.communicate(timeout=START_S)
    finally:
        process.kill()
    assert said == ""
    return process.returncode, complaint


def served(machine: GpuMachine, work: Path, *options: str) -> tuple[dict[str, object], float, str]:
    """Start the program, ask about one frame, stop it; return what it said, the frame's score and its other words."""
    process = started(machine, work, *options)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline() or "{}")
        score = ask(said["target"], FRAME) if said else float("nan")
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait(10)
    assert process.returncode == 0, complaint
    return said, score, complaint


FRAME = rendered_frames()[3]


def ask(target: str, jpeg: bytes) -> float:
    with grpc.insecure_channel(target) as channel:
        return float(oip.infer_response(channel.unary_unary(oip.INFER)(oip.infer_request(jpeg), timeout=30))["frame_score"][0, 0])


def engines(work: Path) -> list[str]:
    """Return the names of the engines that are kept, from their version on."""
    return sorted(path.name[path.name.index("-nvidia") :] for path in (work / "engines").glob("*.plan"))


def test_the_first_start_builds_and_proves_and_the_second_serves_at_once(machine: GpuMachine, tmp_path: Path) -> None:
    """One trtexec run for two starts, with the batches that are promised; the answer is the model's own."""
    work = tmp_path / "work"
    said, score, words = served(machine, work)
    detector = OnnxDetector(default_model())
    expected = detector.look(prepare(FRAME, size=detector.input_size)).frame_score
    assert score == pytest.approx(expected, abs=1e-4)
    assert expected > 0.5
    assert (said["profile"], said["why"]) == ("tensorrt", "NVIDIA L4 and TensorRT are there")
    assert engines(work) == [ENGINE]
    assert "They agree on 16 frames" in words
    again, score, words = served(machine, work)
    assert score == pytest.approx(expected, abs=1e-4)
    assert words == "Stopped.\n"
    assert len(machine.builds) == 1
    side = detector.input_size
    assert f"--maxShapes=image:32x3x{side}x{side},window:32x4" in machine.builds[0]


def other_detector(path: Path) -> Path:
    """Write a detector that is not quite the shipped one: its weights are a tenth larger or smaller, as by a faulty kernel."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(default_model()))
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.ndim == 4 and weights.dtype.kind == "f":
            faulty = (weights * rng.normal(1, 0.1, weights.shape)).astype(weights.dtype)
            tensor.CopyFrom(onnx.numpy_helper.from_array(faulty, tensor.name))
    onnx.save(model, str(path))
    return path


def test_an_engine_that_answers_otherwise_is_not_served(machine: GpuMachine, tmp_path: Path) -> None:
    """The differences are told, the engine is out of the way, and the next start tries another."""
    machine.trtexec(f'cp {other_detector(tmp_path / "other.onnx")} "$engine"')
    work = tmp_path / "work"
    status, complaint = refused(machine, work)
    assert status == 1
    assert "The TensorRT engine answers otherwise than the model it was built from: scores differ by up to 0." in complaint
    assert engines(work) == []
    assert len(list((work / "engines").glob("*.rejected"))) == 1
    machine.trtexec('cp "$onnx" "$engine"')
    assert served(machine, work)[0]["profile"] == "tensorrt"


def test_a_damaged_engine_is_noticed_and_built_again_at_the_next_start(machine: GpuMachine, tmp_path: Path) -> None:
    """A volume that lost bytes serves nothing; the engine's hash was noted when it was proven."""
    work = tmp_path / "work"
    served(machine, work)
    (engine,) = (work / "engines").glob("*.plan")
    engine.write_bytes(engine.read_bytes()[:1000])
    status, complaint = refused(machine, work)
    assert status == 1
    assert "Triton cannot serve the TensorRT engine" in complaint
    assert served(machine, work)[0]["profile"] == "tensorrt"
    assert len(machine.builds) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_an_end_in_the_middle_of_a_build_leaves_nothing_half(machine: GpuMachine, tmp_path: Path, number: signal.Signals) -> None:
    """Stopped or killed while trtexec writes: no engine appears, and the next start builds a whole one."""
    work = tmp_path / "work"
    machine.trtexec('head -c 1000 "$onnx" > "$engine"; exec sleep 30')
    process = started(machine, work)
    try:
        end = time.monotonic() + START_S
        while not machine.builds and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(number)
        _, words = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    assert ("Stopped." in words) is (number == signal.SIGTERM)
    assert engines(work) == []
    machine.trtexec('cp "$onnx" "$engine"')
    assert served(machine, work)[0]["profile"] == "tensorrt"
    assert engines(work) == [ENGINE]
    assert list((work / "engines").glob(".building-*")) == []


def test_a_build_that_fails_is_told_in_trtexecs_words(machine: GpuMachine, tmp_path: Path) -> None:
    """Status 1, its last lines, and no server."""
    machine.trtexec("echo 'Error Code 1: Cuda Runtime (out of memory)'; exit 1")
    status, complaint = refused(machine, tmp_path / "work")
    assert status == 1
    assert "exit status 1" in complaint
    assert "out of memory" in complaint


def test_a_gpu_that_was_asked_for_is_used_or_nothing_is_served(machine: GpuMachine, tmp_path: Path) -> None:
    """Driver, engine and backend were all there, and still Triton put the detector on the CPU: status 4."""
    status, complaint = refused(machine, tmp_path / "work", "--require-gpu")
    assert status == EXIT_NO_GPU
    assert "A GPU was asked for, but Triton runs the detector on the CPU" in complaint


def test_the_engine_can_be_built_before_anybody_waits_for_it(machine: GpuMachine, tmp_path: Path) -> None:
    """`build-engine` does what the first start does, says what it proved, and `serve` finds it done."""
    work = tmp_path / "work"
    command = [sys.executable, "-m", "inference_server", "build-engine", "--triton", str(machine.triton), "--work", str(work)]
    done = subprocess.run([*command, "--json"], env=machine.environment, capture_output=True, text=True, timeout=START_S)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["engine"].endswith(ENGINE)
    assert (found["frames"], found["detected"]) == (16, 8)
    assert found["frame_score"] < 1e-4
    served(machine, work)
    assert len(machine.builds) == 1


def test_the_containers_health_check_says_what_is_true(machine: GpuMachine, tmp_path: Path) -> None:
    """The very command of Dockerfile.triton: an error before and after, none while Triton is ready."""
    dockerfile = (Path(__file__).parents[2] / "Dockerfile.triton").read_text()
    command = json.loads(dockerfile[dockerfile.index("CMD [") + 4 :].splitlines()[0])
    port = str(free_port("127.0.0.1"))
    check = [sys.executable, *(part.replace("8000", port) for part in command[1:])]

    def healthy() -> bool:
        return subprocess.run(check, capture_output=True, timeout=60).returncode == 0

    assert not healthy()
    process = started(machine, tmp_path / "work", "--profile", "cpu", "--http-port", port)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        eventually(healthy, 60.0, "health")
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert not healthy()


def test_only_calls_with_the_gateways_key_are_answered(machine: GpuMachine, tmp_path: Path) -> None:
    """Without it a call is refused in words, and health can still be asked."""
    key = tmp_path / "key"
    key.write_text("q0f8Jr+YbJ0r8vM4nWmWcA==\n")
    key.chmod(0o600)
    process = started(machine, tmp_path / "work", "--profile", "cpu", "--key-file", str(key))
    try:
        assert process.stdout is not None
        target = json.loads(process.stdout.readline())["target"]
        with grpc.insecure_channel(target) as channel:
            call, request = channel.unary_unary(oip.INFER), oip.infer_request(FRAME)
            with pytest.raises(grpc.RpcError, match="protocol is restricted"):
                call(request, timeout=30)
            answer = call(request, timeout=30, metadata=(("triton-grpc-protocol-printers-key", "q0f8Jr+YbJ0r8vM4nWmWcA=="),))
            assert oip.infer_response(answer)["frame_score"].shape == (1, 1)
            assert channel.unary_unary(oip.SERVICE + "ServerReady")(b"", timeout=30) == b"\x08\x01"
    finally:
        process.terminate()
        process.communicate(timeout=60)
