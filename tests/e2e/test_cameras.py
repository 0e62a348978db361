"""The plugin's own cameras in a real OctoPrint: each source delivers or says why not, and no password comes out."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from tests.rtsp_server import RtspCamera

SECRET = "g3h3im"


def run_test(octoprint: OctoPrintServer, **settings: Any) -> dict[str, Any]:
    """Press the Test button with unsaved settings; a stream on a busy machine may need a second one."""
    for _ in range(3):
        report = dict(octoprint.api("POST", "/plugin/spaghetti/test", json=settings).json())
        if report["passed"]:
            break
    return report


@pytest.mark.parametrize(("source", "path"), [("snapshot", "/snapshot"), ("mjpeg", "/stream")])
def test_a_camera_over_http_delivers(octoprint: OctoPrintServer, camera: Webcam, source: str, path: str) -> None:
    """From the address to the model's answer, without OctoPrint's webcam between."""
    report = run_test(octoprint, camera_source=source, camera_url=camera.url + path)
    assert report["passed"], report
    assert report["picture"].startswith("data:image/jpeg;base64,")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_an_rtsp_camera_delivers(octoprint: OctoPrintServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With a login, which stands in no log."""
    with RtspCamera(tmp_path_factory.mktemp("rtsp"), login=f"admin:{SECRET}") as camera:
        report = run_test(octoprint, camera_source="rtsp", camera_url=camera.url)
    assert report["passed"], report
    assert SECRET not in octoprint.log_path.read_text()


def test_a_camera_that_is_not_there_is_told_without_its_password(octoprint: OctoPrintServer) -> None:
    """Neither the report nor OctoPrint's log holds what was entered before or behind the host."""
    report = run_test(
        octoprint, camera_source="snapshot", camera_url=f"http://admin:{SECRET}@127.0.0.1:9/{SECRET}.jpg?pwd={SECRET}"
    )
    assert report["steps"][-1]["name"] == "camera"
    assert "Nothing listens at 127.0.0.1:9" in report["steps"][-1]["problem"]
    assert SECRET not in str(report)
    assert SECRET not in octoprint.log_path.read_text()


def test_further_cameras_by_address_are_tested_one_by_one(octoprint: OctoPrintServer, camera: Webcam) -> None:
    """A stream and a picture are told apart by themselves; one that is not there is told without its password."""
    further = [f"{camera.url}/stream", f"{camera.url}/snapshot", f"http://admin:{SECRET}@127.0.0.1:9/{SECRET}.jpg"]
    report = octoprint.api("POST", "/plugin/spaghetti/test", json={"also_watched": further}).json()
    found = {step["name"]: step["problem"] for step in report["steps"] if step["name"].startswith("camera ")}
    host = camera.url.rpartition("/")[2]
    assert found[f"camera {host}"] == found[f"camera {host} (2)"] == ""
    assert "Nothing listens at 127.0.0.1:9" in found["camera 127.0.0.1:9"]
    assert [picture[:10] for picture in report["further_pictures"]] == ["data:image", "data:image", ""]
    assert SECRET not in str(report)
    assert SECRET not in octoprint.log_path.read_text()


def test_a_source_without_an_address_is_told(octoprint: OctoPrintServer) -> None:
    """The step that sets up says what to enter."""
    report = run_test(octoprint, camera_source="mjpeg")
    assert report["steps"][-1]["name"] == "set up"
    assert "address is empty" in report["steps"][-1]["problem"]
