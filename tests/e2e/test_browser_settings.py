"""The settings page in a real Chromium: every setting, the slider, the zones, the numbers, the file, and what is locked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.octoprint_server import OctoPrintError, OctoPrintServer
from demo.webcam import Webcam
from inference_server.triton import TritonServer
from tests.e2e.conftest import OCTOPRINT_VERSIONS, octoprint_server

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import Browser, expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import ANSWER_MS, OctoPrintPage  # noqa: E402


def stored(octoprint: OctoPrintServer) -> dict:
    return octoprint.api("GET", "/api/settings").json()["plugins"]["spaghetti"]


def store(octoprint: OctoPrintServer, **settings: object) -> None:
    octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": settings}})


@pytest.fixture
def octoprint_of_page(any_octoprint: OctoPrintServer):
    """Return the OctoPrint of ``any_page``; its zones, numbers, slider and warm-up are put back afterwards."""
    yield any_octoprint
    store(any_octoprint, zones=[], numbers=[], sensitivity=5, warm_up=0)


def test_a_zone_is_drawn_by_its_corners_dragged_and_deleted(any_page: OctoPrintPage, octoprint_of_page: OctoPrintServer) -> None:
    """Three clicks and one on the first corner make a zone, which is saved in fractions of the picture and comes back."""
    page = any_page.page
    any_page.open_settings()
    any_page.run_test()
    page.wait_for_selector(".spaghetti_canvas .spaghetti_picture_loaded")  # until then the canvas has another height
    canvas = page.locator(".spaghetti_zones > svg")
    canvas.scroll_into_view_if_needed()
    room = canvas.bounding_box()
    for x, y in ((0.2, 0.2), (0.6, 0.2), (0.6, 0.7), (0.2, 0.2)):
        page.mouse.click(room["x"] + x * room["width"], room["y"] + y * room["height"])
    expect(page.locator(".spaghetti_zone")).to_have_count(1)
    corner = page.locator('[data-corner="0.2"]').bounding_box()
    page.mouse.move(corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2)
    page.mouse.down()
    page.mouse.move(room["x"] + 0.5 * room["width"], room["y"] + 0.9 * room["height"], steps=3)
    page.mouse.up()
    any_page.save_settings()
    (zone,) = stored(octoprint_of_page)["zones"]
    assert zone == [pytest.approx(corner, abs=0.01) for corner in ((0.2, 0.2), (0.6, 0.2), (0.5, 0.9))]
    any_page.open_settings()
    page.get_by_role("button", name="Delete zone 1").click()
    any_page.save_settings()
    assert stored(octoprint_of_page)["zones"] == []


def test_a_zone_over_everything_is_honoured_and_the_test_says_so(
    any_page: OctoPrintPage, octoprint_of_page: OctoPrintServer
) -> None:
    """What lies in a zone does not count, so a green test would promise a pause that never comes."""
    store(octoprint_of_page, zones=[[[0, 0], [1, 0], [1, 1], [0, 1]]])
    any_page.open_settings()
    assert "not even a clear failure" in any_page.run_test()
    assert any_page.steps()[-2:] == ["broken", "skipped"]
    any_page.page.get_by_role("button", name="Delete zone 1").click()
    assert any_page.run_test().startswith("Everything works")


def test_a_zone_is_made_with_the_keyboard_alone(any_page: OctoPrintPage, octoprint_of_page: OctoPrintServer) -> None:
    """A zone is added by a button; its corners are reached with Tab, moved with arrow keys and taken away with Delete."""
    page = any_page.page
    any_page.open_settings()
    any_page.run_test()
    page.locator("#spaghetti_zone_add").press("Enter")
    corner = page.locator('[data-corner="0.0"]')
    corner.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    expect(corner).to_be_focused()
    expect(corner).to_have_attribute("aria-label", "Zone 1, corner 1 at 33 % from the left, 33 % from the top")
    page.locator('[data-corner="0.1"]').focus()
    page.keyboard.press("Delete")
    any_page.save_settings()
    assert stored(octoprint_of_page)["zones"] == [[[0.33, 0.33], [0.65, 0.65], [0.35, 0.65]]]


@pytest.mark.parametrize(
    ("view", "seen"),
    [
        pytest.param({}, (0.1, 0.3), id="as it is"),
        pytest.param({"flipH": True}, (0.9, 0.3), id="flipped left to right"),
        pytest.param({"flipV": True}, (0.1, 0.7), id="flipped upside down"),
        pytest.param({"rotate90": True}, (0.3, 0.9), id="turned counter-clockwise"),
        pytest.param({"flipH": True, "rotate90": True}, (0.3, 0.1), id="flipped, then turned"),
        pytest.param({"flipH": True, "flipV": True, "rotate90": True}, (0.7, 0.1), id="all of it"),
    ],
)
def test_a_point_is_shown_where_its_place_is_seen_and_comes_back(
    shared_page: OctoPrintPage, view: dict[str, bool], seen: tuple[float, float]
) -> None:
    """Zones are kept as the camera takes the picture and drawn the way up in which OctoPrint shows it."""
    shown, back = shared_page.page.evaluate(
        """view => {
            const way = SpaghettiWebcams.view(view);
            const shown = SpaghettiWebcams.toShown([0.1, 0.3], way);
            return [shown, SpaghettiWebcams.toTaken(shown, way)];
        }""",
        view,
    )
    assert shown == pytest.approx(seen)
    assert back == pytest.approx([0.1, 0.3])


def test_the_slider_says_what_it_means(any_page: OctoPrintPage, octoprint_of_page: OctoPrintServer) -> None:
    """Each position names its levels, for eyes and for screen readers, and is saved as a number."""
    any_page.open_settings()
    slider = any_page.input("sensitivity")
    expect(any_page.page.locator(".spaghetti_meaning")).to_contain_text("failing from 0.55")
    slider.focus()
    any_page.page.keyboard.press("ArrowRight")
    expect(any_page.page.locator(".spaghetti_meaning")).to_contain_text("failing from 0.49")
    expect(slider).to_have_attribute("aria-valuetext", "6 of 9. " + any_page.page.locator(".spaghetti_meaning").inner_text())
    any_page.save_settings()
    assert stored(octoprint_of_page)["sensitivity"] == 6.0


def test_a_number_of_the_judge_is_changed_and_given_back(any_page: OctoPrintPage, octoprint_of_page: OctoPrintServer) -> None:
    """An expert's number is refused outside its range, saved inside it, and an empty field gives it back to the slider."""
    page = any_page.page
    any_page.open_settings()
    page.locator("#spaghetti_numbers > summary").click()
    field = page.locator("#spaghetti_number_window")
    expect(field).to_have_attribute("placeholder", "60")
    field.fill("5000")
    expect(page.locator("#spaghetti_number_window_problem")).to_contain_text("from 10 to 600 s")
    field.fill("90")
    any_page.save_settings()
    assert stored(octoprint_of_page)["numbers"] == [["window", 90.0]]
    any_page.open_settings()
    expect(page.locator("#spaghetti_numbers > summary")).to_contain_text("1 changed")
    expect(field).to_have_value("90")
    field.fill("")
    any_page.save_settings()
    assert stored(octoprint_of_page)["numbers"] == []


def test_a_refused_value_waits_at_its_field_to_be_put_right(any_page: OctoPrintPage, octoprint_of_page: OctoPrintServer) -> None:
    """After a save that was refused in part, the page opens with what was typed and why it is not saved."""
    any_page.open_settings()
    any_page.input("warm_up").fill("1000")
    any_page.save_settings()
    expect(any_page.page.locator(".ui-pnotify")).to_contain_text("from 0 to 600 s")
    any_page.open_settings()
    expect(any_page.input("warm_up")).to_have_value("1000")
    expect(any_page.problem("warm_up")).to_contain_text("from 0 to 600 s")
    any_page.input("warm_up").fill("30")
    expect(any_page.problem("warm_up")).to_be_hidden()
    any_page.save_settings()
    assert stored(octoprint_of_page)["warm_up"] == 30.0


def test_a_refusal_changes_nothing_on_another_page(
    browser: Browser, any_page: OctoPrintPage, octoprint_of_page: OctoPrintServer
) -> None:
    """The phone, which saved something this morning, hears of it and shows what is stored; it would save its own old value else."""
    store(octoprint_of_page, warm_up=40, interval=6)
    phone = OctoPrintPage.of(browser, octoprint_of_page)
    any_page.open_settings()
    any_page.input("warm_up").fill("1000")
    any_page.save_settings()
    expect(phone.page.locator(".ui-pnotify")).to_contain_text("from 0 to 600 s")
    phone.open_settings()
    expect(phone.input("warm_up")).to_have_value("40")
    expect(phone.problem("warm_up")).to_be_hidden()
    phone.input("interval").fill("7")
    phone.save_settings()
    assert (stored(octoprint_of_page)["warm_up"], stored(octoprint_of_page)["interval"]) == (40.0, 7.0)
    phone.close()


def test_settings_travel_in_a_file_without_secrets(
    any_page: OctoPrintPage, octoprint_of_page: OctoPrintServer, tmp_path: Path
) -> None:
    """What is exported holds no token; imported again it sets what is valid, and names what is not."""
    page = any_page.page
    store(octoprint_of_page, sensitivity=7, token="a-secret-of-this-test")
    any_page.open_settings()
    with page.expect_download() as download:
        page.click("#spaghetti_export")
    file = tmp_path / "settings.json"
    download.value.save_as(file)
    content = json.loads(file.read_text())
    assert content["settings"]["sensitivity"] == 7.0
    assert not {"token", "channels", "mqtt_password", "camera_url"} & content["settings"].keys()
    file.write_text(json.dumps({**content, "settings": {**content["settings"], "sensitivity": 3, "warm_up": -1}}))
    page.set_input_files("#spaghetti_import", file)
    expect(page.locator("#spaghetti_file_said")).to_contain_text("were taken over")
    expect(page.locator("#spaghetti_file_said")).to_contain_text("warm_up must be a number")
    assert stored(octoprint_of_page)["sensitivity"] == 3.0
    octoprint_of_page.api("DELETE", "/plugin/spaghetti/token")


def test_a_fire_drill_is_held_by_a_button_and_says_what_it_found(any_page: OctoPrintPage, any_octoprint: OctoPrintServer) -> None:
    """The sentence and every link of the report stand in the page, and are there again when it is opened later."""
    page = any_page.page
    any_page.open_settings()
    page.click("#spaghetti_drill")
    expect(page.locator("#spaghetti_drill")).to_be_enabled(timeout=2 * ANSWER_MS)
    report = any_octoprint.api("GET", "/plugin/spaghetti/drill").json()
    expect(page.locator("#spaghetti_drill_said")).to_have_text(report["sentence"])
    for link in report["links"]:
        expect(page.locator("[data-bind='foreach: drill.links'] > li", has_text=link["name"]).first).to_be_visible()


def test_what_the_environment_gives_is_locked_at_its_field(
    browser: Browser,
    camera: Webcam,
    triton: TritonServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container's settings count, are shown with the variable that gives them, and cannot be saved over; reset spares them."""
    monkeypatch.setenv("SPAGHETTI_INTERVAL", "7")
    monkeypatch.setenv("SPAGHETTI_SHADOW", "on")
    monkeypatch.setenv("SPAGHETTI_MQTT_HOST", "broker-of-this-test")
    monkeypatch.setenv("SPAGHETTI_CHANNELS", "json://127.0.0.1:9/a-secret-of-this-test")
    monkeypatch.setenv("SPAGHETTI_TOKEN", "a-token-of-this-test")
    monkeypatch.setenv("SPAGHETTI_WARM_UP", "very long")
    for octoprint in octoprint_server(OCTOPRINT_VERSIONS[0], camera, triton, tmp_path / "base"):
        page = OctoPrintPage.of(browser, octoprint)
        page.open_settings()
        expect(page.input("interval")).to_be_disabled()
        expect(page.input("interval")).to_have_value("7")
        expect(page.input("shadow")).to_be_checked()
        expect(page.setting("interval")).to_contain_text("SPAGHETTI_INTERVAL")
        expect(page.input("warm_up")).to_be_enabled()
        page.page.click("#spaghetti_reset")
        page.page.locator(".modal-footer .btn-danger, .modal-footer .btn-primary").last.click()
        expect(page.page.locator("#spaghetti_file_said")).to_contain_text("at their defaults")
        assert stored(octoprint)["servers"] == ["127.0.0.1:8001"]
        assert stored(octoprint)["interval"] == 7.0
        store(octoprint, interval=9)
        assert stored(octoprint)["interval"] == 7.0
        with pytest.raises(OctoPrintError, match="(?s)400.*SPAGHETTI_CHANNELS"):
            octoprint.api("POST", "/plugin/spaghetti/channels", json={"address": "json://127.0.0.1:9/another"})
        with pytest.raises(OctoPrintError, match="(?s)400.*SPAGHETTI_TOKEN"):
            octoprint.api("DELETE", "/plugin/spaghetti/token")
        assert "a-secret-of-this-test" not in (octoprint.base / "config.yaml").read_text()
        assert "a-secret-of-this-test" not in octoprint.api("GET", "/api/settings").text
        assert octoprint.api("GET", "/plugin/spaghetti/settings").json()["settings"]["interval"] != 7.0  # what is stored, no more
        page.close()
        reader = {"name": "reader", "password": "reading-only", "active": True, "groups": ["users"], "permissions": []}
        octoprint.api("POST", "/api/access/users", json=reader)
        reading = OctoPrintPage.open(browser, octoprint.url, reader["name"], reader["password"])
        seen = reading.page.evaluate("() => OctoPrint.settings.get().then(answer => answer.plugins.spaghetti)")
        assert (seen["interval"], seen["mqtt_host"]) == (7.0, None)
        reading.close()
        assert page.errors == []
        assert "SPAGHETTI_WARM_UP: warm_up must be a number" in (octoprint.base / "logs" / "octoprint.log").read_text()
