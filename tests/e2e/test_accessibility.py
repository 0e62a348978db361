"""Nobody is kept out: axe-core over all that the plugin shows, the keyboard alone, and live regions that do not chatter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.triton import TritonServer
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Detection, Protection, ProtectionLevel, Status, Verdict
from tests.e2e.conftest import OCTOPRINT_VERSIONS, octoprint_python
from tests.e2e.evidence import keep_incident

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")
axe_library = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed; run scripts/test")

from playwright.sync_api import Browser, expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import ANSWER_MS, PHONE_WIDTH, OctoPrintPage  # noqa: E402

#: What axe calls the worse half of its four grades.
GRAVE = ("serious", "critical")
TAB, POPOVER, SETTINGS, WIZARD = (
    "#tab_plugin_spaghetti",
    "#navbar_plugin_spaghetti",
    "#settings_plugin_spaghetti",
    "#wizard_plugin_spaghetti",
)
#: An element that the keyboard reaches, however a page makes one; -1 is for scripts.
REACHABLE = "a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex='-1'])"


def violations(page: OctoPrintPage, root: str) -> list[str]:
    """Return what axe finds wrong below ``root``, a line each; what OctoPrint draws around it is OctoPrint's."""
    found = axe_library.Axe().run(page.page, context={"include": [[root]]}, options={"resultTypes": ["violations"]})
    return [
        f"{one['impact']} {one['id']}: {node['html'][:160]} ({' '.join(node['failureSummary'].split())[:200]})"
        for one in found.response["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def unfold(page: OctoPrintPage, root: str) -> None:
    """Open every fold, so that what lies in it is looked at too."""
    page.page.evaluate("root => document.querySelectorAll(`${root} details`).forEach(one => (one.open = true))", root)


@pytest.fixture(scope="module")
def octoprint_with_incident(octoprint: OctoPrintServer) -> OctoPrintServer:
    """Return OctoPrint with an incident of four pictures."""
    keep_incident(octoprint, "a print.gcode", 4, "20300102T030405Z-777")
    return octoprint


def test_the_tab_with_its_incidents_has_no_grave_fault(octoprint_with_incident: OctoPrintServer, page: OctoPrintPage) -> None:
    """At rest, under alarm, with an incident unfolded, and with the what-if open."""
    page.show_tab()
    unfold(page, TAB)
    page.page.locator(f"{TAB} .spaghetti_incidents [aria-expanded]").first.click()
    expect(page.page.locator(f"{TAB} .spaghetti_pictures img").first).to_be_visible()
    assert violations(page, TAB) == []
    page.receive(alarm(1))
    expect(page.lamp).to_contain_text("Failing")
    assert violations(page, TAB) == []


@pytest.mark.parametrize("verdict", ["off", "warming_up", "watching", "suspect", "failing", "blind"])
def test_the_lamp_and_its_popover_have_no_grave_fault(shared_page: OctoPrintPage, verdict: str) -> None:
    """In every colour that the lamp has."""
    shared_page.receive(alarm(1, verdict))
    if shared_page.lamp.get_attribute("aria-expanded") != "true":
        shared_page.lamp.click()
    expect(shared_page.page.locator("#spaghetti_popover")).to_be_visible()
    assert violations(shared_page, POPOVER) == []


def test_the_settings_have_no_grave_fault(page: OctoPrintPage) -> None:
    """Every group, unfolded, with all that the choices hide, after a test and with a value that is refused."""
    page.open_settings()
    unfold(page, SETTINGS)
    page.run_test()
    page.input("interval").fill("100")
    assert violations(page, SETTINGS) == []
    page.input("tls").check()
    assert violations(page, SETTINGS) == []
    page.input("detector").select_option("local")
    page.input("camera_source").select_option("rtsp")
    assert violations(page, SETTINGS) == []
    page.page.click("#spaghetti_zone_add")
    assert violations(page, SETTINGS) == []


@pytest.mark.parametrize("version", OCTOPRINT_VERSIONS)
def test_the_wizard_has_no_grave_fault(
    browser: Browser, camera: Webcam, triton: TritonServer, tmp_path: Path, version: str
) -> None:
    """As it comes, and after a test that fails."""
    with OctoPrintServer(octoprint_python(version), tmp_path, camera.url, {}) as octoprint:
        page = OctoPrintPage.of(browser, octoprint)
        expect(page.page.locator(WIZARD)).to_be_visible()
        assert violations(page, WIZARD) == []
        page.page.click("#spaghetti_wizard_test")
        expect(page.page.locator("#spaghetti_wizard_test")).to_be_enabled(timeout=ANSWER_MS)
        assert violations(page, WIZARD) == []
        page.close()


@pytest.mark.parametrize("width", [1400, PHONE_WIDTH])
@pytest.mark.parametrize("root", [TAB, SETTINGS])
def test_every_control_is_reached_by_tab_and_shows_that_it_is(
    browser: Browser, octoprint_with_incident: OctoPrintServer, root: str, width: int
) -> None:
    """From the first control of a page the Tab key goes to each that is visible, and the one that has it looks different."""
    page = OctoPrintPage.of(browser, octoprint_with_incident, width)
    if root == TAB:
        page.show_tab()
        page.receive(alarm(1))
    else:
        page.open_settings()
    unfold(page, root)
    visited = walk(page, root)
    assert visited["missed"] == []
    assert visited["plain"] == []
    page.close()


def walk(page: OctoPrintPage, root: str) -> dict[str, list[str]]:
    """Press Tab through all of a page; return which controls were never reached, and which do not show that they were."""
    count = page.page.evaluate(_PREPARE, [root, REACHABLE])
    assert count > 0
    plain: list[str] = []
    for _ in range(2 * count + 5):
        seen = page.page.evaluate(_LOOK, root)
        if seen is None:
            break
        if not seen["shows"]:
            plain.append(seen["html"])
        page.page.keyboard.press("Tab")
    return {"missed": page.page.evaluate(_MISSED), "plain": plain}


#: Lists the visible controls with how they look now, and puts the focus on the first. One radio of a group stands for all.
_PREPARE = """([root, reachable]) => {
    const look = (element) => {
        const style = getComputedStyle(element);
        return [style.outlineStyle !== 'none' && style.outlineWidth, style.boxShadow, style.borderColor, style.backgroundColor,
            style.fill, style.stroke].join('|');
    };
    const seen = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== 'hidden';
    const first = (element, all) => element.type !== 'radio' ||
        element === (all.find((other) => other.name === element.name && other.checked) ||
                     all.find((other) => other.name === element.name));
    const found = [...document.querySelectorAll(`${root} :is(${reachable})`)]
        .filter((element) => !element.disabled && seen(element) && element.tabIndex >= 0)
        .filter((element, _, all) => first(element, all));
    window.controls = new Map(found.map((element) => [element, look(element)]));
    window.reached = new Set();
    window.lookOf = look;
    found[0]?.focus();
    return found.length;
}"""
#: Notes which control has the focus; a label may show it in its place. Null once the focus has left the page.
_LOOK = """(root) => {
    const element = document.activeElement;
    if (!document.querySelector(root).contains(element)) return null;
    window.reached.add(element);
    const before = window.controls.get(element);
    const label = element.previousElementSibling || element.nextElementSibling || element.parentElement;
    const shows = before === undefined || window.lookOf(element) !== before ||
        (element.classList.contains('spaghetti_hidden') && window.lookOf(label) !== window.lookOf(document.body));
    return {shows, html: element.outerHTML.slice(0, 160)};
}"""
_MISSED = "() => [...window.controls.keys()].filter((one) => !window.reached.has(one)).map((one) => one.outerHTML.slice(0, 160))"


def test_the_popover_is_opened_used_and_closed_by_keyboard(shared_page: OctoPrintPage) -> None:
    """Enter on the lamp opens it with the focus inside, Escape closes it and gives the focus back."""
    shared_page.lamp.focus()
    if shared_page.lamp.get_attribute("aria-expanded") == "true":
        shared_page.page.keyboard.press("Enter")
    shared_page.page.keyboard.press("Enter")
    expect(shared_page.page.locator("#spaghetti_popover")).to_be_visible()
    assert shared_page.page.evaluate("() => document.querySelector('#spaghetti_popover').contains(document.activeElement)")
    shared_page.page.keyboard.press("Escape")
    expect(shared_page.page.locator("#spaghetti_popover")).to_be_hidden()
    assert shared_page.page.evaluate("() => document.activeElement.id") == "spaghetti_lamp"


def test_a_zone_is_made_moved_and_deleted_without_a_mouse(page: OctoPrintPage) -> None:
    """The button adds one, the arrow keys move a corner, Shift moves it finely, Delete takes corners and then the zone."""
    page.open_settings()
    page.run_test()
    page.page.locator("#spaghetti_zone_add").focus()
    page.page.keyboard.press("Enter")
    corner = page.page.locator('[data-corner="0.0"]')
    corner.focus()
    before = corner.get_attribute("aria-label")
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Shift+ArrowDown")
    expect(corner).not_to_have_attribute("aria-label", str(before))
    assert page.page.evaluate("() => document.activeElement.dataset.corner") == "0.0"
    page.page.keyboard.press("Delete")
    expect(page.page.locator("[data-corner]")).to_have_count(3)
    page.page.locator('[data-corner="0.0"]').focus()
    page.page.keyboard.press("Delete")
    expect(page.page.locator("[data-corner]")).to_have_count(0)


def test_a_steady_watch_says_nothing_and_a_new_verdict_is_said_once(shared_page: OctoPrintPage) -> None:
    """Twenty pictures with new numbers change no live region; the verdict that follows changes one."""
    shared_page.show_tab()
    shared_page.receive(alarm(1, "watching"))
    shared_page.page.evaluate(_LISTEN)
    for number in range(2, 22):
        shared_page.receive(alarm(number, "watching"))
    assert shared_page.page.evaluate("() => window.announced") == []
    shared_page.receive(alarm(22, "suspect"))
    shared_page.page.wait_for_function("() => window.announced.length > 0")
    assert len(set(shared_page.page.evaluate("() => window.announced"))) == 1


#: Notes what a screen reader would read out: texts of live regions of ours that change to something else.
_LISTEN = """() => {
    window.announced = [];
    const roots = ['#tab_plugin_spaghetti', '#navbar_plugin_spaghetti'].map((root) => document.querySelector(root));
    const live = roots.flatMap((root) => [...root.querySelectorAll('[role=status], [role=alert], [aria-live]')]);
    const texts = new Map(live.map((region) => [region, region.textContent.trim()]));
    const watcher = new MutationObserver(() => live.forEach((region) => {
        const text = region.textContent.trim();
        if (text !== texts.get(region)) { texts.set(region, text); window.announced.push(text); }
    }));
    live.forEach((region) => watcher.observe(region, {subtree: true, childList: true, characterData: true}));
}"""


def alarm(number: int, verdict: str = "failing") -> dict[str, Any]:
    """Return the message of a status with that verdict; numbers and sentence differ with each picture."""
    share = 0.3 + number / 100.0
    status = Status(
        verdict=Verdict(verdict),
        protection=Protection(ProtectionLevel.REMOTE, 0.0),
        sentence=f"Spaghetti in {number} of 30 pictures; evidence {share:.2f}.",
        evidence=share,
        suspect_at=0.3,
        failing_at=0.55,
        score=share,
        detections=(Detection(Box(0.2, 0.2, 0.5, 0.6), share, "spaghetti"),),
        detector="triton 192.0.2.7:8001",
        frames_sent=number,
        answers=number,
        timings_ms=(("capture", 10.0), ("look", 20.0)),
        printer_state="OPERATIONAL" if verdict == "off" else "PRINTING",
        layer=number,
    )
    return {"type": "status", "status": status.as_json(), "seconds": float(number)}
