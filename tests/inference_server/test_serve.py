"""Which way to serve is chosen for a machine, and a GPU that was asked for is used or the answer is no."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from inference_server import serve
from inference_server.engine import EngineFailed
from inference_server.gpu import visible_gpus
from inference_server.model_files import default_model, int8_of
from inference_server.precision import Chosen, NoChoice
from inference_server.repository import RepositoryError
from inference_server.serve import EXIT_NO_GPU, EXIT_NO_TRITON, EXIT_WRONG_USE, Choice, GpuNotUsed, choose, detector_file
from inference_server.triton_binary import TritonBinary, TritonMissing

L4 = ("NVIDIA L4",)


def triton(folder: Path, *backends: str) -> TritonBinary:
    for name in ("python", *backends):
        (folder / name).mkdir()
    return TritonBinary(folder / "tritonserver", folder, {}, "2.60.0", "a test's Triton")


@pytest.fixture
def wheel(tmp_path: Path) -> TritonBinary:
    """Return a Triton as the wheel has it."""
    (tmp_path / "wheel").mkdir()
    return triton(tmp_path / "wheel")


@pytest.fixture
def container(tmp_path: Path) -> TritonBinary:
    """Return a Triton as NVIDIA's container has it."""
    (tmp_path / "container").mkdir()
    return triton(tmp_path / "container", "tensorrt", "onnxruntime")


def test_a_gpu_with_tensorrt_is_used_by_itself(container: TritonBinary) -> None:
    """Nobody has to ask."""
    assert choose("auto", False, L4, container) == Choice("tensorrt", "NVIDIA L4 and TensorRT are there")


def test_without_a_gpu_the_cpu_serves(wheel: TritonBinary, container: TritonBinary) -> None:
    """Both Tritons can, and the reason is told."""
    for binary in (wheel, container):
        assert choose("auto", False, (), binary) == Choice("cpu", "no GPU is visible")


def test_an_idle_gpu_is_mentioned(wheel: TritonBinary) -> None:
    """A Triton without TensorRT leaves the GPU alone, and says what would use it."""
    chosen = choose("auto", False, L4, wheel)
    assert chosen.profile == "cpu"
    assert "NVIDIA L4 is there" in chosen.why
    assert "Dockerfile.triton" in chosen.why


@pytest.mark.parametrize(("asked", "require"), [("auto", True), ("tensorrt", False), ("tensorrt", True), ("onnx", True)])
def test_a_gpu_that_is_not_there_is_refused(container: TritonBinary, asked: str, require: bool) -> None:
    """Asked for by flag or by profile: there is no silent fall-back to the CPU."""
    with pytest.raises(GpuNotUsed, match="nvidia-smi shows none"):
        choose(asked, require, (), container)  # type: ignore[arg-type]


@pytest.mark.parametrize(("asked", "require"), [("auto", True), ("tensorrt", False), ("onnx", True)])
def test_a_triton_that_cannot_use_the_gpu_is_refused(wheel: TritonBinary, asked: str, require: bool) -> None:
    """The wheel has no backend for GPUs; the message names what has."""
    with pytest.raises(GpuNotUsed, match=r"no backend for it: use Dockerfile\.triton"):
        choose(asked, require, L4, wheel)  # type: ignore[arg-type]


def test_cpu_and_gpu_at_once_is_a_contradiction(container: TritonBinary) -> None:
    """One of the two has to go."""
    with pytest.raises(GpuNotUsed, match="leave one of the two out"):
        choose("cpu", True, L4, container)


def test_a_profile_without_its_backend_is_refused(wheel: TritonBinary) -> None:
    """Better one sentence now than Triton's log later."""
    with pytest.raises(RepositoryError, match="no onnxruntime backend"):
        choose("onnx", False, (), wheel)


def test_the_shipped_detector_is_served_by_default(wheel: TritonBinary, container: TritonBinary, tmp_path: Path) -> None:
    """Another file is served when it is named; an engine is what TensorRT gets."""
    given, plan = tmp_path / "mine.onnx", tmp_path / "mine.plan"
    given.touch()
    assert detector_file(None, "fp32", "cpu", (), wheel, tmp_path) == Chosen(default_model(), "fp32", "asked for")
    assert detector_file(None, "auto", "onnx", L4, container, tmp_path) == Chosen(default_model(), "fp32", "profile onnx")
    assert detector_file(given, "auto", "cpu", (), wheel, tmp_path) == Chosen(given, "as it is", "mine.onnx was named")
    assert detector_file(plan, "auto", "tensorrt", L4, wheel, tmp_path).path == plan


@pytest.mark.parametrize(
    ("instructions", "file", "why"),
    [
        ("avx512_vnni", int8_of(default_model()), "this processor has avx512_vnni"),
        (None, default_model(), "this processor has no VNNI"),
    ],
)
def test_int8_is_served_where_the_processor_gains_by_it(
    wheel: TritonBinary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instructions: str | None, file: Path, why: str
) -> None:
    """Nobody has to ask, and the reason is told."""
    monkeypatch.setattr(serve, "byte_instructions", lambda: instructions)
    chosen = detector_file(None, "auto", "cpu", (), wheel, tmp_path)
    assert (chosen.path, chosen.why) == (file, why)


def test_a_precision_is_chosen_of_the_shipped_detector_on_the_cpu_alone(wheel: TritonBinary, tmp_path: Path) -> None:
    """With a file that was named, or on a GPU, the answer is what to leave out."""
    with pytest.raises(NoChoice, match="leave it out together with --model"):
        detector_file(default_model(), "int8", "cpu", (), wheel, tmp_path)
    with pytest.raises(NoChoice, match="leave it out with the profile tensorrt"):
        detector_file(None, "int8", "tensorrt", L4, wheel, tmp_path)


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'NVIDIA L4'; echo 'NVIDIA L4'", ("NVIDIA L4", "NVIDIA L4")),
        ("echo 'NVIDIA-SMI has failed because it could not communicate with the driver'; exit 9", ()),
        ("true", ()),
    ],
)
def test_gpus_are_what_the_driver_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, gpus: tuple[str, ...]
) -> None:
    """A driver that fails shows no GPU, whatever it prints."""
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == gpus


def test_no_driver_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nvidia-smi there is nothing to ask."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == ()


def test_a_system_without_triton_gets_a_sentence_and_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts can tell it from other failures."""

    def missing() -> TritonBinary:
        raise TritonMissing("There is no Triton wheel for this system (Darwin arm64).")

    monkeypatch.setattr(serve, "find_triton", missing)
    done = CliRunner().invoke(serve.command, [])
    assert done.exit_code == EXIT_NO_TRITON
    assert done.output == "Error: There is no Triton wheel for this system (Darwin arm64).\n"


def test_a_gpu_that_is_not_used_ends_with_a_status(
    monkeypatch: pytest.MonkeyPatch, container: TritonBinary, tmp_path: Path
) -> None:
    """Nothing is started, and scripts can tell it from other failures."""
    monkeypatch.setattr(serve, "find_triton", lambda: container)
    monkeypatch.setattr(serve, "visible_gpus", tuple)
    done = CliRunner().invoke(serve.command, ["--require-gpu", "--work", str(tmp_path / "work")])
    assert done.exit_code == EXIT_NO_GPU
    assert done.output.startswith("Error: A GPU was asked for, but nvidia-smi shows none")
    assert not (tmp_path / "work").exists()


def test_a_host_of_somebody_else_is_a_sentence(tmp_path: Path) -> None:
    """Listening on an address of another machine is wrong use; nothing is made and nothing is started."""
    done = CliRunner().invoke(serve.command, ["--host", "203.0.113.5", "--work", str(tmp_path / "work")])
    assert done.exit_code == EXIT_WRONG_USE
    assert done.output.startswith("Error: 203.0.113.5 is not an address of this machine")
    assert not (tmp_path / "work").exists()


def test_a_readable_key_is_refused(tmp_path: Path) -> None:
    """A key that every user of the machine can read locks nothing."""
    (tmp_path / "key").write_text("0123456789abcdefgh\n")
    (tmp_path / "key").chmod(0o644)
    done = CliRunner().invoke(serve.command, ["--key-file", str(tmp_path / "key")])
    assert done.exit_code == EXIT_WRONG_USE
    assert "chmod 600" in done.output
    assert "0123456789" not in done.output


def test_an_engine_for_two_kinds_of_gpu_is_refused(container: TritonBinary, tmp_path: Path) -> None:
    """An engine runs on the kind it was built on; the message says how to choose one."""
    with pytest.raises(EngineFailed, match="here are NVIDIA L4, Tesla T4: start the container with --gpus device=0"):
        detector_file(None, "auto", "tensorrt", ("NVIDIA L4", "Tesla T4"), container, tmp_path)
