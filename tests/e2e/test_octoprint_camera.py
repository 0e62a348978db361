"""OctoPrint's own camera, changed in OctoPrint's settings while a print is watched."""

from __future__ import annotations

from typing import Any

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from tests.e2e.conftest import eventually


def configure(octoprint: OctoPrintServer, **settings: Any) -> None:
    """Save settings of the webcam that OctoPrint ships with."""
    octoprint.api("POST", "/api/settings", json={"plugins": {"classicwebcam": settings}})


def test_a_camera_that_is_changed_is_followed(printing: OctoPrintServer, camera: Webcam) -> None:
    """An address that is emptied is named in a sentence, and the one that is entered then is used, without a restart."""
    try:
        configure(printing, snapshot="")
        eventually(lambda: "has no snapshot address" in printing.plugin_status()["sentence"], 60.0, "the empty address is named")
        answers = printing.plugin_status()["answers"]
        configure(printing, snapshot=f"{camera.url}/snapshot?other")
        eventually(lambda: printing.plugin_status()["answers"] > answers, 60.0, "a picture from the new address")
    finally:
        configure(printing, snapshot=f"{camera.url}/snapshot")
