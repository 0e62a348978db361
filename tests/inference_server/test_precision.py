"""The int8 copy is served where the processor multiplies bytes, and nowhere by accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_server.model_files import DamagedModel
from inference_server.precision import Chosen, byte_instructions, for_cpu, sums_bytes_exactly


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "spaghetti-nano-416-v9.onnx"
    path.touch()
    return path


@pytest.fixture
def small(plain: Path) -> Path:
    path = plain.with_name("spaghetti-nano-416-v9-int8.onnx")
    path.touch()
    return path


@pytest.mark.parametrize(
    ("machine", "flags", "exact"),
    [("x86_64", "avx2 avx512_vnni", True), ("x86_64", "avx2 avx512f", False), ("AMD64", "", False), ("aarch64", "", True)],
)
def test_bytes_are_for_processors_that_sum_them_exactly(tmp_path: Path, machine: str, flags: str, exact: bool) -> None:
    """Of x86 those with VNNI; ARM has no instruction that saturates on the way."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"flags\t\t: {flags}\n")
    assert sums_bytes_exactly(machine, cpuinfo) is exact


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("fpu sse2 avx2 avx512f avx512_vnni avx_vnni", "avx512_vnni"),
        ("fpu sse2 avx2 avx_vnni", "avx_vnni"),
        ("fpu sse2 avx2 avx512f avx512_bf16", None),
        ("", None),
    ],
)
def test_the_processor_says_what_it_can(tmp_path: Path, flags: str, found: str | None) -> None:
    """Linux lists the instructions for each core; the fastest for bytes is taken."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: X avx512_vnni\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    assert byte_instructions(cpuinfo) == found


def test_a_processor_that_says_nothing_has_none(tmp_path: Path) -> None:
    """ARM calls its flags otherwise, and other systems have no such file."""
    cpuinfo = tmp_path / "cpuinfo"
    assert byte_instructions(cpuinfo) is None
    cpuinfo.write_text("processor : 0\nFeatures : fp asimd asimddp\n")
    assert byte_instructions(cpuinfo) is None


def test_int8_is_taken_where_it_is_faster(plain: Path, small: Path) -> None:
    """By itself with VNNI, not without; asked for in any case."""
    assert for_cpu("auto", "avx_vnni", plain) == Chosen(small, "int8", "this processor has avx_vnni")
    assert for_cpu("auto", None, plain) == Chosen(plain, "fp32", "this processor has no VNNI")
    assert for_cpu("int8", None, plain) == Chosen(small, "int8", "asked for")
    assert for_cpu("fp32", "avx_vnni", plain) == Chosen(plain, "fp32", "asked for")


def test_without_a_copy_there_is_no_choice(plain: Path) -> None:
    """The fp32 file serves; asking for the copy is answered with what to do."""
    assert for_cpu("auto", "avx_vnni", plain) == Chosen(plain, "fp32", "there is no int8 copy")
    with pytest.raises(DamagedModel, match="no int8 copy beside it; leave --precision out, or make one with quantise"):
        for_cpu("int8", "avx_vnni", plain)
