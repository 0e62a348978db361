"""`spaghetti-server bench` chooses a benchmark, and what is missing is a sentence."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from inference_server.benchmarks.against import Window, compare
from inference_server.benchmarks.fleet import Watch, _phase, _usage
from inference_server.benchmarks.printers import Load, Sent
from inference_server.benchmarks.verb import command


def test_the_detector_is_measured_when_nothing_else_is_said() -> None:
    """With --json its document is all that is printed."""
    pytest.importorskip("onnx")
    done = CliRunner().invoke(command, ["--seconds", "0.5", "--json"])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["gflop"] > 0


@pytest.mark.parametrize(
    ("options", "module", "says"),
    [
        (["--fleet", "3", "--no-gateway"], "grpc", "spaghetti-server bench needs grpc"),
        (["--seconds", "1"], "onnx", "pip install 'octoprint-spaghetti[train]'"),
    ],
)
def test_a_missing_package_is_named(options: list[str], module: str, says: str) -> None:
    """With the command that installs it, whichever benchmark needs it."""
    program = f"import sys; sys.modules[{module!r}] = None\nfrom inference_server.cli import main\nmain(['bench', *{options!r}])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert says in done.stderr


def test_the_medians_of_both_servers_are_compared() -> None:
    """One odd window of three moves nothing."""
    ours = [Window(100.0, 10.0, 300.0), Window(110.0, 11.0, 310.0), Window(20.0, 50.0, 900.0)]
    theirs = [Window(5.0, 200.0, 800.0), Window(4.0, 220.0, 900.0), Window(8.0, 190.0, 500.0)]
    found = compare("a detector", ours, theirs, 100_000)
    assert (found.ours_per_s, found.theirs_per_s, found.ratio) == (100.0, 5.0, 20.0)
    assert (found.ours_cpu_ms, found.theirs_cpu_ms, found.cpu_ratio) == (11.0, 200.0, 18.2)


def test_a_frame_that_was_not_answered_is_lost() -> None:
    """Whatever became of it."""
    phase = _phase(Load(1.0, [Sent(0.0, 0.1, "answered"), Sent(0.1, 0.0, "shed"), Sent(0.2, 5.0, "late")]), 3.0)
    assert (phase.frames, phase.lost) == (3, 2)


def test_memory_is_compared_between_a_fifth_near_the_beginning_and_the_last() -> None:
    """The first fifth is the servers' own warming up; a leak shows as a difference."""
    watch = Watch((), samples_mb=[100, 150, 200, 200, 201, 202, 203, 204, 300, 302])
    usage = _usage(watch, server_cpu_s=5.0, own_cpu_s=1.0, seconds=10.0)
    assert (usage.memory_begin_mb, usage.memory_end_mb, usage.memory_most_mb) == (200.0, 301.0, 302.0)
    assert (usage.server_cores, usage.clients_cores) == (0.5, 0.1)
