"""What people see: the settings page, the lamp and the tab in a real Chromium, before a real OctoPrint that really prints."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.triton import TritonServer
from octoprint_spaghetti.core.settings import Settings
from tests.e2e.evidence import keep_incident
from tests.e2e.ports import free_port
from tests.pictures import jpeg

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import PHONE_WIDTH, OctoPrintPage  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS = (1400, 1024, PHONE_WIDTH)
#: A status is pushed with each picture, every half second in these tests; a busy machine may take longer.
NEXT_STATUS_MS = 60_000
#: Boxes are placed in hundredths of a percent, pixels are rounded.
TOLERANCE = 0.01


def test_each_octoprint_shows_lamp_tab_and_settings_without_an_error(browser: Browser, any_octoprint: OctoPrintServer) -> None:
    """A walk through all that the plugin shows leaves the browser's console empty, in each OctoPrint version."""
    page = OctoPrintPage.of(browser, any_octoprint)
    expect(page.lamp).to_contain_text("Off")
    page.show_tab()
    page.open_settings()
    page.run_test()
    assert set(page.steps()) == {"passed"}
    page.close()
    assert page.errors == []


# -- the settings page --------------------------------------------------------------------------------------------------


def test_the_settings_page_offers_every_setting(page: OctoPrintPage) -> None:
    """Each setting has a label, an input and its sentence, as soon as the choices are made under which it matters."""
    page.open_settings()
    page.input("tls").check()
    page.input("pause_hotends_off").check()
    offered: set[str] = set()
    for detector, source in (("server", "octoprint"), ("local", "snapshot")):
        page.input("detector").select_option(detector)
        page.input("camera_source").select_option(source)
        offered |= {name for name in Settings.defaults() if page.setting(name).is_visible() or page.input(name).is_visible()}
        for name in sorted(offered - {"numbers", "zones", "also_watched"}):  # these are more than a field
            expect(page.setting(name).locator(f'label[for="spaghetti_{name}"]')).to_have_count(1)
            expect(page.setting(name).locator(".help-block")).not_to_be_empty()
    assert offered == set(Settings.defaults())


def test_a_value_out_of_range_is_named_at_its_field(page: OctoPrintPage) -> None:
    """The sentence with the range appears while typing, and goes when the value is good again."""
    page.open_settings()
    expect(page.problem("interval")).to_be_hidden()
    page.input("interval").fill("100")
    expect(page.problem("interval")).to_have_text("Must be a number from 0.5 to 60 s.")
    page.input("interval").fill("10")
    expect(page.problem("interval")).to_be_hidden()


def test_an_address_with_a_scheme_is_named_at_its_field(page: OctoPrintPage) -> None:
    """Servers are typed with commas; each must be host and port."""
    page.open_settings()
    page.input("servers").fill("192.0.2.7:8001, http://192.0.2.8:8001")
    expect(page.problem("servers")).to_contain_text("host:port")
    page.input("servers").fill("192.0.2.7:8001, 192.0.2.8:8001")
    expect(page.problem("servers")).to_be_hidden()


def test_a_refused_value_is_not_saved_and_said_aloud(page: OctoPrintPage, octoprint: OctoPrintServer) -> None:
    """Saving a value out of range keeps the stored one, and a pop-up says why."""
    page.open_settings()
    page.input("warm_up").fill("1000")
    page.save_settings()
    expect(page.page.locator(".ui-pnotify")).to_contain_text("from 0 to 600 s")
    assert octoprint.api("GET", "/api/settings").json()["plugins"]["spaghetti"]["warm_up"] == 0.0


def test_several_servers_are_saved_as_a_list(page: OctoPrintPage, octoprint: OctoPrintServer, triton: TritonServer) -> None:
    """The text field with commas becomes the list that the watcher reads, and comes back as it was."""
    page.open_settings()
    page.input("servers").fill(f"{triton.target}, 192.0.2.8:8001")
    page.save_settings()
    stored = octoprint.api("GET", "/api/settings").json()["plugins"]["spaghetti"]["servers"]
    assert stored == [triton.target, "192.0.2.8:8001"]
    page.open_settings()
    expect(page.input("servers")).to_have_value(f"{triton.target}, 192.0.2.8:8001")
    page.input("servers").fill(triton.target)
    page.save_settings()


def test_the_token_goes_in_and_never_comes_back(page: OctoPrintPage, octoprint: OctoPrintServer) -> None:
    """After saving, the page only says that a token is set; Clear forgets it."""
    octoprint.api("DELETE", "/plugin/spaghetti/token")
    page.page.reload()
    page.open_settings()
    expect(page.setting("token")).to_contain_text("No token is set.")
    page.input("token").fill("a-secret-of-this-test")
    page.save_settings()
    page.open_settings()
    expect(page.setting("token")).to_contain_text("A token is set.")
    expect(page.input("token")).to_have_value("")
    assert "a-secret-of-this-test" not in octoprint.api("GET", "/api/settings").text
    page.setting("token").get_by_role("button", name="Clear").click()
    expect(page.setting("token")).to_contain_text("No token is set.")
    assert octoprint.api("GET", "/plugin/spaghetti/token").json() == {"stored": False}


# -- the Test button ----------------------------------------------------------------------------------------------------


def test_the_whole_chain_shows_its_ticks_and_the_picture(page: OctoPrintPage, triton: TritonServer) -> None:
    """Camera, server, model, decision and printer work: each step with its time, who looked, and what was looked at."""
    page.open_settings()
    sentence = page.run_test()
    assert set(page.steps()) == {"passed"}
    assert sentence.startswith("Everything works")
    assert triton.target in sentence
    assert re.fullmatch(r"(\d+ ms\s*){6,7}", " ".join(page.page.locator(".spaghetti_step .spaghetti_ms").all_inner_texts()))
    expect(page.page.locator(".spaghetti_test_picture img")).to_be_visible()


def test_a_broken_camera_is_where_the_chain_breaks(page: OctoPrintPage, broken_camera: Webcam) -> None:
    """The camera's step is crossed with the camera's sentence, and nothing after it is claimed to work."""
    page.open_settings()
    assert "camera answered with status 500" in page.run_test()
    assert page.steps() == ["passed", "broken"] + ["skipped"] * 4


def test_the_test_uses_what_stands_in_the_form(page: OctoPrintPage, octoprint: OctoPrintServer, triton: TritonServer) -> None:
    """An address that nobody saved is the one that is tried, and trying does not save it."""
    page.open_settings()
    page.input("servers").fill(f"127.0.0.1:{free_port()}")
    assert "No inference server answers" in page.run_test()
    assert page.steps() == ["passed", "passed", "broken"] + ["skipped"] * 3
    assert octoprint.api("GET", "/api/settings").json()["plugins"]["spaghetti"]["servers"] == [triton.target]


def test_a_value_that_the_server_refuses_is_named_at_its_field(page: OctoPrintPage) -> None:
    """The server has the last word; its sentence stands at the field until it is edited."""
    page.open_settings()
    page.input("servers").fill("192.0.2.7:99999")
    assert "is not an address" in page.run_test()
    page.errors.clear()  # the browser itself notes each answer with status 400
    expect(page.problem("servers")).to_contain_text("is not an address")
    page.input("servers").fill("192.0.2.7:9999")
    expect(page.problem("servers")).to_be_hidden()


# -- the lamp and the tab -----------------------------------------------------------------------------------------------


def test_the_lamp_says_in_words_what_is_watched_and_opens_the_tab(page: OctoPrintPage, printing: OctoPrintServer) -> None:
    """A colour alone says nothing to some people: word and sentence are there for eyes and for screen readers."""
    expect(page.lamp).to_contain_text("Watching", timeout=NEXT_STATUS_MS)
    expect(page.lamp).to_have_attribute("aria-label", re.compile(r"^Spaghetti: Watching\. .*evidence"))
    page.lamp.click()
    page.page.get_by_role("button", name="More").click()
    expect(page.tab).to_be_visible()


def test_the_tab_shows_the_picture_the_evidence_and_who_looks(
    page: OctoPrintPage, printing: OctoPrintServer, triton: TritonServer
) -> None:
    """The last picture with the arithmetic beside it, and the words for who protects the print."""
    page.show_tab()
    expect(page.tab.locator(".spaghetti_view img")).to_be_visible(timeout=NEXT_STATUS_MS)
    expect(page.tab).to_contain_text("An inference server looks at every picture.")
    expect(page.tab).to_contain_text(triton.target)
    expect(page.tab.get_by_role("meter")).to_have_attribute("aria-label", re.compile(r"suspect at 0\.30, failing at 0\.\d\d"))


def test_a_print_is_muted_and_unmuted_by_a_button(page: OctoPrintPage, printing: OctoPrintServer) -> None:
    """A muted print is not watched over as others are, so the lamp says Muted; the same button takes it back."""
    page.show_tab()
    page.tab.get_by_role("button", name="Mute for this print").click()
    expect(page.lamp).to_contain_text("Muted", timeout=NEXT_STATUS_MS)
    page.tab.get_by_role("button", name="Act on this print again").click()
    expect(page.lamp).to_contain_text("Watching", timeout=NEXT_STATUS_MS)
    expect(page.tab.get_by_role("button", name="False alarm")).to_be_hidden()


def test_pictures_are_loaded_only_while_the_tab_is_shown(page: OctoPrintPage, printing: OctoPrintServer) -> None:
    """Status goes on in the lamp, but no picture crosses the network for a tab that nobody sees."""
    page.show_tab("temp")
    page.await_statuses(4, NEXT_STATUS_MS)
    assert page.pictures_loaded() == 0
    page.show_tab()
    expect(page.tab.locator(".spaghetti_view img")).to_be_visible(timeout=NEXT_STATUS_MS)
    assert page.pictures_loaded() > 0


def test_a_dead_camera_turns_the_lamp_to_blind(page: OctoPrintPage, printing: OctoPrintServer, broken_camera: Webcam) -> None:
    """Nobody sees the print: the lamp says so, the tab says why, and a pop-up stays until it is read."""
    expect(page.lamp).to_contain_text("Blind", timeout=2 * NEXT_STATUS_MS)
    expect(page.page.locator(".ui-pnotify")).to_contain_text("Nobody sees the print")
    page.show_tab()
    expect(page.tab).to_contain_text("The camera answered with status 500")


def test_an_incident_tells_its_story_and_its_pictures_come_on_demand(page: OctoPrintPage, octoprint: OctoPrintServer) -> None:
    """The list shows one picture of each incident; the others are loaded when somebody asks for them."""
    keep_incident(octoprint, "vase.gcode", pictures=3)
    page.show_tab()
    story = page.tab.locator(".spaghetti_incidents > li", has_text="vase.gcode")
    expect(story).to_contain_text("Spaghetti in 5 of 6 pictures.")
    expect(story.locator(".label")).to_have_text("paused")
    expect(story.locator("img")).to_have_count(1)
    story.get_by_role("button", name="All 3 pictures").click()
    expect(story.locator(".spaghetti_pictures img")).to_have_count(3)
    expect(story.locator(".spaghetti_pictures .spaghetti_box")).to_have_count(3)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(browser: Browser, printing: OctoPrintServer, width: int) -> None:
    """Tab and settings fit at a desk, on a tablet, and on a phone whose OctoPrint has a layout for phones."""
    page = OctoPrintPage.of(browser, printing, width)
    page.show_tab()
    expect(page.tab.locator(".spaghetti_view img")).to_be_visible(timeout=NEXT_STATUS_MS)
    assert page.overflow("#tab_plugin_spaghetti") <= 0
    page.open_settings()
    page.run_test()
    assert page.overflow("#settings_plugin_spaghetti") <= 0
    page.close()
    assert page.errors == []


@pytest.mark.parametrize(
    ("flips", "box"),
    [
        pytest.param({}, (0.1, 0.2, 0.4, 0.3), id="as it is"),
        pytest.param({"flipH": True}, (0.6, 0.2, 0.9, 0.3), id="flipped left to right"),
        pytest.param({"flipV": True}, (0.1, 0.7, 0.4, 0.8), id="flipped upside down"),
        pytest.param({"rotate90": True}, (0.2, 0.6, 0.3, 0.9), id="turned counter-clockwise"),
        pytest.param({"flipH": True, "rotate90": True}, (0.2, 0.1, 0.3, 0.4), id="flipped, then turned"),
    ],
)
def test_boxes_follow_the_way_up_in_which_octoprint_shows_the_camera(
    shared_page: OctoPrintPage, flips: dict[str, bool], box: tuple[float, float, float, float]
) -> None:
    """A box is given in the picture as the camera took it and is drawn where the person sees that place."""
    picture = "data:image/jpeg;base64," + base64.b64encode(jpeg(width=400, height=200)).decode()
    detection = {"xyxy": [0.1, 0.2, 0.4, 0.3], "confidence": 0.9, "label": "spaghetti"}
    drawn, shape = shared_page.draw_picture(picture, [detection], flips)
    assert drawn == pytest.approx(box, abs=TOLERANCE)
    assert shape == pytest.approx(0.5 if flips.get("rotate90") else 2.0, abs=0.05)


def test_text_of_the_server_is_never_markup(shared_page: OctoPrintPage) -> None:
    """A sentence that looks like HTML is shown as it is, in pop-ups and in the tab."""
    sentence = "<img src=x onerror=alert(1)>"
    shared_page.receive({"type": "notice", "kind": "pause_failed", "sentence": sentence, "incident": None})
    expect(shared_page.page.locator(".ui-pnotify")).to_contain_text(sentence)
    assert shared_page.page.locator(".ui-pnotify img").count() == 0


def test_one_failure_is_one_pop_up(shared_page: OctoPrintPage) -> None:
    """The pop-up of the pause takes the place of the one of the failure, and stays."""
    shared_page.receive(
        {"type": "notice", "kind": "failure_detected", "sentence": "Spaghetti in 5 of 6 pictures.", "incident": None}
    )
    shared_page.receive({"type": "notice", "kind": "print_paused", "sentence": "The print was paused.", "incident": None})
    expect(shared_page.page.locator(".ui-pnotify")).to_have_count(1)
    expect(shared_page.page.locator(".ui-pnotify")).to_contain_text("The failing print was paused")


def test_a_user_without_the_right_sees_no_lamp(browser: Browser, octoprint: OctoPrintServer) -> None:
    """Who may not see the watch is shown nothing of it, and the page asks for nothing that would be refused."""
    reader = {"name": "reader", "password": "reading-only", "active": True, "groups": ["readonly"], "permissions": []}
    octoprint.api("POST", "/api/access/users", json=reader)
    page = OctoPrintPage.open(browser, octoprint.url, reader["name"], reader["password"])
    expect(page.lamp).to_be_hidden()
    assert not [url for url in page.requests if "/plugin/spaghetti/" in url and "/static/" not in url]
    page.close()
    assert page.errors == []
