"""A message that waits while OctoPrint is killed, in real OctoPrints of each version, arrives after the next start."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from tests.e2e.conftest import OCTOPRINT_VERSIONS, eventually, octoprint_python
from tests.receiver import Receiver

SECRET = "hunter2hunter2hunter2"


@pytest.mark.parametrize("version", OCTOPRINT_VERSIONS)
def test_a_message_that_waits_survives_a_kill_of_octoprint(version: str, camera: Webcam, tmp_path: Path) -> None:
    """The channel was down, OctoPrint was killed, both come back: the message is delivered once and says how late it is not."""
    with Receiver() as receiver:
        channel = receiver.address(f"fail/{SECRET}")
        settings = {"servers": ["127.0.0.1:1"], "interval": 0.5, "deadline": 0.5, "summaries": True, "channels": [channel]}

        def octoprint() -> OctoPrintServer:
            return OctoPrintServer(octoprint_python(version), tmp_path / "octoprint", camera.url, {"spaghetti": settings})

        with octoprint() as first:
            first.upload_and_print("benchy.gcode", print_lasting(minutes=30))
            eventually(lambda: first.plugin_status()["verdict"] != "off", 60.0, "the watch")
            first.job("cancel")
            eventually(lambda: receiver.received(f"fail/{SECRET}"), 60.0, "the message that is refused")
            assert first.pid is not None
            os.kill(first.pid, signal.SIGKILL)
        waiting = next((tmp_path / "octoprint").rglob("waiting.json")).read_text(encoding="utf-8")
        assert "benchy.gcode" in waiting
        assert SECRET not in waiting
        receiver.broken = False
        receiver.requests.clear()
        with octoprint() as second:
            eventually(lambda: receiver.requests, 60.0, "the message after the start")
            eventually(lambda: _waiting(second) == [0], 60.0, "an empty outbox")
        assert [one.json["title"] for one in receiver.requests] == ["Print ended: benchy.gcode"]


def _waiting(server: OctoPrintServer) -> list[int]:
    channels = server.api("GET", "/plugin/spaghetti/channels").json()["channels"]
    return [channel["waiting"] for channel in channels]
