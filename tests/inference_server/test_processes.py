"""CPU time and memory are those of a process and everything it started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from inference_server.benchmarks.processes import cpu_s, memory_mb

#: A parent that does nothing, and a child that works for half a second of CPU and then holds 50 MB.
FAMILY = """
import subprocess, sys
child = "import sys,time\\nwhile time.process_time() < 0.5: pass\\nkept = b'x' * 50_000_000\\nprint('done', flush=True)\\nsys.stdin.read()"
subprocess.run([sys.executable, "-c", child])
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """Return the parent, whose child has done its work."""
    process = subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    yield process
    process.communicate(timeout=60)


def test_a_childs_use_counts(family: subprocess.Popen[str]) -> None:
    """The parent itself used next to nothing."""
    assert 0.5 <= cpu_s(family.pid) < 5.0
    assert 50 <= memory_mb(family.pid) < 500


def test_who_is_gone_uses_nothing(family: subprocess.Popen[str]) -> None:
    """A server that died in a benchmark is no error of the benchmark's."""
    family.communicate(timeout=60)
    assert (cpu_s(family.pid), memory_mb(family.pid)) == (0.0, 0.0)
