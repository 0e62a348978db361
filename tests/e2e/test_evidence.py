"""A print that really fails, as its owner gets to see it in bed: one message, whose picture shows where, and a clip of the way there."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.frames import SceneFrames
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.scene import Scene
from inference_server.triton import TritonServer
from tests.e2e.conftest import OCTOPRINT_VERSIONS, PATIENT_S, a_print, eventually, octoprint_python
from tests.receiver import Receiver

INCIDENTS = "/plugin/spaghetti/incidents"
GOOD_FRAMES, INTERVAL_S = 20, 0.5

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg; run scripts/test")


def pixels(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean difference of two pictures, in levels of 255."""
    return float(cv2.absdiff(one, other).mean())


@pytest.mark.parametrize("version", OCTOPRINT_VERSIONS)
def test_the_message_shows_where_the_print_fails(version: str, triton: TritonServer, tmp_path: Path) -> None:
    """The picture on the phone has boxes, and is the right way up for a camera that hangs head down; the clip has all pictures.

    Nothing is drawn into the evidence, which stays as the camera took it.
    """
    frames = SceneFrames(Scene(seed=3, size=(640, 480), frames=GOOD_FRAMES + 120, failure_at=GOOD_FRAMES))
    with Receiver() as receiver, Webcam(frames, INTERVAL_S) as camera:
        settings = {
            "servers": [triton.target],
            **{"interval": 0.5, "suspect_interval": 0.5, "deadline": PATIENT_S, "warm_up": 0.0},
            "channels": [receiver.address("phone")],
        }
        webcam = {"_config_version": 1, "stream": f"{camera.url}/stream", "snapshot": f"{camera.url}/snapshot", "flipV": True}
        plugins = {"spaghetti": settings, "classicwebcam": webcam}
        with OctoPrintServer(octoprint_python(version), tmp_path / "octoprint", camera.url, plugins) as octoprint:
            with a_print(octoprint):
                camera.play()
                eventually(lambda: octoprint.printer_state() == "Paused", 90.0, "the pause")
                eventually(lambda: receiver.requests, 60.0, "the message")
            (incident,) = octoprint.api("GET", INCIDENTS).json()["incidents"]
            boxed = octoprint.api("GET", f"{INCIDENTS}/{incident['id']}.jpg").content
            clip = octoprint.api("GET", f"{INCIDENTS}/{incident['id']}.gif").content
            plain = [octoprint.api("GET", f"{INCIDENTS}/{incident['id']}/{one['file']}").content for one in incident["frames"]]
    frames.close()
    message = receiver.requests[0].json
    assert message["title"].startswith("Print paused")
    assert base64.b64decode(message["attachments"][0]["base64"]) == boxed
    flipped, kept = cv2.flip(pixels(boxed), 0), [pixels(one) for one in plain]
    assert min(difference(flipped, one) for one in kept) < 5.0 < 10.0 < min(difference(pixels(boxed), one) for one in kept)
    (tmp_path / "clip.gif").write_bytes(clip)
    video = cv2.VideoCapture(str(tmp_path / "clip.gif"))
    shown = 0
    while video.grab():
        shown += 1
    assert shown == len(plain) + 6
