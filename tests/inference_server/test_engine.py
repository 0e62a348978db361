"""Building a TensorRT engine, with a stand-in for trtexec: a cache, a command, and clear failures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inference_server.engine import (
    EngineFailed,
    build_engine,
    engine_path,
    find_trtexec,
    tensorrt_version,
    trtexec_command,
)
from inference_server.model_files import default_model, pixels_of
from inference_server.repository import SOURCE


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "spaghetti-nano-416-v1.onnx"
    path.write_bytes(b"graph")
    return path


def engines_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def trtexec(folder: Path, script: str) -> Path:
    program = folder / "trtexec"
    program.write_text(f'#!/bin/sh\nfor a in "$@"; do case $a in --saveEngine=*) engine=${{a#*=}};; esac; done\n{script}\n')
    program.chmod(0o755)
    return program


def test_an_engines_name_says_how_many_pixels_it_looks_at(tmp_path: Path) -> None:
    """Also that of a model with a name of its own: an engine cannot be asked, and nobody chooses its name."""
    mine = tmp_path / "my-printer-2-v3.onnx"
    mine.write_bytes(default_model(size="nano").read_bytes())
    engine = engine_path(tmp_path, mine, "NVIDIA L4", "10.11.0")
    assert engine.name.startswith("my-printer-2-v3-416px-")
    assert pixels_of(engine) == pixels_of(mine) == 416


def test_an_engine_is_kept_per_model_gpu_and_tensorrt(tmp_path: Path, model: Path) -> None:
    """Another GPU, TensorRT or model gets an engine of its own; the name says which."""
    first = engine_path(tmp_path, model, "NVIDIA L4", "10.11.0")
    assert first.name.startswith("spaghetti-nano-416-v1-")
    assert first.name.endswith("-nvidia-l4-tensorrt-10.11.0.plan")
    model.write_bytes(b"another graph")
    others = {engine_path(tmp_path, model, gpu, trt) for gpu in ("NVIDIA L4", "Tesla T4") for trt in ("10.11.0", "10.12.0")}
    assert len({first, *others}) == 5


@pytest.mark.parametrize(
    ("banner", "version"),
    [("v8601] # trtexec", "8.6.1"), ("v100500] [b18] # trtexec", "10.5.0"), ("v101303] [b9]", "10.13.3")],
)
def test_the_version_is_what_trtexec_says_of_itself(tmp_path: Path, banner: str, version: str) -> None:
    """What builds the engine is asked, not what the container is called."""
    assert tensorrt_version(trtexec(tmp_path, f"echo '&&&& RUNNING TensorRT.trtexec [TensorRT {banner}'")) == version


def test_a_trtexec_that_does_not_run_is_told_with_what_to_do(tmp_path: Path) -> None:
    """A missing library is shown in its own words; a program that cannot be started at all is named."""
    broken = trtexec(tmp_path, "echo 'libnvinfer.so.10: cannot open shared object file' >&2; exit 127")
    with pytest.raises(EngineFailed, match=r"does not say its version.*libnvinfer\.so\.10"):
        tensorrt_version(broken)
    with pytest.raises(EngineFailed, match="does not run.*--gpus all"):
        tensorrt_version(tmp_path / "nowhere")


def test_an_engine_is_built_once(tmp_path: Path, model: Path) -> None:
    """The second call returns the same file without running trtexec."""
    engine = tmp_path / "engines" / "a.plan"
    build_engine(model, engine, trtexec(tmp_path, 'echo built >> "$engine"'))
    build_engine(model, engine, trtexec(tmp_path, "exit 1"))
    assert engine.read_text() == "built\n"
    assert engines_in(engine.parent) == ["a.plan"]


def test_two_starts_at_once_build_once(tmp_path: Path, model: Path) -> None:
    """Containers that share a volume wait for each other, and the second takes what the first has built."""
    engine = tmp_path / "engines" / "a.plan"
    program = trtexec(tmp_path, f'echo ran >> {tmp_path}/runs; sleep 0.5; echo built > "$engine"')
    with ThreadPoolExecutor(2) as starts:
        assert list(starts.map(lambda _: build_engine(model, engine, program), range(2))) == [engine, engine]
    assert (tmp_path / "runs").read_text() == "ran\n"


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path, model: Path) -> None:
    """The volume does not fill up with halves of engines."""
    left = tmp_path / "engines" / ".building-abc"
    left.mkdir(parents=True)
    (left / "a.plan").write_bytes(b"half")
    build_engine(model, tmp_path / "engines" / "a.plan", trtexec(tmp_path, 'echo built > "$engine"'))
    assert engines_in(tmp_path / "engines") == ["a.plan"]


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
    assert engines_in(tmp_path / "engines") == []


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
