"""Channels in a real OctoPrint: added, tested and removed over REST, used by a real print, and never told to anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect, sync_playwright

from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintError, OctoPrintServer
from demo.webcam import Webcam
from tests.e2e.browser import ANSWER_MS, CHROMIUM_FLAGS, OctoPrintPage, find_chromium
from tests.e2e.conftest import OCTOPRINT_VERSIONS, eventually, octoprint_python
from tests.receiver import Receiver

SECRET = "hunter2hunter2hunter2"
ROUTES = (
    ("GET", "channels"),
    ("POST", "channels"),
    ("DELETE", "channels/x"),
    ("POST", "channels/test"),
    ("DELETE", "mqtt_password"),
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module", params=OCTOPRINT_VERSIONS)
def server(request: pytest.FixtureRequest, camera: Webcam, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OctoPrintServer]:
    """Return an OctoPrint of each version whose plugin finds no inference server: messages do not need one."""
    settings = {"servers": ["127.0.0.1:1"], "interval": 0.5, "deadline": 0.5}
    base = tmp_path_factory.mktemp("octoprint")
    with OctoPrintServer(octoprint_python(request.param), base, camera.url, {"spaghetti": settings}) as running:
        yield running


@pytest.fixture(autouse=True)
def no_channels(server: OctoPrintServer, receiver: Receiver) -> Iterator[None]:
    """Leave no channel and no request to the next test."""
    yield
    for channel in channels(server):
        call(server, "DELETE", f"channels/{channel['id']}")
    receiver.requests.clear()


def call(server: OctoPrintServer, method: str, path: str, **body: Any) -> dict[str, Any]:
    return dict(server.api(method, f"/plugin/spaghetti/{path}", json=body).json())


def channels(server: OctoPrintServer) -> list[dict[str, Any]]:
    return list(call(server, "GET", "channels")["channels"])


def save(server: OctoPrintServer, **settings: Any) -> None:
    server.api("POST", "/api/settings", json={"plugins": {"spaghetti": settings}})


def test_a_channel_is_added_tested_and_removed(server: OctoPrintServer, receiver: Receiver) -> None:
    """The list shows the service and how the last try went; the test arrives like a real message."""
    added = call(server, "POST", "channels", address=receiver.address(f"hook/{SECRET}"))["channels"]
    assert [(channel["shown"], channel["succeeded_at"], channel["problem"]) for channel in added] == [("json://\u2026", None, "")]
    assert call(server, "POST", "channels/test", id=added[0]["id"]) == {"problem": ""}
    assert receiver.received(f"hook/{SECRET}")[0].json["title"] == "Test of a message"
    eventually(lambda: channels(server)[0]["succeeded_at"], 60.0, "the success in the list")
    assert call(server, "DELETE", f"channels/{added[0]['id']}")["channels"] == []


def test_a_channel_can_be_tested_before_it_is_added(server: OctoPrintServer, receiver: Receiver) -> None:
    """Nothing is stored; what fails says why."""
    assert call(server, "POST", "channels/test", address=receiver.address("hook")) == {"problem": ""}
    assert "500" in call(server, "POST", "channels/test", address=receiver.address("fail"))["problem"]
    assert channels(server) == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        pytest.param(f"lasagne://{SECRET}", "does not know this address", id="a service that nobody knows"),
        pytest.param("discord://only-one-part", "does not know this address", id="a service with half its address"),
        pytest.param(f"hooks.example.com/{SECRET}", "is no address such as", id="no scheme"),
        pytest.param(f"file:/nonexistent/{SECRET}", "cannot be read", id="a file that is not there"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_when_it_is_added(server: OctoPrintServer, address: str, said: str) -> None:
    """Status 400 with the field and a sentence, which does not quote the address."""
    with pytest.raises(OctoPrintError, match=rf"(?s)400.*{said}") as refusal:
        call(server, "POST", "channels", address=address)
    assert SECRET not in str(refusal.value)
    assert channels(server) == []


def test_a_print_that_ends_sends_its_summary_with_a_link(server: OctoPrintServer, receiver: Receiver) -> None:
    """From OctoPrint's event to the phone: the message says how much of the print was seen."""
    call(server, "POST", "channels", address=receiver.address("phone"))
    save(server, summaries=True, link_base="http://octopi.local/")
    server.upload_and_print("benchy.gcode", print_lasting(minutes=30))
    eventually(lambda: server.plugin_status()["verdict"] != "off", 60.0, "the watch")
    server.job("cancel")
    eventually(lambda: receiver.received("phone"), 60.0, "the message")
    message = receiver.received("phone")[0].json
    assert message["title"] == "Print ended: benchy.gcode"
    assert re.fullmatch(r"Protected \d+ % of .*\nhttp://octopi\.local/#tab_plugin_spaghetti", message["message"], re.DOTALL)
    save(server, summaries=False, link_base="")


def test_secrets_reach_no_browser_and_no_log(server: OctoPrintServer, receiver: Receiver) -> None:
    """Planted as a failing channel and as the broker's password, and searched wherever a browser or a log could have them."""
    call(server, "POST", "channels", address=receiver.address(f"fail/{SECRET}"))
    save(server, mqtt_password=SECRET, mqtt_host="127.0.0.1", mqtt_port=1, mqtt_user="printer")
    save(server, mqtt_password="", channels=[])  # empty means: keep
    save(server, channels=[f"nonsense {SECRET}"])  # refused
    assert SECRET not in str(call(server, "POST", "channels/test", id=channels(server)[0]["id"]))
    eventually(lambda: "cannot be reached" in call(server, "GET", "channels")["mqtt"]["problem"], 60.0, "the broker's problem")
    assert call(server, "GET", "channels")["mqtt"]["password_stored"]
    assert (server.base / "config.yaml").read_text().count(SECRET) == 2
    for path in ("/", "/api/settings", "/plugin/spaghetti/channels", "/plugin/spaghetti/status", "/plugin/spaghetti/incidents"):
        assert SECRET not in server.api("GET", path).text, path
    logs = [server.log_path, *(server.base / "logs").glob("*")]
    assert all(SECRET not in log.read_text(errors="replace") for log in logs)
    call(server, "DELETE", "mqtt_password")
    save(server, mqtt_host="", mqtt_user="")
    assert not call(server, "GET", "channels")["mqtt"]["password_stored"]
    assert "Traceback" not in server.log_path.read_text()


def test_without_rights_nothing_is_shown_or_done(server: OctoPrintServer, receiver: Receiver) -> None:
    """A guest gets neither the list nor a test; nothing is a 500."""
    for method, path in ROUTES:
        body = {"address": receiver.address("guest")}
        answer = requests.request(method, f"{server.url}/plugin/spaghetti/{path}", json=body, timeout=10)
        assert answer.status_code in (400, 401, 403), (path, answer.status_code)
    assert receiver.requests == []


@pytest.mark.parametrize("body", [{}, {"address": 7}, {"id": None}, {"id": "nonesuch"}])
def test_a_body_that_makes_no_sense_is_answered_with_a_4xx(server: OctoPrintServer, body: dict[str, Any]) -> None:
    """The test route never answers 500."""
    with pytest.raises(OctoPrintError, match=r"(400|404)"):
        call(server, "POST", "channels/test", **body)


def test_the_settings_page_adds_tests_and_removes(server: OctoPrintServer, receiver: Receiver, tmp_path: Path) -> None:
    """In a real browser: a refusal stands at the field, Enter adds, Test says how it went, Remove empties the list."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not installed; run scripts/test")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS)) as browser,
    ):
        opened = OctoPrintPage.of(browser, server)
        opened.open_settings()
        page, field = opened.page, opened.input("channels")
        rows = page.locator(".spaghetti_channels > li")
        field.fill("lasagne://x")
        page.click("#spaghetti_channel_add")
        expect(opened.problem("channels")).to_contain_text("does not know this address")
        field.fill(receiver.address(f"browser/{SECRET}"))
        expect(opened.problem("channels")).to_be_hidden()
        field.press("Enter")
        expect(rows).to_have_count(1)
        expect(field).to_have_value("")
        expect(rows).to_contain_text("json://\u2026")
        rows.get_by_role("button", name="Test").click()
        expect(opened.setting("channels")).to_contain_text("Sent.", timeout=ANSWER_MS)
        assert receiver.received(f"browser/{SECRET}")
        opened.setting("channels").scroll_into_view_if_needed()
        opened.setting("channels").locator("xpath=ancestor::fieldset").screenshot(path=str(tmp_path / "channels.png"))
        assert SECRET not in page.content()
        rows.get_by_role("button", name="Remove").click()
        expect(rows).to_have_count(0)
        expected = "Failed to load resource: the server responded with a status of 400"  # the refusal above
        assert [error for error in opened.errors if not error.startswith(expected)] == []
        opened.close()
