"""Which of the shipped files a processor serves best: the fp32 detector, or its int8 copy that passed the accuracy gate.

A processor with VNNI multiplies bytes and sums them exactly. One without it either gains nothing or, with AVX2's older instruction,
saturates between the steps and answers otherwise, so it gets fp32.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inference_server.model_files import DamagedModel, default_model, int8_of

Asked = Literal["auto", "fp32", "int8"]

CPUINFO = Path("/proc/cpuinfo")
#: What Linux calls the instructions that multiply bytes into 32-bit sums, fastest first. Measured with the first; ARM has its own, which
#: nobody has measured here.
VNNI = ("avx512_vnni", "avx_vnni")
#: What ``platform.machine()`` says of processors that need them: AVX2's older instruction saturates between the steps.
X86 = ("x86_64", "AMD64", "i686", "i386")


@dataclass(frozen=True)
class Chosen:
    """A detector's file, its precision ("fp32", "int8", "fp16", ...), and why that one, in words for the person who started it."""

    path: Path
    precision: str
    why: str


class NoChoice(ValueError):
    """A precision was asked for where none can be chosen; the message says what to leave out."""


def byte_instructions(cpuinfo: Path = CPUINFO) -> str | None:
    """Return the name of this processor's instructions for bytes, None where it has none or does not say."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return None
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())
    return next((name for name in VNNI if name in flags), None)


def sums_bytes_exactly(machine: str = "", cpuinfo: Path = CPUINFO) -> bool:
    """Return whether an int8 file answers on this processor (``machine``: its architecture) as where it passed the accuracy gate."""
    return (machine or platform.machine()) not in X86 or byte_instructions(cpuinfo) is not None


def for_cpu(asked: Asked, instructions: str | None, model: Path | None = None) -> Chosen:
    """Choose between ``model`` (default: the shipped detector) and its int8 copy for a CPU with these byte instructions.

    Raises :class:`DamagedModel` when there is no detector, or no int8 copy though one was asked for.
    """
    plain = model or default_model()
    small = int8_of(plain)
    if asked == "int8" and small is None:
        raise DamagedModel(f"{plain.name} has no int8 copy beside it; leave --precision out, or make one with quantise")
    if small is not None and (asked == "int8" or (asked == "auto" and instructions is not None)):
        return Chosen(small, "int8", "asked for" if asked == "int8" else f"this processor has {instructions}")
    if asked == "fp32":
        return Chosen(plain, "fp32", "asked for")
    return Chosen(plain, "fp32", "there is no int8 copy" if instructions else "this processor has no VNNI")
