"""A real mosquitto, an independent client, and our side of the line: first the thread alone, then OctoPrint whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintServer, configuration
from demo.webcam import Webcam
from octoprint_spaghetti.core.home_assistant import COMMANDS
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame, Notice, NoticeKind, Protection, ProtectionLevel, Status, Verdict
from octoprint_spaghetti.notices import Notices
from tests.certificates import Authority
from tests.e2e.conftest import OCTOPRINT_VERSIONS, eventually, octoprint_python
from tests.e2e.mosquitto import Listener, Mosquitto
from tests.e2e.ports import free_port

pytest.importorskip("paho.mqtt.client")

BASE = "home/printer1"
KEPT = ("status", "details", "picture", "availability")
PASSWORD = "hunter2hunter2"
FRAME = Frame(b"\xff\xd8one\xff\xd9", 0.0, "camera")
WATCHING = Status(
    verdict=Verdict.WATCHING,
    protection=Protection(ProtectionLevel.REMOTE, 0.0),
    sentence="All is well.",
    score=0.02,
    picture_number=1,
)


@dataclass
class Side:
    """Our side: notices with settings for the broker, and the commands that came."""

    port: int
    notices: Notices | None = None
    obeyed: list[str] = field(default_factory=list)

    def open(self, **settings: Any) -> Notices:
        wanted = {"mqtt_host": "127.0.0.1", "mqtt_port": self.port, "mqtt_topic": BASE, **settings}
        self.notices = Notices(
            Settings(**wanted),
            picture_of=lambda incident: None,
            obey=self.obeyed.append,
            drawn=lambda jpeg, detections: jpeg + b"boxes",
            printer="Left one",
            version="1.2.3",
        )
        self.notices.start()
        return self.notices

    def settings(self, **changes: Any) -> Settings:
        assert self.notices is not None
        return replace(self.notices._settings, **changes)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, free_port()) as running:
        yield running


@pytest.fixture
def side(broker: Mosquitto) -> Iterator[Side]:
    opened = Side(broker.port)
    yield opened
    if opened.notices is not None:
        opened.notices.stop()


def connected(notices: Notices) -> Callable[[], bool]:
    return lambda: notices.report.mqtt_connected


def found_later(broker: Mosquitto, buttons: int = 0) -> dict[str, bytes]:
    """Return what is kept of one printer, once all of it is published; it comes in no order that could be counted on."""

    def is_all(topics: Collection[str]) -> bool:
        entities = [topic for topic in topics if topic.startswith("homeassistant/")]
        return len(entities) >= 8 + buttons and {f"{BASE}/{name}" for name in KEPT} <= set(topics)

    with Listener(broker.port) as witness:
        eventually(lambda: is_all({message.topic for message in witness.messages}), 30.0, "all that is published")
    with Listener(broker.port) as late:
        eventually(lambda: is_all(late.retained()), 30.0, "all that is kept")
        return late.retained()


def test_whoever_comes_later_finds_everything(side: Side, broker: Mosquitto) -> None:
    """Status, details, picture, availability and discovery are retained, with the payloads that the page promises."""
    notices = side.open(mqtt_commands=True)
    notices.show(WATCHING, FRAME)
    eventually(connected(notices), 30.0, "the connection")
    kept = found_later(broker, buttons=len(COMMANDS))
    status = json.loads(kept[f"{BASE}/status"])
    assert list(status) == ["timestamp", "print_failed", "description"]
    assert (status["print_failed"], status["description"]) == (False, "All is well.")
    assert json.loads(kept[f"{BASE}/details"]) == json.loads(json.dumps(WATCHING.as_json()))
    assert kept[f"{BASE}/picture"] == FRAME.jpeg
    assert kept[f"{BASE}/availability"] == b"online"
    entities = [json.loads(payload) for topic, payload in kept.items() if topic.startswith("homeassistant/")]
    assert len(entities) == 8 + len(COMMANDS)
    assert {entity["device"]["name"] for entity in entities} == {"Left one"}
    topics = {entity.get("state_topic") or entity.get("image_topic") or entity.get("command_topic") for entity in entities}
    assert topics == {f"{BASE}/{name}" for name in ("status", "details", "picture", "event", "command")}


def test_each_cycle_is_one_status_and_pictures_are_few(side: Side, broker: Mosquitto) -> None:
    """Three statuses, two pictures: the first, and the one of a new incident; the others come too soon. The failing ones have boxes."""
    notices = side.open(mqtt_picture_interval=3600.0)
    eventually(connected(notices), 30.0, "the connection")
    with Listener(broker.port) as listener:
        eventually(lambda: listener.heard(f"{BASE}/availability"), 30.0, "the subscription")
        for number, incident in ((1, None), (2, None), (3, "one")):
            status = replace(WATCHING, picture_number=number, incident=incident, verdict=Verdict.FAILING)
            notices.show(status, Frame(b"\xff\xd8%d\xff\xd9" % number, 0.0, "camera"))
            eventually(lambda number=number: len(listener.heard(f"{BASE}/status")) == number, 30.0, f"status {number}")
        eventually(lambda: len(listener.heard(f"{BASE}/picture")) == 2, 30.0, "the pictures")
        assert listener.heard(f"{BASE}/picture") == [b"\xff\xd81\xff\xd9boxes", b"\xff\xd83\xff\xd9boxes"]
        assert json.loads(listener.heard(f"{BASE}/status")[-1])["print_failed"] is True


def test_a_notice_is_an_event_that_is_not_kept(side: Side, broker: Mosquitto) -> None:
    """Its payload is that of OctoPrint's bus; who comes later must not think that it happens now."""
    notices = side.open()
    eventually(connected(notices), 30.0, "the connection")
    notice = Notice(NoticeKind.FAILURE, "Spaghetti.", "one", "Why.", 0.81, 0.62, 0.97, "pause", "benchy.gcode")
    with Listener(broker.port) as listener:
        eventually(lambda: listener.heard(f"{BASE}/availability"), 30.0, "the subscription")
        notices.tell(notice)
        eventually(lambda: listener.heard(f"{BASE}/event"), 30.0, "the event")
        assert json.loads(listener.heard(f"{BASE}/event")[0]) == {"event_type": "failure_detected", **notice.as_json()}
    with Listener(broker.port) as late:
        eventually(lambda: late.heard(f"{BASE}/availability"), 30.0, "what is kept")
        assert late.heard(f"{BASE}/event") == []


def test_a_goodbye_is_said(side: Side, broker: Mosquitto) -> None:
    """Stopped in order, the printer is offline at once, without a last will."""
    notices = side.open()
    eventually(connected(notices), 30.0, "the connection")
    notices.stop()
    with Listener(broker.port) as listener:
        eventually(lambda: listener.heard(f"{BASE}/availability")[-1:] == [b"offline"], 30.0, "offline")
    with Listener(broker.port) as late:
        eventually(lambda: late.retained().get(f"{BASE}/availability") == b"offline", 30.0, "offline, kept")


def test_a_broker_that_restarts_is_found_again(side: Side, broker: Mosquitto) -> None:
    """It had forgotten everything; the connection comes back by itself, and with it all that is retained."""
    notices = side.open()
    notices.show(WATCHING, FRAME)
    eventually(connected(notices), 30.0, "the connection")
    broker.stop()
    eventually(lambda: notices.report.mqtt_problem, 30.0, "the loss")
    notices.show(replace(WATCHING, sentence="Said while the broker was away."), FRAME)
    broker.start()
    eventually(connected(notices), 60.0, "the connection again")
    assert json.loads(found_later(broker)[f"{BASE}/status"])["description"] == "Said while the broker was away."


def test_no_broker_is_no_trouble(side: Side, broker: Mosquitto) -> None:
    """Down at the start, it is named; once it is there it is used."""
    broker.stop()
    notices = side.open()
    eventually(lambda: "cannot be reached" in notices.report.mqtt_problem, 30.0, "the problem in words")
    broker.start()
    eventually(connected(notices), 60.0, "the connection")
    assert notices.report.mqtt_problem == ""


def test_commands_are_obeyed_once_and_only_fresh_ones(side: Side, broker: Mosquitto) -> None:
    """A retained "pause" of last week moves no printer, an unknown word does nothing."""
    with Listener(broker.port) as listener:
        listener.say(f"{BASE}/command", "pause", retain=True)
        side.open(mqtt_commands=True)
        eventually(lambda: listener.heard(f"{BASE}/availability"), 30.0, "what is sent after the subscription")
        for word in ("explode", "\0" * 1000, "mute", "false_alarm"):
            listener.say(f"{BASE}/command", word)
        eventually(lambda: len(side.obeyed) == 2, 30.0, "the commands")
        assert side.obeyed == ["mute", "false_alarm"]


def test_without_permission_no_command_is_taken(side: Side, broker: Mosquitto) -> None:
    """The default: the topic is not even subscribed to, and Home Assistant shows no button; allowed later, it is and does."""
    notices = side.open()
    eventually(connected(notices), 30.0, "the connection")
    with Listener(broker.port) as listener:
        listener.say(f"{BASE}/command", "pause")
        eventually(lambda: listener.heard(f"{BASE}/availability"), 30.0, "what is kept")
        assert not any("/button/" in topic and payload for topic, payload in listener.retained().items())
        notices.configure(side.settings(mqtt_commands=True))
        eventually(lambda: any("/button/" in message.topic and message.payload for message in listener.messages), 30.0, "buttons")
        listener.say(f"{BASE}/command", "mute")
        eventually(lambda: side.obeyed, 30.0, "the command")
    assert side.obeyed == ["mute"]


def test_home_assistant_forgets_what_is_switched_off_or_moved(side: Side, broker: Mosquitto) -> None:
    """Nothing stale stays in its list of devices."""
    notices = side.open()
    eventually(connected(notices), 30.0, "the connection")
    for change in ({"mqtt_topic": "home/other"}, {"mqtt_discovery": False}):
        notices.configure(side.settings(**change))
        before = BASE if "mqtt_topic" in change else "home/other"
        eventually(lambda before=before: announced(broker, before) == [], 30.0, f"nothing of {before} in Home Assistant")
        if "mqtt_topic" in change:
            eventually(lambda: announced(broker, "home/other"), 30.0, "the new place")


def announced(broker: Mosquitto, base: str) -> list[str]:
    """Return the entities that Home Assistant finds for a base topic."""
    with Listener(broker.port) as listener:
        listener.say("test/done", "yes", retain=True)
        eventually(lambda: listener.heard("test/done"), 30.0, "all that is kept")
        return [topic for topic, payload in listener.retained().items() if f'"{base}/' in payload.decode("utf-8", "replace")]


def test_a_wrong_password_is_said_and_the_right_one_used(tmp_path: Path) -> None:
    """The broker refuses; the problem says what to check and not what was sent. A file may hold the password."""
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not installed; run scripts/test")
    port = free_port()
    line = Mosquitto(tmp_path, port).add_password("printer", PASSWORD)
    side = Side(port)
    with Mosquitto(tmp_path, port, "allow_anonymous false", line):
        notices = side.open(mqtt_user="printer", mqtt_password="wrong-" + PASSWORD)
        try:
            eventually(lambda: "user name and password" in notices.report.mqtt_problem, 30.0, "the refusal")
            assert PASSWORD not in notices.report.mqtt_problem
            (tmp_path / "secret").write_text(PASSWORD + "\n")
            notices.configure(side.settings(mqtt_password=f"file:{tmp_path / 'secret'}"))
            eventually(connected(notices), 30.0, "the connection")
        finally:
            notices.stop()


def test_tls_is_verified(tmp_path: Path) -> None:
    """An authority we do not know and a name that is not in the certificate are refused; the right ones connect."""
    authority = Authority.make(tmp_path)
    port, side = free_port(), Side(0)
    side.port = port
    certificate, key = authority.server("localhost")
    with Mosquitto(tmp_path, port, f"certfile {certificate}", f"keyfile {key}"):
        notices = side.open(mqtt_tls=True, mqtt_host="localhost")
        try:
            eventually(lambda: "is not trusted" in notices.report.mqtt_problem, 30.0, "the refusal of the authority")
            notices.configure(side.settings(mqtt_certificate=str(authority.certificate), mqtt_host="127.0.0.1"))
            eventually(lambda: "is not trusted" in notices.report.mqtt_problem, 30.0, "the refusal of the name")
            notices.configure(side.settings(mqtt_certificate=str(tmp_path / "none.pem")))
            eventually(lambda: "cannot be read" in notices.report.mqtt_problem, 30.0, "the missing file")
            notices.configure(side.settings(mqtt_certificate=str(authority.certificate), mqtt_host="localhost"))
            eventually(connected(notices), 30.0, "the connection")
        finally:
            notices.stop()


# -- OctoPrint whole ----------------------------------------------------------------------------------------------------


@contextmanager
def octoprint(version: str, base: Path, camera: Webcam, port: int) -> Iterator[OctoPrintServer]:
    """Run an OctoPrint whose plugin knows the broker, and which writes down an event of its bus; no inference server."""
    settings = {"servers": ["127.0.0.1:1"], "interval": 0.5, "deadline": 0.5, "warm_up": 0.0}
    broker = {"mqtt_host": "127.0.0.1", "mqtt_port": port, "mqtt_topic": BASE, "mqtt_commands": True, "mqtt_password": PASSWORD}
    plugins = {"spaghetti": {**settings, **broker}}
    server = OctoPrintServer(octoprint_python(version), base, camera.url, plugins)
    command = f"echo '{{detail}}|{{print}}|{{action}}|{{sentence}}' > {base}/event"
    heard = {"event": "plugin_spaghetti_print_started", "type": "system", "command": command, "enabled": True}
    config = {**configuration(server.port, camera.url, plugins), "events": {"enabled": True, "subscriptions": [heard]}}
    (base / "config.yaml").write_text(json.dumps(config))
    with server:
        yield server


@pytest.mark.parametrize("version", OCTOPRINT_VERSIONS)
def test_a_print_is_seen_and_steered_over_mqtt(version: str, broker: Mosquitto, camera: Webcam, tmp_path: Path) -> None:
    """Statuses and events of a real print; pause, resume and mute by command; the bus has the same payload; at last the will."""
    with octoprint(version, tmp_path, camera, broker.port) as server, Listener(broker.port) as listener:
        eventually(lambda: listener.heard(f"{BASE}/availability")[-1:] == [b"online"], 30.0, "online")
        server.upload_and_print("test.gcode", print_lasting(minutes=30))
        eventually(lambda: events(listener, "print_started"), 30.0, "the event")
        assert events(listener, "print_started")[0]["print"] == "test.gcode"
        eventually(lambda: (tmp_path / "event").exists() and (tmp_path / "event").read_text(), 30.0, "the event on the bus")
        assert (tmp_path / "event").read_text().strip() == "|test.gcode||The print is watched."
        for command, state in (("pause", "Paused"), ("resume", "Printing")):
            listener.say(f"{BASE}/command", command)
            eventually(lambda state=state: server.printer_state() == state, 30.0, state)
        listener.say(f"{BASE}/command", "mute")
        eventually(lambda: json.loads(listener.heard(f"{BASE}/details")[-1])["muted"], 30.0, "muted")
        assert PASSWORD not in server.log_path.read_text()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: listener.heard(f"{BASE}/availability")[-1] == b"offline", 30.0, "the last will")


def events(listener: Listener, kind: str) -> list[dict[str, Any]]:
    """Return the events of a kind."""
    payloads = [json.loads(payload) for payload in listener.heard(f"{BASE}/event")]
    return [payload for payload in payloads if payload["event_type"] == kind]
