"""What may become of OctoPrint and of a print in it; the rows take turns with one OctoPrint, but for the one that fails."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from demo.frames import SceneFrames
from inference_server.scene import Scene
from tests.e2e.faults.bench import INTERVAL_S, PATIENT_S, Bench
from tests.e2e.faults.computer_faults import waited
from tests.e2e.faults.fault import CALM, Fault
from tests.e2e.faults.octoprint_bench import OctoPrintBench, shared_octoprint
from tests.e2e.faults.stage import Stage

#: Seconds of rendered print before it fails, which OctoPrint's start takes some of; of those that are left once the server is
#: gone, and of the failure.
FAILS_AT_S, GOOD_S, SEEN_S = 180.0, 20.0, 100.0


@contextmanager
def _saving(bench: Any) -> Iterator[None]:
    for number in range(20):
        bench.configure(transport=("stream", "unary")[number % 2], sensitivity=4 + number % 3)
    yield
    bench.configure(transport="stream", sensitivity=5)


@contextmanager
def _octoprint_killed(bench: Any) -> Iterator[None]:
    os.kill(bench.server.pid, signal.SIGKILL)
    bench.ended = "Operational"
    bench.server.stop()
    bench.server.start()
    bench.server.wait_ready()
    yield
    bench.ready()


@contextmanager
def _safe_mode(bench: Any) -> Iterator[None]:
    """Restart OctoPrint without the plugins of third parties, print, and restart it as ever."""
    bench.ended = "Operational"
    bench.server.stop()
    bench.once_in_safe_mode()
    bench.server.start()
    bench.server.wait_ready()
    bench.ready()
    yield
    bench.server.job("cancel")
    bench.wait_for("Operational")
    bench.server.stop()
    bench.server.start()
    bench.server.wait_ready()
    bench.ready()


@contextmanager
def _a_failing_scene(stage: Stage) -> Iterator[Bench]:
    """Print in an OctoPrint that can look by itself, in front of a camera that will show the rendered failure."""
    python = stage.octoprint_with_edge
    if python is None:
        pytest.skip("no OctoPrint with the extra [edge] in .venv; run scripts/test")
    failure = int(FAILS_AT_S / INTERVAL_S)
    frames = SceneFrames(Scene(seed=3, size=(640, 480), frames=failure + int(SEEN_S / INTERVAL_S), failure_at=failure))
    bench = OctoPrintBench(
        stage.folder("octoprint-edge"),
        python,
        stage.triton.target,
        frames,
        fallback=True,
        local_share=100.0,
        deadline=PATIENT_S,
    )
    try:
        bench.camera.play()
        bench.ready()
        yield bench
    finally:
        bench.close()
        frames.close()


@contextmanager
def _failing_without_a_server(bench: Any) -> Iterator[float]:
    began = time.monotonic()
    bench.camera.playback.start(began + GOOD_S - FAILS_AT_S)  # the good print goes on until shortly before the failure
    bench.wire.refuse()
    waited(lambda: bench.status()["protection"]["level"] == "local", "this computer's protection")
    yield began + GOOD_S
    bench.wire.heal()


FAULTS = (
    Fault("settings saved 20 times in mid-print", "through OctoPrint's API", shared_octoprint, _saving, "watching", CALM),
    Fault(
        "OctoPrint killed in mid-print",
        "SIGKILL and started again; the job ends with it, another one is begun",
        shared_octoprint,
        _octoprint_killed,
        "off",
        "No print is running",
        untouched=False,
    ),
    Fault(
        "OctoPrint in safe mode",
        "restarted so; a job printed without the plugin",
        shared_octoprint,
        _safe_mode,
        "absent",
        "safe mode",
        untouched=False,
    ),
    Fault(
        "no server, and a failing print",
        f"nothing listens; the rendered print comes loose {GOOD_S:.0f} s later",
        _a_failing_scene,
        _failing_without_a_server,
        "failing",
        "The print is paused: Spaghetti in",
        within_s=180.0,
        again=False,
        untouched=False,
    ),
)
