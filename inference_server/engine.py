"""Build the TensorRT engine of one detector for one GPU with NVIDIA's trtexec, and keep it.

An engine fits the GPU, the TensorRT and the model it was built for and nothing else, so all three are in its name. It
appears under that name whole or not at all: a build that was killed, or another container that builds the same in the
same volume, can do no harm.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inference_server.contract import IMAGE, WINDOW
from inference_server.model_files import pixels_of

#: Where NVIDIA's images keep it when it is not on PATH.
USUAL_TRTEXEC = Path("/usr/src/tensorrt/bin/trtexec")
#: Batch sizes the engine accepts; the last is max_batch_size of detector/config.pbtxt, the middle one is what it is fastest at.
BATCHES = {"min": 1, "opt": 8, "max": 32}
#: A small network takes a minute or two; a busy or old GPU more.
BUILD_TIMEOUT_S = 1800.0
#: It prints its help at once; the first start after a boot loads some hundred MB of libraries from disk.
VERSION_TIMEOUT_S = 60.0
_LAST_LINES = 5
_DRAFT = ".building-"
#: The first line of all that trtexec prints: "&&&& RUNNING TensorRT.trtexec [TensorRT v101100] [b33] # ...".
_BANNER = re.compile(r"\[TensorRT v(\d+)\]")


class EngineFailed(RuntimeError):
    """No engine could be built; the message says why and what to do."""


def engine_path(folder: Path, model: Path, gpu: str, tensorrt: str) -> Path:
    """Return the file in ``folder`` for the engine of ``model`` on a ``gpu`` (its name) with that version of TensorRT."""
    digest = f"{pixels_of(model)}px-{hashlib.sha256(model.read_bytes()).hexdigest()[:12]}"
    place = re.sub(r"[^a-z0-9.]+", "-", f"{gpu} tensorrt {tensorrt}".lower()).strip("-")
    return folder / f"{model.stem}-{digest}-{place}.plan"


def tensorrt_version(trtexec: Path) -> str:
    """Return the version of the TensorRT that ``trtexec`` builds with ("10.11.0"); raises :class:`EngineFailed`."""
    try:
        done = subprocess.run([trtexec, "--help"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineFailed(f"{trtexec} does not run ({error}); is this NVIDIA's container, started with --gpus all?") from error
    banner = _BANNER.search(done.stdout)
    if banner is None:
        raise EngineFailed(f"{trtexec} does not say its version; its last words: {_last_lines(done.stdout + done.stderr)}")
    return _dotted(banner[1])


def build_engine(model: Path, engine: Path, trtexec: Path | None = None, seconds: float = BUILD_TIMEOUT_S) -> Path:
    """Build ``engine`` from the ONNX file ``model`` unless it is there already; blocks for minutes.

    Raises :class:`EngineFailed` when trtexec is missing, fails, or takes longer than ``seconds``.
    """
    if engine.is_file():
        return engine
    program = trtexec or find_trtexec()
    engine.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(engine.parent), tempfile.TemporaryDirectory(dir=engine.parent, prefix=_DRAFT) as folder:
        if engine.is_file():  # whoever was first has built it meanwhile
            return engine
        draft = Path(folder) / engine.name
        _run(trtexec_command(program, model, draft), seconds, draft)
        draft.replace(engine)
    return engine


def trtexec_command(trtexec: Path, model: Path, engine: Path) -> list[str]:
    """Return the command that builds ``engine`` in half precision for the batch sizes of :data:`BATCHES`."""
    side = pixels_of(model)
    shapes = [f"--{name}Shapes={IMAGE}:{batch}x3x{side}x{side},{WINDOW}:{batch}x4" for name, batch in BATCHES.items()]
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


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process builds in ``folder``, and clear away what one that was killed has left there.

    The lock belongs to the process: it ends with it, however that ends.
    """
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(f"{_DRAFT}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _run(command: list[str], seconds: float, engine: Path) -> None:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineFailed(f"trtexec was not done after {seconds:.0f} s; is the GPU busy with something else?") from None
    except OSError as error:
        raise EngineFailed(f"trtexec cannot be run ({error})") from error
    if done.returncode != 0 or not engine.is_file() or engine.stat().st_size == 0:
        model = next(part.removeprefix("--onnx=") for part in command if part.startswith("--onnx="))
        raise EngineFailed(
            f"trtexec could not build an engine from {model} (exit status {done.returncode}): {_last_lines(done.stdout)}"
        )


def _last_lines(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-_LAST_LINES:]) or "none"


def _dotted(digits: str) -> str:
    """Read "101100" as 10.11.0, and "8601" as 8.6.1 (before 10, majors had one digit and minors too)."""
    if len(digits) < 6:
        return f"{digits[0]}.{int(digits[1:-2])}.{int(digits[-2:])}"
    return f"{int(digits[:-4])}.{int(digits[-4:-2])}.{int(digits[-2:])}"
