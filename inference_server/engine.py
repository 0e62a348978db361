"""Build the TensorRT engine of one detector for one GPU with NVIDIA's trtexec, and keep it.

An engine fits the GPU, the TensorRT and the model it was built for and nothing else, so all three are in its name.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from inference_server.contract import IMAGE, INPUT_SIZE, WINDOW

#: Where NVIDIA's images keep it when it is not on PATH.
USUAL_TRTEXEC = Path("/usr/src/tensorrt/bin/trtexec")
#: Batch sizes the engine accepts; the last is max_batch_size of detector/config.pbtxt, the middle one is what it is fastest at.
BATCHES = {"min": 1, "opt": 8, "max": 32}
#: A small network takes a minute or two; a busy or old GPU more.
BUILD_TIMEOUT_S = 1800.0
_LAST_LINES = 5


class EngineFailed(RuntimeError):
    """No engine could be built; the message says why and what to do."""


def engine_path(folder: Path, model: Path, gpu: str, triton: str) -> Path:
    """Return the file in ``folder`` for the engine of ``model`` on a ``gpu`` (its name); Triton's version fixes TensorRT's."""
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:12]
    place = re.sub(r"[^a-z0-9.]+", "-", f"{gpu} triton {triton}".lower()).strip("-")
    return folder / f"{model.stem}-{digest}-{place}.plan"


def build_engine(model: Path, engine: Path, trtexec: Path | None = None, seconds: float = BUILD_TIMEOUT_S) -> Path:
    """Build ``engine`` from the ONNX file ``model`` unless it is there already; blocks for minutes.

    Raises :class:`EngineFailed` when trtexec is missing, fails, or takes longer than ``seconds``.
    """
    if engine.is_file():
        return engine
    program = trtexec or find_trtexec()
    engine.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=engine.parent) as folder:
        draft = Path(folder) / engine.name
        try:
            done = subprocess.run(
                trtexec_command(program, model, draft),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EngineFailed(f"trtexec was not done after {seconds:.0f} s; is the GPU busy with something else?") from None
        if done.returncode != 0 or not draft.is_file() or draft.stat().st_size == 0:
            last = " / ".join(done.stdout.strip().splitlines()[-_LAST_LINES:])
            raise EngineFailed(f"trtexec could not build an engine from {model} (exit status {done.returncode}): {last}")
        draft.replace(engine)
    return engine


def trtexec_command(trtexec: Path, model: Path, engine: Path) -> list[str]:
    """Return the command that builds ``engine`` in half precision for the batch sizes of :data:`BATCHES`."""
    shapes = [f"--{name}Shapes={IMAGE}:{batch}x3x{INPUT_SIZE}x{INPUT_SIZE},{WINDOW}:{batch}x4" for name, batch in BATCHES.items()]
    return [str(trtexec), f"--onnx={model}", f"--saveEngine={engine}", "--fp16", *shapes, "--skipInference"]


def find_trtexec(usual: Path = USUAL_TRTEXEC) -> Path:
    """Return the program; raises :class:`EngineFailed` when it is not installed."""
    found = shutil.which("trtexec")
    if found is not None:
        return Path(found)
    if usual.is_file():
        return usual
    raise EngineFailed(
        "trtexec is missing, so no TensorRT engine can be built here: build one with the trtexec of NVIDIA's TensorRT container "
        "of the same release and name it with --model FILE.plan, or serve with --profile onnx."
    )
