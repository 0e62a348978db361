"""A print that fails while no server answers: this computer's own detector sees it, and the print is paused all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.frames import SceneFrames
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.scene import Scene
from inference_server.triton import TritonServer
from octoprint_spaghetti.adapters.ladder import Ladder
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame, ProtectionLevel
from octoprint_spaghetti.parts import build_protection, missing_here
from octoprint_spaghetti.ports import Detector
from tests.e2e.conftest import OCTOPRINT_VERSIONS, PATIENT_S, a_print, eventually, octoprint_python
from tests.pictures import jpeg

#: Seconds of good print before the rendered scene fails, how many of them are left once this computer looks, and the pictures of the
#: failure.
GOOD_S, LEFT_S, FAILING = 90.0, 10.0, 100
INTERVAL_S = 0.5


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the interpreter of an OctoPrint that has the extra [edge], or skip."""
    for version in OCTOPRINT_VERSIONS:
        found = octoprint_python(version)
        if subprocess.run([str(found), "-c", "import cv2, numpy, onnxruntime"], capture_output=True).returncode == 0:
            return found
    pytest.skip("no OctoPrint with the extra [edge] in .venv; run scripts/test")


@pytest.fixture(scope="module")
def failing_camera() -> Iterator[Webcam]:
    failure = int(GOOD_S / INTERVAL_S)
    frames = SceneFrames(Scene(seed=3, size=(640, 480), frames=failure + FAILING, failure_at=failure))
    with Webcam(frames, INTERVAL_S) as webcam:
        yield webcam
    frames.close()


@pytest.fixture(scope="module")
def server(start_triton: Callable[..., TritonServer]) -> TritonServer:
    """Return a Triton that is there to be killed."""
    return start_triton()


@pytest.fixture(scope="module")
def octoprint(
    python: Path, failing_camera: Webcam, server: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OctoPrintServer]:
    """Return an OctoPrint in front of that camera, which it reads by its address, as a camera of the plugin's own."""
    settings = {
        "servers": [server.target],
        "camera_source": "snapshot",
        "camera_url": f"{failing_camera.url}/snapshot",
        "interval": INTERVAL_S,
        "suspect_interval": INTERVAL_S,
        "warm_up": 0.0,
        "local_share": 100.0,
        "deadline": PATIENT_S,
    }
    with OctoPrintServer(python, tmp_path_factory.mktemp("octoprint"), failing_camera.url, {"spaghetti": settings}) as running:
        yield running


def protection(octoprint: OctoPrintServer) -> dict[str, Any]:
    return dict(octoprint.plugin_status()["protection"])


def detectors_of(octoprint: OctoPrintServer) -> list[int]:
    """Return the ids of the processes that OctoPrint started for its own detector."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == octoprint.pid and b"octoprint_spaghetti.edge_process" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except (OSError, ValueError):
            continue  # it has ended meanwhile
    return found


def test_the_test_button_tries_server_and_fallback(octoprint: OctoPrintServer) -> None:
    """Both look at the same picture, each as a step with its time; no process of the test is left."""
    report = dict(octoprint.api("POST", "/plugin/spaghetti/test", json={}).json())
    assert report["passed"], report
    assert [step["name"] for step in report["steps"]] == ["set up", "camera", "connect", "look", "fallback", "decide", "pause"]
    assert "triton" in report["detector"]
    assert detectors_of(octoprint) == []


def test_a_print_that_fails_without_a_server_is_paused_by_this_computer(
    octoprint: OctoPrintServer, failing_camera: Webcam, server: TritonServer
) -> None:
    """Triton is killed in mid-print: the level and its reason are said, nothing is paused before the failure, and then it is."""
    with a_print(octoprint):
        eventually(lambda: protection(octoprint)["level"] == "remote", 60.0, "the server's protection")
        assert detectors_of(octoprint) == []
        failing_camera.play()
        os.kill(server.pid, signal.SIGKILL)
        server.stop()
        eventually(lambda: protection(octoprint)["level"] == "local", GOOD_S - LEFT_S, "this computer's protection")
        assert "No inference server answers" in protection(octoprint)["reason"]
        assert octoprint.printer_state() == "Printing"
        failing_camera.playback.start(failing_camera.clock() + LEFT_S - GOOD_S)
        eventually(lambda: octoprint.printer_state() == "Paused", LEFT_S + 80.0, "the pause")
        assert failing_camera.shown().position >= len(failing_camera.frames) - FAILING
        status = octoprint.plugin_status()
        assert status["detector"].startswith("local ")
        assert status["score"] > 0.5
        assert len(detectors_of(octoprint)) == 1
    eventually(lambda: not detectors_of(octoprint), 60.0, "the end of the detector's process after the print")


#: A deadline that both rungs can keep on a busy machine; what they may take together.
DEADLINE_S = 10.0
#: How long a busy machine may take until one of them looks at several pictures in a row.
SETTLED_S = 90.0


@pytest.fixture
def ladder(server_to_break: TritonServer) -> Iterator[Detector]:
    """Return what the plugin looks with while that server may be broken; this computer's detector is warm."""
    if missing_here():
        pytest.skip(missing_here())
    detector = build_protection(Settings(servers=(server_to_break.target,), deadline=DEADLINE_S, local_share=100.0))
    assert isinstance(detector, Ladder)
    detector._here.check()
    yield detector
    detector.close()


@pytest.fixture
def server_to_break(start_triton: Callable[..., TritonServer]) -> Iterator[TritonServer]:
    server = start_triton()
    yield server
    os.kill(server.pid, signal.SIGCONT)
    server.stop()


def look(detector: Detector, count: int) -> list[str]:
    """Look at so many pictures and return who looked; both share one deadline, so none takes as long as two."""
    looked = []
    for seed in range(count):
        started = time.monotonic()
        looked.append(detector.look(Frame(jpeg(seed), started, "test")).detector.split()[0])
        assert time.monotonic() - started < 2 * DEADLINE_S  # a full wait for each of the two
        time.sleep(0.2)
    return looked


def settled(detector: Detector, who: str) -> None:
    """Look until three pictures in a row were looked at by the one that should."""
    eventually(lambda: look(detector, 3) == [who] * 3, SETTLED_S, f"pictures that {who} looks at")


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM], ids=lambda fault: fault.name)
def test_no_picture_is_lost_whatever_becomes_of_the_server(ladder: Detector, server_to_break: TritonServer, fault: int) -> None:
    """Each picture is answered within its deadline, by this computer once the server is gone, and the level says so."""
    settled(ladder, "triton")
    os.kill(server_to_break.pid, fault)
    assert look(ladder, 12)[-6:] == ["local"] * 6
    assert ladder.level is ProtectionLevel.LOCAL
    assert "This computer looks meanwhile." in ladder.why


def test_a_server_that_comes_back_is_stood_on_again(ladder: Detector, server_to_break: TritonServer) -> None:
    """Stopped for a while and let go on: no picture is lost on the way down or up, and the reason is gone with the fault."""
    settled(ladder, "triton")
    os.kill(server_to_break.pid, signal.SIGSTOP)
    look(ladder, 4)
    assert ladder.level is ProtectionLevel.LOCAL
    os.kill(server_to_break.pid, signal.SIGCONT)
    eventually(lambda: look(ladder, 1) and ladder.level is ProtectionLevel.REMOTE, SETTLED_S, "the server's protection")
    settled(ladder, "triton")
    assert (ladder.level, ladder.why) == (ProtectionLevel.REMOTE, "")
