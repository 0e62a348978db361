"""A print that fails in front of the camera: paused for real, explained, and let go on when its owner says so."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.frames import SceneFrames
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.scene import Scene
from inference_server.triton import TritonServer
from tests.e2e.conftest import OCTOPRINT_VERSIONS, a_print, eventually, octoprint_server

#: Seconds of good print before the rendered scene fails; nothing may be paused before.
GOOD_S = 15.0
INTERVAL_S = 0.5


@pytest.fixture(scope="module")
def failing_camera() -> Iterator[Webcam]:
    """Return a webcam that plays the rendered scene; its clock starts with ``play``."""
    failure = int(GOOD_S / INTERVAL_S)
    frames = SceneFrames(Scene(seed=3, size=(640, 480), frames=failure + 100, failure_at=failure))
    with Webcam(frames, INTERVAL_S) as webcam:
        yield webcam
    frames.close()


@pytest.fixture(scope="module")
def failing_octoprint(
    failing_camera: Webcam, triton: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OctoPrintServer]:
    """Return an OctoPrint whose printer is in front of that webcam."""
    yield from octoprint_server(OCTOPRINT_VERSIONS[0], failing_camera, triton, tmp_path_factory.mktemp("octoprint"))


def test_a_failing_print_is_paused_and_goes_on_after_a_false_alarm(
    failing_octoprint: OctoPrintServer, failing_camera: Webcam
) -> None:
    """Not before the failure, once, with its pictures on the disk; after "false alarm" it prints on and is left alone."""
    octoprint = failing_octoprint
    with a_print(octoprint):
        failing_camera.play()
        started = time.monotonic()
        eventually(lambda: octoprint.printer_state() == "Paused", 90.0, "the pause")
        assert time.monotonic() - started > GOOD_S
        assert_explained(octoprint)
        octoprint.api("POST", "/plugin/spaghetti/false_alarm", json={})
        eventually(lambda: octoprint.printer_state() == "Printing", 60.0, "the print going on")
        resumed = time.monotonic()
        while time.monotonic() - resumed < 15.0:
            assert octoprint.printer_state() == "Printing"
            time.sleep(0.5)
        status = octoprint.plugin_status()
        assert status["score"] > 0.5  # the tangle is still seen ...
        assert status["verdict"] == "watching"  # ... and forgiven


def assert_explained(octoprint: OctoPrintServer) -> None:
    """The status, the incident on the disk and its pictures say why."""
    eventually(lambda: octoprint.plugin_status()["sentence"].startswith("The print is paused"), 30.0, "the pause being said")
    status = octoprint.plugin_status()
    assert status["verdict"] == "failing"
    assert "The print is paused: Spaghetti in" in status["sentence"]
    folder = Path(status["incident_folder"])
    incident = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    assert [state["state"] for state in incident["states"]] == ["deciding", "acted"]
    assert incident["frames"][-1]["score"] > 0.5
    for frame in incident["frames"]:
        assert (folder / frame["file"]).read_bytes()[:2] == b"\xff\xd8"
