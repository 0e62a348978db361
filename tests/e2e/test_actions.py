"""What follows from a failing print, on the wire: the lines of our pause and of the resume after it, the cancel, and the power."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.frames import SceneFrames
from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.scene import Scene
from inference_server.triton import TritonServer
from tests.e2e.conftest import OCTOPRINT_VERSIONS, PATIENT_S, eventually, octoprint_python

#: Seconds between two pictures of the scene, and the number of the one it fails with: by then the nozzle is hot.
INTERVAL_S, FAILURE_AT = 0.5, 40
#: Hot enough to draw filament back; the virtual printer heats and cools by about ten and two degrees a second.
HOT_C, WARM_C = 180, 60
EVERYTHING = {"pause_hotends_off": True, "pause_bed_off": True, "pause_retract": 6.5, "pause_lift": 2.5, "power_off": True}

#: A plugin that offers what PSU Control offers, and writes down in a file when it was asked for it.
PSU_STAND_IN = """
import pathlib
__plugin_name__ = "PSU stand-in"
__plugin_pythoncompat__ = ">=3.9,<4"
asked = pathlib.Path(__file__).parents[1] / "psu.txt"
def turn_psu_off():
    asked.write_text("off")
def get_psu_state():
    return not asked.exists()
__plugin_helpers__ = {"turn_psu_off": turn_psu_off, "get_psu_state": get_psu_state}
__plugin_implementation__ = __import__("octoprint.plugin").plugin.OctoPrintPlugin()
"""


class LoggingServer(OctoPrintServer):
    """An OctoPrint that writes what goes over the wire to its virtual printer into ``logs/serial.log``."""

    def configuration(self) -> dict[str, Any]:
        """Return the configuration with the log switched on."""
        configured = super().configuration()
        configured["serial"]["log"] = True  # of OctoPrint 1.x
        configured["plugins"]["serial_connector"] = {"log": True}  # of OctoPrint 2.0
        return configured

    def sent(self) -> list[str]:
        """Return the lines that were sent to the printer so far, without line numbers and checksums."""
        text = "".join(path.read_text(errors="replace") for path in sorted((self.base / "logs").glob("serial*.log")))
        lines = [line.partition(mark)[2] for line in text.splitlines() for mark in ("Send: ", ">>> ") if mark in line]
        return [" ".join(word for word in line.partition("*")[0].split() if not _is_number(word)) for line in lines]

    def log(self) -> str:
        """Return what OctoPrint logged so far."""
        return (self.base / "logs" / "octoprint.log").read_text(errors="replace")


def _is_number(word: str) -> bool:
    return word[:1] == "N" and word[1:].isdigit()


@pytest.fixture(scope="module")
def scene() -> Iterator[Webcam]:
    """Return a webcam that plays a print which fails; ``play`` begins it anew."""
    frames = SceneFrames(Scene(seed=3, size=(640, 480), frames=FAILURE_AT + 160, failure_at=FAILURE_AT))
    with Webcam(frames, INTERVAL_S) as webcam:
        yield webcam
    frames.close()


@pytest.fixture(scope="module", params=OCTOPRINT_VERSIONS)
def server(
    request: pytest.FixtureRequest, scene: Webcam, triton: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoggingServer]:
    """Return an OctoPrint of each version that logs the wire, with the stand-in for PSU Control loaded."""
    base = tmp_path_factory.mktemp("octoprint")
    (base / "plugins").mkdir()
    (base / "plugins" / "psucontrol.py").write_text(PSU_STAND_IN)
    settings = {"servers": [triton.target], "interval": 0.5, "suspect_interval": 0.5, "deadline": PATIENT_S, "warm_up": 0.0}
    with LoggingServer(octoprint_python(request.param), base, scene.url, {"spaghetti": settings}) as running:
        yield running


def configure(server: LoggingServer, **settings: Any) -> None:
    """Store settings, and everything else of what a failure does as it is by default."""
    plain: dict[str, Any] = {name: type(value)() for name, value in EVERYTHING.items()}
    stored = {"action": "pause", "shadow": False, **plain, **settings}
    server.api("POST", "/api/settings", json={"plugins": {"spaghetti": stored}})


def begin(server: LoggingServer, scene: Webcam, hot: int = HOT_C) -> int:
    """Print with a nozzle so hot, °C, in front of the scene; return how many lines were sent before."""
    before = len(server.sent())
    scene.play()
    gcode = print_lasting(minutes=30).replace("M104 S210", f"M104 S{hot}").replace("M140 S60", f"M140 S{WARM_C}")
    server.upload_and_print("test.gcode", gcode)
    return before


def end(server: LoggingServer) -> None:
    """Cancel whatever prints."""
    if server.printer_state() != "Operational":
        server.job("cancel")
    eventually(lambda: server.printer_state() == "Operational", 30.0, "the end of the job")


def test_everything_is_done_at_our_pause_and_undone_once_by_the_resume(server: LoggingServer, scene: Webcam) -> None:
    """Back, up, off; warm, hot, down, forward: in this order, with the targets as they were, and a second resume does nothing."""
    configure(server, **{**EVERYTHING, "power_off": False})
    before = begin(server, scene)
    try:
        eventually(lambda: server.printer_state() == "Paused", 90.0, "the pause")
        eventually(lambda: "M140 S0" in server.sent()[before:], 30.0, "the script")
        paused = server.sent()[before:]
        at = paused.index("G1 E-6.5 F1800")
        assert paused[at - 2 : at] == ["G90", "M83"]
        z = next(float(line.split("Z")[1].split()[0]) for line in reversed(paused[:at]) if line.startswith("G1 Z"))
        assert paused[at + 1] == f"G1 Z{z + 2.5:g} F600"
        assert paused[at + 2 : at + 7] == ["G90", "M82", "G1 F3000", "M104 S0", "M140 S0"]
        eventually(lambda: nozzle(server)["actual"] < HOT_C - 20, 60.0, "a nozzle that has cooled")
        heard = len(server.sent())
        server.api("POST", "/plugin/spaghetti/false_alarm", json={})
        eventually(lambda: server.printer_state() == "Printing", 60.0, "the print going on")
        eventually(lambda: "G1 F3000" in server.sent()[heard:], 30.0, "the end of the script")
        resumed = [line for line in server.sent()[heard:] if not line.startswith("M105")]
        warm = [f"M140 S{WARM_C}", f"M190 S{WARM_C}", f"M104 S{HOT_C}", f"M109 S{HOT_C}"]
        at = resumed.index(warm[0])
        assert resumed[at : at + 8] == [*warm, "G90", "M83", f"G1 Z{z:g} F600", "G1 E6.5 F1800"]
        assert resumed[at + 8].startswith("G92 E")
        assert resumed[at + 9 : at + 12] == ["G90", "M82", "G1 F3000"]
        temperatures = server.api("GET", "/api/printer").json()["temperature"]
        assert (temperatures["tool0"]["target"], temperatures["bed"]["target"]) == (HOT_C, WARM_C)
        assert temperatures["tool0"]["actual"] > HOT_C - 5  # it was waited for
        server.api("POST", "/plugin/spaghetti/test", json={})
        drilled = server.api("POST", "/plugin/spaghetti/drill", json={}).json()
        assert "pause (dry)" in [link["name"] for link in drilled["links"]]
        assert_plain_pause_and_resume(server)
    finally:
        end(server)


def nozzle(server: LoggingServer) -> dict[str, float]:
    """Return the temperatures of the nozzle."""
    return dict(server.api("GET", "/api/printer").json()["temperature"]["tool0"])


def assert_plain_pause_and_resume(server: LoggingServer) -> None:
    """A pause of the owner's, and its resume, send nothing of ours: although all is switched on, and was just tested and drilled."""
    before = len(server.sent())
    server.job("pause", "pause")
    eventually(lambda: server.printer_state() == "Paused", 30.0, "the owner's pause")
    server.job("pause", "resume")
    eventually(lambda: server.printer_state() == "Printing", 30.0, "the owner's resume")
    codes = {line.split()[0] for line in server.sent()[before:] if line}
    assert not codes & {"M104", "M109", "M140", "M190", "M82", "M83", "G90", "G91", "G92"}


def test_shadow_mode_sends_nothing(server: LoggingServer, scene: Webcam) -> None:
    """Everything is switched on, the print fails, an incident is kept, and not one line of ours is sent."""
    configure(server, **EVERYTHING, shadow=True)
    known = server.plugin_status()["incident"]
    before = begin(server, scene)
    try:
        eventually(lambda: server.plugin_status()["incident"] not in (None, known), 90.0, "the incident")
        assert server.printer_state() == "Printing"
        assert not {"M104 S0", "M140 S0", "G1 E-6.5 F1800"} & set(server.sent()[before:])
        assert not (server.base / "psu.txt").exists()
    finally:
        end(server)


def test_a_failing_print_is_cancelled_and_its_power_goes_off_once_it_is_cool(server: LoggingServer, scene: Webcam) -> None:
    """Operational, told as cancelled; the switch is thrown only when the hotend is below 50 degrees."""
    configure(server, action="cancel", power_off=True)
    begin(server, scene, hot=80)
    eventually(lambda: server.printer_state() == "Operational", 90.0, "the cancel")
    eventually(lambda: "It was cancelled because it failed." in server.plugin_status()["sentence"], 20.0, "the sentence")
    state = json.loads((Path(server.plugin_status()["incident_folder"]) / "state.json").read_text(encoding="utf-8"))
    assert [one["state"] for one in state["states"]] == ["deciding", "acted", "closed"]
    assert not (server.base / "psu.txt").exists()
    eventually(lambda: (server.base / "psu.txt").exists(), 120.0, "the power going off")
    assert nozzle(server)["actual"] < 50.0
    eventually(lambda: "The printer's power is off." in server.log(), 20.0, "the word of the switch")
