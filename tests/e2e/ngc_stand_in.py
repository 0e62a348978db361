"""A machine with a GPU, as far as a machine without one can be: NVIDIA's folder layout, nvidia-smi and trtexec as stand-ins.

The Triton in it is the real one, with the real Python backend; only the backends that need a GPU are ONNX Runtime on the CPU.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from inference_server.repository import SOURCE
from inference_server.triton import TritonBinary

#: What trtexec does of which a test can tell: say its version, note the run, and write an "engine", which is the ONNX file.
TRTEXEC = """#!/bin/sh
echo '&&&& RUNNING TensorRT.trtexec [TensorRT v101100] [b33] # trtexec'
[ "$1" = --help ] && exit
for argument in "$@"; do
  case $argument in --onnx=*) onnx=${argument#*=} ;; --saveEngine=*) engine=${argument#*=} ;; esac
done
echo "$*" >> TO_RUNS
TO_WORK
"""


@dataclass(frozen=True)
class GpuMachine:
    """``triton`` is the folder for ``serve --triton``; ``environment`` puts nvidia-smi and trtexec first on PATH."""

    triton: Path
    programs: Path
    runs: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process on this machine finds."""
        return {**os.environ, "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}"}

    @property
    def builds(self) -> list[str]:
        """The arguments of each run of trtexec that was to build something."""
        return self.runs.read_text().splitlines() if self.runs.exists() else []

    def trtexec(self, work: str) -> None:
        """Let trtexec do ``work`` (sh; $onnx and $engine are the files) from now on."""
        _program(self.programs / "trtexec", TRTEXEC.replace("TO_RUNS", str(self.runs)).replace("TO_WORK", work))


def gpu_machine(folder: Path, binary: TritonBinary, gpu: str = "NVIDIA L4") -> GpuMachine:
    """Make one in ``folder`` around the Triton of the wheel."""
    triton = folder / "tritonserver"
    backends = binary.lay_out_backends(triton)
    if backends != triton / "backends":
        shutil.copytree(backends, triton / "backends")
    for name, file in (("tensorrt", "model.plan"), ("onnxruntime", "model.onnx")):
        (triton / "backends" / name).mkdir()
        program = (SOURCE / "detector" / "1" / "model.py").read_text().replace("model.onnx", file)
        (triton / "backends" / name / "model.py").write_text(program)
    exports = "\n".join(f"export {name}='{value}'" for name, value in binary.environment.items())
    (triton / "bin").mkdir()
    _program(triton / "bin" / "tritonserver", f'#!/bin/sh\n{exports}\nexec {binary.path} "$@"\n')
    (triton / "TRITON_VERSION").write_text("2.60.0\n")
    programs = folder / "programs"
    programs.mkdir()
    _program(programs / "nvidia-smi", f"#!/bin/sh\necho '{gpu}'\n")
    machine = GpuMachine(triton, programs, folder / "trtexec-runs")
    machine.trtexec('cp "$onnx" "$engine"')
    return machine


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
