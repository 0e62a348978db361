"""The lamp's pop-over and the tab's curve in a real Chromium, before a real OctoPrint that really prints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from demo.octoprint_server import OctoPrintServer
from tests.e2e.conftest import a_print, eventually

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import ANSWER_MS, OctoPrintPage  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: A status is pushed with each picture, every half second in these tests; a busy machine may take longer.
NEXT_STATUS_MS = 60_000


def test_the_pop_over_is_enough_without_the_tab(any_page: OctoPrintPage, any_octoprint: OctoPrintServer) -> None:
    """The lamp opens on the picture, the score, who looks, and the mute; Escape closes it and goes back to the lamp."""
    with a_print(any_octoprint):
        popover = any_page.page.locator("#spaghetti_popover")
        expect(popover).to_be_hidden()
        any_page.lamp.focus()
        any_page.page.keyboard.press("Enter")
        expect(popover.locator("img")).to_be_visible(timeout=NEXT_STATUS_MS)
        expect(popover).to_contain_text(re.compile(r"0\.\d\d"))
        expect(popover).to_contain_text("An inference server looks at every picture.")
        popover.get_by_role("button", name="Mute for this print").click()
        expect(any_page.lamp).to_contain_text("Muted", timeout=NEXT_STATUS_MS)
        popover.get_by_role("button", name="Act on this print again").click()
        any_page.page.keyboard.press("Escape")
        expect(popover).to_be_hidden()
        expect(any_page.lamp).to_be_focused()
        any_page.lamp.click()
        expect(popover).to_be_visible()
        any_page.page.mouse.click(5, 700)
        expect(popover).to_be_hidden()


def test_the_curve_grows_by_itself_and_marks_a_pause(any_page: OctoPrintPage, any_octoprint: OctoPrintServer) -> None:
    """The tab draws the whole print, goes on with each status, and the print is paused and resumed from here."""
    with a_print(any_octoprint):
        any_page.show_tab()
        chart = any_page.tab.locator(".spaghetti_history .spaghetti_chart")
        expect(chart.locator("canvas").first).to_be_visible(timeout=NEXT_STATUS_MS)
        before = points(any_page)
        any_page.page.wait_for_function(f"() => ({POINTS})() > {before + 2}", timeout=NEXT_STATUS_MS)
        any_page.tab.get_by_role("button", name="Pause", exact=True).click()
        expect(any_page.tab.get_by_role("button", name="Resume")).to_be_visible(timeout=ANSWER_MS)
        expect(chart).to_have_attribute("aria-label", re.compile("paused 1 times"), timeout=NEXT_STATUS_MS)
        any_page.tab.get_by_role("button", name="Resume").click()
        expect(any_page.tab.get_by_role("button", name="Pause", exact=True)).to_be_visible(timeout=ANSWER_MS)
    history = any_octoprint.api("GET", "/plugin/spaghetti/history").json()
    assert [one["kind"] for one in history["stretches"]] == ["paused"]
    assert len(history["points"]) > 2
    eventually(lambda: any_octoprint.api("GET", "/plugin/spaghetti/history").json()["over"], 60.0, "the end of the curve")


#: How many points the page's curve has.
POINTS = "() => ko.dataFor(document.querySelector('#tab_plugin_spaghetti')).history.curve().points.length"


def points(page: OctoPrintPage) -> int:
    return int(page.page.evaluate(POINTS))


def test_nobody_is_offered_what_they_may_not_do(browser: Browser, printing: OctoPrintServer) -> None:
    """Who may only look sees the lamp and the picture, but no button that would be refused."""
    guest = {"name": "onlooker", "password": "looking-only", "active": True, "groups": ["readonly"]}
    guest["permissions"] = ["PLUGIN_SPAGHETTI_VIEW"]
    printing.api("POST", "/api/access/users", json=guest)
    page = OctoPrintPage.open(browser, printing.url, guest["name"], guest["password"])
    page.lamp.click()
    popover = page.page.locator("#spaghetti_popover")
    expect(popover.locator("img")).to_be_visible(timeout=NEXT_STATUS_MS)
    expect(popover.get_by_role("button", name="Mute")).to_be_hidden()
    page.show_tab()
    for name in ("Pause", "Resume", "Mute for this print", "False alarm"):
        expect(page.tab.get_by_role("button", name=name)).to_be_hidden()
    page.close()
    assert page.errors == []


def test_what_happens_is_pushed_to_nobody_who_may_not_see_it(browser: Browser, any_octoprint: OctoPrintServer) -> None:
    """OctoPrint pushes all events to a page for guests; ours say what was seen of the print, and where the camera is."""
    pages = {}
    for name, permissions in (("guest", []), ("onlooker", ["PLUGIN_SPAGHETTI_VIEW"])):
        user = {"name": f"{name}-of-events", "password": "looking-only", "active": True, "groups": ["readonly"]}
        any_octoprint.api("POST", "/api/access/users", json={**user, "permissions": permissions})
        pages[name] = OctoPrintPage.open(browser, any_octoprint.url, user["name"], user["password"])
        pages[name].page.evaluate(LISTEN)
    with a_print(any_octoprint):
        pass
    for name, event in (("onlooker", "plugin_spaghetti_print_ended"), ("guest", "PrintCancelled")):
        pages[name].page.wait_for_function(f"() => window.heard.includes('{event}')", timeout=NEXT_STATUS_MS)
    heard = {name: set(page.page.evaluate("() => window.heard")) for name, page in pages.items()}
    assert {"plugin_spaghetti_print_started", "PrintStarted"} <= heard["onlooker"]
    assert not [event for event in heard["guest"] if "spaghetti" in event]
    for page in pages.values():
        page.close()


#: Keeps the names of all events that come to the page.
LISTEN = "() => { window.heard = []; OctoPrint.socket.onMessage('event', message => window.heard.push(message.data.type)); }"


@pytest.mark.parametrize("width", [1400, 1024, 390])
def test_the_pop_over_fits_the_window(browser: Browser, printing: OctoPrintServer, width: int) -> None:
    """Nothing of it is cut off, at a desk, on a tablet, on a phone."""
    page = OctoPrintPage.of(browser, printing, width)
    page.lamp.click()
    expect(page.page.locator("#spaghetti_popover img")).to_be_visible(timeout=NEXT_STATUS_MS)
    box = page.page.locator("#spaghetti_popover").bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
    assert page.overflow("#spaghetti_popover") <= 0
    page.close()
    assert page.errors == []
