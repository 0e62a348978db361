"""Build the folder that Triton reads: the package's model repository, one profile, one model file.

The tree in ``model_repository/`` holds what never changes. What depends on the machine (how many instances) and on
the model file (its name, its hash) is appended to the copied configurations here, and the size of its pictures filled in.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from string import Template
from typing import Literal

from inference_server.contract import DECODE, DETECTOR, ENSEMBLE, HEATMAP_STRIDE
from inference_server.model_files import pixels_of, verify

#: How the detector runs: ``cpu`` = ONNX Runtime in Triton's Python backend, ``onnx`` = Triton's own ONNX Runtime backend,
#: ``tensorrt`` = an engine built for this GPU. The name is the one for Triton's ``--model-config-name``.
Profile = Literal["cpu", "onnx", "tensorrt"]

SOURCE = Path(__file__).parent / "model_repository"
VERSION = "1"
#: The name under which each profile's backend looks for its file.
MODEL_FILE: dict[Profile, str] = {"cpu": "model.onnx", "onnx": "model.onnx", "tensorrt": "model.plan"}

#: Decoding a 720p frame costs a CPU a third to a half of what the detector costs it (measured
#: with nano: 2.5 ms, and 5.7 in int8 or 9 in fp32); with base a fifth.
CORES_PER_DECODER = 4
#: Triton 2.51 does not wake its batcher when an instance becomes free, if the queue has a limit: a frame that came while all instances of a
#: step were busy then waits for the next frame, or for half a second. With one instance that is any two frames that come together (5 of 8
#: pairs waited 0.5 s, and bursts of 8 were refused after 2 s); with these none of 240 bursts of 6 or 8 had to.
FEWEST_DECODERS = FEWEST_DETECTORS = 2
#: On a single core two were not enough (3 of 120 bursts waited): there the next frame seldom arrives before the last one is done.
DETECTORS_ON_ONE_CORE = 3
#: One instance is a process of 50 to 90 MB; past this many, memory is better spent on a second machine.
MOST_INSTANCES = 16


class RepositoryError(RuntimeError):
    """No model repository can be built from what was given; the message says what to do."""


def assemble(target: Path, *, profile: Profile, model: Path, cores: int | None = None) -> Path:
    """Build a complete model repository in ``target`` and return it.

    ``model`` is an ``.onnx`` file (checked against the ``.sha256`` beside it, where there is one) or, for ``tensorrt``, a
    ``.plan`` built on this machine; ``cores`` (default: those this process may use) sets the number of instances.
    An older repository in ``target`` is replaced in one step. Raises :class:`RepositoryError` when ``target`` is something else
    or the model does not fit the profile, :class:`~inference_server.model_files.DamagedModel` when its checksum does not match,
    or when it cannot be told how large its pictures are.
    """
    _check_model(model, profile)
    _check_target(target)
    pixels = pixels_of(model)
    cores = cores or usable_cores()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        draft = Path(folder) / "new"
        shutil.copytree(SOURCE, draft, ignore=shutil.ignore_patterns("__pycache__"))
        for name in (ENSEMBLE, DECODE, DETECTOR):
            (draft / name / VERSION).mkdir(exist_ok=True)  # Triton wants it even when empty; archives drop empty folders
        shutil.copyfile(model, draft / DETECTOR / VERSION / MODEL_FILE[profile])
        for template in draft.rglob("*.pbtxt"):
            _fill_in(template, pixels)
        _append(draft / ENSEMBLE / "config.pbtxt", _parameters(model))
        _append(draft / DECODE / "config.pbtxt", _instances(decoders(cores, profile)))
        _append(draft / DETECTOR / "configs" / "cpu.pbtxt", _instances(detectors(cores)))
        for config in ("config.pbtxt", "configs/onnx.pbtxt"):
            _append(
                draft / DETECTOR / config, f"instance_group [ {{ count: {FEWEST_DETECTORS} }} ]\n"
            )  # on each GPU, if there is any
        draft.chmod(0o755)
        if target.exists():
            target.rename(Path(folder) / "old")
        draft.rename(target)
    return target


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoders(cores: int, profile: Profile) -> int:
    """Return how many decode instances a machine of that many cores gets: all cores where a GPU does the rest."""
    return min(MOST_INSTANCES, max(FEWEST_DECODERS, cores if profile == "tensorrt" else cores // CORES_PER_DECODER))


def detectors(cores: int) -> int:
    """Return how many single-threaded detector instances serve on a CPU of that many cores."""
    return min(MOST_INSTANCES, max(FEWEST_DETECTORS, cores)) if cores > 1 else DETECTORS_ON_ONE_CORE


def _check_model(model: Path, profile: Profile) -> None:
    wanted = Path(MODEL_FILE[profile]).suffix
    if not model.is_file():
        raise RepositoryError(f"there is no model file at {model}; name another one")
    if model.suffix != wanted:
        raise RepositoryError(f"the profile {profile} needs a {wanted} file, not {model.name}")
    if model.suffix == ".onnx" and model.with_suffix(".onnx.sha256").is_file():
        verify(model)


def _check_target(target: Path) -> None:
    """Never replace a folder that is not a repository of ours, such as a home directory."""
    ours = (target / ENSEMBLE / "config.pbtxt").is_file()
    empty = not target.exists() or (target.is_dir() and not any(target.iterdir()))
    if not (ours or empty):
        raise RepositoryError(f"{target} exists and is not a model repository of this package; name another folder")


def _fill_in(template: Path, pixels: int) -> None:
    """Write down how large the model's pictures are, and so its heatmap."""
    text = Template(template.read_text(encoding="utf-8"))
    template.write_text(text.substitute(pixels=pixels, cells=pixels // HEATMAP_STRIDE), encoding="utf-8")


def _append(config: Path, text: str) -> None:
    with config.open("a", encoding="utf-8") as file:
        file.write(text)


def _instances(count: int) -> str:
    return f"instance_group [ {{ kind: KIND_CPU count: {count} }} ]\n"


def _parameters(model: Path) -> str:
    facts = {"model_name": model.stem, "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest()}
    lines = (f'parameters {{ key: "{key}" value {{ string_value: "{_escaped(value)}" }} }}\n' for key, value in facts.items())
    return "".join(lines)


def _escaped(text: str) -> str:
    """Quote a file's name for protobuf's text format."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
