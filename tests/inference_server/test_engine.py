"""Building a TensorRT engine, with a stand-in for trtexec: a cache, a command, and clear failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_server.engine import EngineFailed, build_engine, engine_path, find_trtexec, trtexec_command
from inference_server.repository import SOURCE


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "spaghetti-nano-416-v1.onnx"
    path.write_bytes(b"graph")
    return path


def trtexec(folder: Path, script: str) -> Path:
    program = folder / "trtexec"
    program.write_text(f'#!/bin/sh\nfor a in "$@"; do case $a in --saveEngine=*) engine=${{a#*=}};; esac; done\n{script}\n')
    program.chmod(0o755)
    return program


def test_an_engine_is_kept_per_model_gpu_and_triton(tmp_path: Path, model: Path) -> None:
    """Another GPU, Triton or model gets an engine of its own; the name says which."""
    first = engine_path(tmp_path, model, "NVIDIA L4", "2.60.0")
    assert first.name.startswith("spaghetti-nano-416-v1-")
    assert first.name.endswith("-nvidia-l4-triton-2.60.0.plan")
    model.write_bytes(b"another graph")
    others = {engine_path(tmp_path, model, gpu, triton) for gpu in ("NVIDIA L4", "Tesla T4") for triton in ("2.60.0", "2.61.0")}
    assert len({first, *others}) == 5


def test_an_engine_is_built_once(tmp_path: Path, model: Path) -> None:
    """The second call returns the same file without running trtexec."""
    engine = tmp_path / "engines" / "a.plan"
    build_engine(model, engine, trtexec(tmp_path, 'echo built >> "$engine"'))
    build_engine(model, engine, trtexec(tmp_path, "exit 1"))
    assert engine.read_text() == "built\n"
    assert [path.name for path in engine.parent.iterdir()] == ["a.plan"]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'no kernel image'; exit 1", "exit status 1.*no kernel image"),
        ("exit 0", "exit status 0"),
        (': > "$engine"', "exit status 0"),
    ],
)
def test_a_failed_build_leaves_nothing(tmp_path: Path, model: Path, script: str, says: str) -> None:
    """A status, no file or an empty file: each is a failure that shows trtexec's last words, and no engine is kept."""
    with pytest.raises(EngineFailed, match=says):
        build_engine(model, tmp_path / "engines" / "a.plan", trtexec(tmp_path, script))
    assert list((tmp_path / "engines").iterdir()) == []


def test_a_build_that_hangs_is_given_up(tmp_path: Path, model: Path) -> None:
    """The message asks whether the GPU is busy."""
    with pytest.raises(EngineFailed, match="not done after 1 s"):
        build_engine(model, tmp_path / "a.plan", trtexec(tmp_path, "exec sleep 60"), seconds=1)


def test_the_engine_takes_the_batches_that_the_configuration_promises(model: Path) -> None:
    """max_batch_size of the production configuration is the largest shape the engine is built for."""
    command = trtexec_command(Path("trtexec"), model, Path("a.plan"))
    assert "--minShapes=image:1x3x416x416,window:1x4" in command
    assert "--maxShapes=image:32x3x416x416,window:32x4" in command
    assert "max_batch_size: 32\n" in (SOURCE / "detector" / "config.pbtxt").read_text()


def test_a_missing_trtexec_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two ways out are named."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineFailed, match=r"--model FILE\.plan.*--profile onnx"):
        find_trtexec(usual=tmp_path / "nowhere")
