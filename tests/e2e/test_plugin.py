"""The plugin in a real OctoPrint that prints: what it says and does when the camera or the server misbehaves."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintError, OctoPrintServer
from demo.webcam import Mode, Webcam
from inference_server.triton import TritonServer
from octoprint_spaghetti.watch import IDLE_POLL_S
from tests.e2e.conftest import a_print, eventually
from tests.e2e.ports import free_port

#: What OctoPrint's API may take while a fault is on; it takes about 10 ms, and a blocked event loop seconds.
ANSWERS_WITHIN_S = 1.0


#: Every route of the plugin.
ROUTES = (
    ("GET", "status"),
    ("GET", "frame.jpg"),
    ("GET", "incidents"),
    ("GET", "incidents/a/b"),
    ("GET", "token"),
    ("DELETE", "token"),
    ("POST", "false_alarm"),
    ("POST", "mute"),
    ("POST", "test"),
    ("GET", "diagnostics.zip"),
    ("GET", "drill"),
    ("POST", "drill"),
)


def sentence(octoprint: OctoPrintServer) -> str:
    return str(octoprint.plugin_status()["sentence"])


def save(octoprint: OctoPrintServer, **settings: Any) -> None:
    octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": settings}})


def run_test(octoprint: OctoPrintServer, **settings: Any) -> dict[str, Any]:
    """Press the Test button with unsaved settings."""
    return dict(octoprint.api("POST", "/plugin/spaghetti/test", json=settings).json())


def assert_quick(octoprint: OctoPrintServer) -> None:
    """OctoPrint's own API answers while the watcher waits for something."""
    times = []
    for _ in range(10):
        started = time.monotonic()
        octoprint.printer_state()
        times.append(time.monotonic() - started)
    assert statistics.median(times) < ANSWERS_WITHIN_S


def assert_watched_and_untouched(octoprint: OctoPrintServer) -> None:
    """New answers come, and the print was not paused."""
    answers = octoprint.plugin_status()["answers"]
    eventually(lambda: octoprint.plugin_status()["answers"] > answers + 1, 60.0, "new answers")
    status = octoprint.plugin_status()
    assert status["printer_state"] == "PRINTING"
    assert status["protection"]["level"] == "remote"


def test_it_loads_watches_and_says_so(any_octoprint: OctoPrintServer) -> None:
    """In each OctoPrint version: off when idle, remote protection and answers while printing, off after the job."""
    assert any_octoprint.plugin_status()["verdict"] == "off"
    with a_print(any_octoprint):
        assert_watched_and_untouched(any_octoprint)
        frame = any_octoprint.api("GET", "/plugin/spaghetti/frame.jpg")
        assert frame.headers["Content-Type"] == "image/jpeg"
        assert frame.content[:2] == b"\xff\xd8"
    eventually(lambda: any_octoprint.plugin_status()["verdict"] == "off", 60.0, "the end of the watch")
    log = any_octoprint.log_path.read_text()
    assert "Traceback" not in log


def test_the_test_button_shows_every_step(any_octoprint: OctoPrintServer, triton: TritonServer) -> None:
    """One picture goes through camera, server and model; each step has its time."""
    report = run_test(any_octoprint)
    assert report["passed"], report
    names = [step["name"] for step in report["steps"]]
    assert [name for name in names if name != "fallback"] == ["set up", "camera", "connect", "look", "decide", "pause"]
    assert all(step["ms"] >= 0 and not step["problem"] for step in report["steps"])
    assert 0.0 <= report["score"] <= 1.0
    assert triton.target in report["detector"]


@pytest.mark.parametrize(
    ("settings", "step", "said"),
    [
        pytest.param({"servers": "127.0.0.1:1"}, "connect", "No inference server answers", id="nothing at the address"),
        pytest.param({"model": "lasagne"}, "connect", "check the model's name|has no model", id="unknown model"),
        pytest.param({"camera": "nonesuch"}, "camera", "no webcam named", id="unknown camera"),
        pytest.param({"detector": "local"}, "set up", r"\[edge\]", id="local detector that is not installed"),
        pytest.param({"certificate": "/nonexistent.pem", "tls": True}, "set up", "cannot be read", id="no such certificate"),
    ],
)
def test_the_test_button_says_where_the_chain_ends(
    octoprint: OctoPrintServer, settings: dict[str, Any], step: str, said: str
) -> None:
    """The last step shown is the one that failed, with the sentence that says what to do."""
    report = run_test(octoprint, **settings)
    assert not report["passed"]
    assert report["steps"][-1]["name"] == step
    assert re.search(said, report["steps"][-1]["problem"])


def test_the_test_button_refuses_a_value_out_of_range(octoprint: OctoPrintServer) -> None:
    """An unsaved value that cannot be is answered with 400 and its sentence."""
    with pytest.raises(OctoPrintError, match=r"(?s)400.*from 0\.5 to 60 s"):
        run_test(octoprint, interval=0)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        pytest.param(Mode.HTML200, "web page", id="a login page with status 200"),
        pytest.param(Mode.TRUNCATE, "cut off|broke off", id="half a picture"),
        pytest.param(Mode.HUGE, "more than 10 MB", id="20 MB"),
        pytest.param(Mode.TRICKLE, "more than 6 s", id="a trickle"),
        pytest.param(Mode.HANG, "hangs", id="a camera that hangs"),
        pytest.param(Mode.HTTP500, "status 500", id="status 500"),
        pytest.param(Mode.BLACK, "too dark", id="the lamp is off"),
    ],
)
def test_a_camera_that_misbehaves_is_named_and_the_print_goes_on(
    printing: OctoPrintServer, camera: Webcam, mode: Mode, said: str
) -> None:
    """The status says in one sentence what is wrong, OctoPrint answers as before, and watching resumes by itself."""
    camera.mode = mode
    eventually(lambda: re.search(said, sentence(printing)), 60.0, f"a sentence with {said!r}")
    assert_quick(printing)
    assert printing.printer_state() == "Printing"
    camera.mode = Mode.OK
    eventually(lambda: printing.plugin_status()["protection"]["level"] == "remote", 60.0, "protection again")
    assert_watched_and_untouched(printing)


def test_blind_is_said_once_it_lasts(printing: OctoPrintServer, camera: Webcam) -> None:
    """After more than ten seconds without a picture the verdict is blind, the protection gone, the print untouched."""
    camera.mode = Mode.HTML200
    eventually(lambda: printing.plugin_status()["verdict"] == "blind", 60.0, "blind")
    assert printing.plugin_status()["protection"]["level"] == "unprotected"
    assert printing.printer_state() == "Printing"


@pytest.fixture
def own_server(
    start_triton: Callable[..., TritonServer], octoprint: OctoPrintServer, triton: TritonServer
) -> Iterator[TritonServer]:
    """Point the plugin to a Triton that may be broken, and back again."""
    server = start_triton()
    save(octoprint, servers=[server.target])
    yield server
    save(octoprint, servers=[triton.target], transport="stream", model="spaghetti")


@pytest.mark.parametrize("transport", ["stream", "unary"])
def test_triton_killed_and_restarted_in_mid_print(
    own_server: TritonServer, start_triton: Callable[..., TritonServer], octoprint: OctoPrintServer, transport: str
) -> None:
    """The status says that nothing answers; when Triton is back the same print is watched again, by itself."""
    save(octoprint, transport=transport)
    with a_print(octoprint):
        own_server.stop()
        eventually(lambda: "No inference server answers" in sentence(octoprint), 60.0, "the sentence about the dead server")
        assert_quick(octoprint)
        start_triton(own_server.addresses.grpc_port)
        assert_watched_and_untouched(octoprint)


def test_triton_down_at_the_start(
    start_triton: Callable[..., TritonServer], octoprint: OctoPrintServer, triton: TritonServer
) -> None:
    """A print that begins without a server is printed, shown as unprotected, and watched as soon as there is one."""
    port = free_port("127.0.0.1")
    save(octoprint, servers=[f"127.0.0.1:{port}"])
    octoprint.upload_and_print("test.gcode", print_lasting(minutes=30))
    try:
        eventually(lambda: octoprint.plugin_status()["protection"]["level"] == "unprotected", 60.0, "unprotected")
        eventually(lambda: "check the address" in sentence(octoprint), 60.0, "the sentence about the address")
        assert octoprint.printer_state() == "Printing"
        start_triton(port)
        assert_watched_and_untouched(octoprint)
    finally:
        octoprint.job("cancel")
        save(octoprint, servers=[triton.target])
        eventually(lambda: octoprint.printer_state() == "Operational", 60.0, "the end of the job")


def test_an_unknown_model_in_mid_print(printing: OctoPrintServer) -> None:
    """Saved in mid-print, a wrong model name is named; the right one heals it without a restart."""
    save(printing, model="lasagne")
    eventually(lambda: "check the model's name" in sentence(printing), 60.0, "the sentence about the model")
    save(printing, model="spaghetti")
    assert_watched_and_untouched(printing)


def test_a_print_can_be_muted(printing: OctoPrintServer) -> None:
    """The switch is in the status at once, goes both ways, and takes nothing but on and off."""
    printing.api("POST", "/plugin/spaghetti/mute", json={"on": True})
    eventually(lambda: printing.plugin_status()["muted"], 60.0, "muted")
    printing.api("POST", "/plugin/spaghetti/mute", json={"on": False})
    eventually(lambda: not printing.plugin_status()["muted"], 60.0, "not muted")
    with pytest.raises(OctoPrintError, match="400"):
        printing.api("POST", "/plugin/spaghetti/mute", json={"on": "yes"})


def test_a_false_alarm_leaves_a_pause_of_somebody_else_alone(printing: OctoPrintServer) -> None:
    """A print that its owner paused, for a filament change say, is not set going by our button."""
    printing.job("pause", "pause")
    eventually(lambda: printing.printer_state() == "Paused", 60.0, "the pause")
    printing.api("POST", "/plugin/spaghetti/false_alarm", json={})
    time.sleep(2.0)
    assert printing.printer_state() == "Paused"
    printing.job("pause", "resume")
    eventually(lambda: printing.printer_state() == "Printing", 60.0, "the print going on")


def test_a_file_sent_to_the_printers_card_is_no_print(any_octoprint: OctoPrintServer) -> None:
    """OctoPrint says PRINTING meanwhile, in each version; the watch stays off, and there is nothing that it could pause."""
    gcode = "G1 X10 Y10 E0.1\n" * 60_000
    card = "sdcard" if any_octoprint.version().startswith("1.") else "printer"
    any_octoprint.api("POST", f"/api/files/{card}", files={"file": ("toprinter.gcode", gcode)})
    eventually(lambda: any_octoprint.api("GET", "/api/printer").json()["state"]["flags"]["printing"], 30.0, "the upload")
    try:
        eventually(lambda: any_octoprint.plugin_status()["printer_state"] == "TRANSFERRING_FILE", 30.0, "what it is")
        for _ in range(2 * int(IDLE_POLL_S)):
            assert any_octoprint.plugin_status()["verdict"] == "off"
            time.sleep(1.0)
        assert any_octoprint.api("GET", "/api/printer").json()["state"]["flags"]["printing"], "a longer file is needed"
    finally:
        any_octoprint.job("cancel")
        eventually(lambda: any_octoprint.printer_state() == "Operational", 60.0, "the end of the upload")


def test_settings_that_cannot_be_are_not_stored(octoprint: OctoPrintServer) -> None:
    """OctoPrint stores what it is given; we keep the old value instead, and what was valid in the same save."""
    save(octoprint, interval="abc", suspect_interval=1.5)
    stored = octoprint.api("GET", "/api/settings").json()["plugins"]["spaghetti"]
    assert stored["interval"] == 0.5
    assert stored["suspect_interval"] == 1.5
    save(octoprint, suspect_interval=0.5)


def test_the_token_reaches_no_browser(octoprint: OctoPrintServer) -> None:
    """Stored once, it is in no settings answer, no page, no log and no status, and an empty field keeps it."""
    secret = "s3cr3t-T0k3n-of-this-printer"
    save(octoprint, token=secret)
    save(octoprint, token="")
    config = (octoprint.base / "config.yaml").read_text()
    assert secret in config
    for path in ("/api/settings", "/plugin/spaghetti/status", "/", "/plugin/spaghetti/incidents"):
        assert secret not in octoprint.api("GET", path).text, path
    run_test(octoprint)
    assert secret not in octoprint.log_path.read_text()


def test_without_rights_nothing_is_shown(octoprint: OctoPrintServer) -> None:
    """A guest gets no status, no picture, no incident and no test; nothing is a 500."""
    for method, path in (
        ("GET", "status"),
        ("GET", "frame.jpg"),
        ("GET", "incidents"),
        ("GET", "incidents/a/b"),
        ("POST", "test"),
    ):
        answer = requests.request(method, f"{octoprint.url}/plugin/spaghetti/{path}", timeout=10)
        assert answer.status_code in (400, 401, 403), (path, answer.status_code)
