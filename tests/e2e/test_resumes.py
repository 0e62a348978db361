"""A print that goes on otherwise than by a plain resume: asked to before it stands still, or moved by the printer itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from demo.frames import SceneFrames
from demo.webcam import Webcam
from inference_server.scene import Scene
from inference_server.triton import TritonServer
from tests.e2e.conftest import OCTOPRINT_VERSIONS, PATIENT_S, eventually, octoprint_python
from tests.e2e.test_actions import WARM_C, LoggingServer, begin, configure, end

#: Seconds between two pictures of the scene, and the number of the one it fails with: nothing here needs a hot nozzle.
INTERVAL_S, FAILURE_AT = 0.5, 8
#: A judge in a hurry; and one from whom nothing but a person's word wins a resumed print any peace.
HASTY: list[list[Any]] = [["time_constant", 5.0], ["series_length", 2.0], ["first_layers", 0]]
RESTLESS = [*HASTY, ["resume_grace", 0.0], ["cooldown", 0.0]]
#: How long the owner's script keeps OctoPrint on its way to a pause, and how long a print is seen to be left alone, seconds.
DWELL_S, ALONE_S = 12, 8.0
#: How far a pause lifts the nozzle, mm.
LIFT_MM = 2.5
#: What the owner's script for a resume sends, so that it is known to have run.
GOING_ON = "M117 going on"
#: What moving the nozzle back sends besides the move, and the print after its beginning does not.
MOVING_BACK = {"M82", "M83", "G90", "G91", "G92"}


@pytest.fixture(scope="module")
def scene() -> Iterator[Webcam]:
    """Return a webcam that plays a print which fails soon; ``play`` begins it anew."""
    frames = SceneFrames(Scene(seed=3, size=(640, 480), frames=FAILURE_AT + 100, failure_at=FAILURE_AT))
    with Webcam(frames, INTERVAL_S) as webcam:
        yield webcam
    frames.close()


@pytest.fixture(scope="module", params=OCTOPRINT_VERSIONS)
def server(
    request: pytest.FixtureRequest, scene: Webcam, triton: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoggingServer]:
    """Return an OctoPrint of each version that logs the wire, in front of the scene."""
    settings = {"servers": [triton.target], "interval": 0.5, "suspect_interval": 0.5, "deadline": PATIENT_S, "warm_up": 0.0}
    base = tmp_path_factory.mktemp("octoprint")
    running = LoggingServer(octoprint_python(request.param), base, scene.url, {"spaghetti": settings})
    with running:
        yield running


def store_scripts(server: LoggingServer, *, paused: str = "", resumed: str = "") -> None:
    """Store the owner's scripts around a pause."""
    scripts = {"afterPrintPaused": paused, "beforePrintResumed": resumed}
    server.api("POST", "/api/settings", json={"scripts": {"gcode": scripts}})


def let_printer_say(server: LoggingServer, action: str) -> None:
    """Have the virtual printer tell its host of something that it did by itself."""
    server.api("POST", "/api/printer/command", json={"command": f"!!DEBUG:send //action:{action}"})


def test_a_false_alarm_called_during_the_owners_pause_script_lets_the_print_go_on(server: LoggingServer, scene: Webcam) -> None:
    """OctoPrint resumes nothing while it is pausing; once it is paused the print goes on by itself, and is left alone."""
    configure(server, numbers=RESTLESS)
    store_scripts(server, paused=f"G4 S{DWELL_S}")
    before = begin(server, scene, hot=WARM_C)
    try:
        eventually(lambda: f"G4 S{DWELL_S}" in server.sent()[before:], 90.0, "the owner's script")
        eventually(
            lambda: server.plugin_status()["sentence"].startswith("The print is paused"), DWELL_S, "the pause being heard of"
        )
        server.api("POST", "/plugin/spaghetti/false_alarm", json={})
        assert server.printer_state() == "Pausing"
        incident = server.plugin_status()["incident"]
        eventually(lambda: server.printer_state() == "Printing", DWELL_S + 60.0, "the print going on")
        resumed = time.monotonic()
        while time.monotonic() - resumed < ALONE_S:
            assert server.printer_state() == "Printing"
            time.sleep(0.5)
        status = server.plugin_status()
        assert (status["score"] > 0.5, status["verdict"]) == (True, "watching")  # still seen, and forgiven
        assert status["incident"] == incident
        assert server.sent()[before:].count(f"G4 S{DWELL_S}") == 1
    finally:
        end(server)


def test_a_pause_of_the_printers_own_is_not_ended_with_what_an_older_pause_left_to_undo(
    server: LoggingServer, scene: Webcam
) -> None:
    """OctoPrint asks for no script when the printer resumes and pauses by itself; the owner's resume then drives to no old height."""
    configure(server, numbers=HASTY, pause_lift=LIFT_MM, pause_hotends_off=True)
    store_scripts(server, resumed=GOING_ON)
    before = begin(server, scene, hot=WARM_C)
    try:
        eventually(lambda: server.printer_state() == "Paused", 90.0, "the pause")
        eventually(lambda: "M104 S0" in server.sent()[before:], 30.0, "our script")
        heights = [float(line.split("Z")[1].split()[0]) for line in server.sent()[before:] if line.startswith("G1 Z")]
        z, lifted = heights[-2:]
        assert lifted == pytest.approx(z + LIFT_MM)
        let_printer_say(server, "resumed")
        eventually(lambda: server.printer_state() == "Printing", 30.0, "the printer's own resume")
        let_printer_say(server, "paused")
        eventually(lambda: server.printer_state() == "Paused", 30.0, "the printer's own pause")
        eventually(lambda: server.plugin_status()["printer_state"] == "PAUSED", 30.0, "that pause being heard of")
        heard = len(server.sent())
        server.job("pause", "resume")
        eventually(lambda: server.printer_state() == "Printing", 30.0, "the owner's resume")
        eventually(lambda: any(line.startswith("G1 X") for line in server.sent()[heard:]), 30.0, "the next line of the print")
        resumed = server.sent()[heard:]
        assert GOING_ON in resumed
        assert f"G1 Z{z:g} F600" not in resumed  # a layer's own has two decimals
        assert not {line.split()[0] for line in resumed if line} & MOVING_BACK
        assert f"M109 S{WARM_C:g}" in resumed  # what our pause switched off is still off, and heated
    finally:
        end(server)
