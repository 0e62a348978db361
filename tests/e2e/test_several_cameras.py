"""Two webcams on one print in a real OctoPrint: what only the second one sees pauses the print, and is shown as its own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.frames import SceneFrames
from demo.octoprint_server import OctoPrintServer
from demo.webcam import Mode, Webcam
from inference_server.scene import Scene
from inference_server.triton import TritonServer
from tests.e2e.conftest import OCTOPRINT_VERSIONS, PATIENT_S, a_print, eventually, octoprint_python

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import Browser, expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import ANSWER_MS, OctoPrintPage  # noqa: E402

#: So long the garage camera shows a good print, so much of that is left when the failure is wanted, and each of its pictures lasts so
#: long, seconds. It plays all the time: the one picture of a camera that stands still may come before the first extrusion.
GOOD_S, LEFT_S, INTERVAL_S = 240.0, 10.0, 0.5
NEXT_STATUS_MS = 60_000


class TwoWebcams(OctoPrintServer):
    """OctoPrint with its own webcam and that of the garage."""

    garage: str = ""

    def environment(self) -> dict[str, str]:
        """Tell the garage's plugin where its camera is."""
        return {**super().environment(), "GARAGE_WEBCAM": self.garage}


@pytest.fixture(scope="module")
def garage() -> Iterator[Webcam]:
    """Return the second webcam, which shows a print that fails; its clock starts with ``play``."""
    failure = int(GOOD_S / INTERVAL_S)
    frames = SceneFrames(Scene(seed=3, size=(640, 480), frames=failure + 120, failure_at=failure))
    with Webcam(frames, INTERVAL_S) as webcam:
        yield webcam
    frames.close()


@pytest.fixture(scope="module")
def two_webcams(
    camera: Webcam, garage: Webcam, triton: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OctoPrintServer]:
    """Return an OctoPrint with both webcams, both watched."""
    base = tmp_path_factory.mktemp("two-webcams")
    (base / "plugins").mkdir()
    shutil.copy(Path(__file__).with_name("garage_webcam.py"), base / "plugins" / "garage_webcam.py")
    settings: dict[str, Any] = {"servers": [triton.target], "interval": 0.5, "suspect_interval": 0.5, "deadline": PATIENT_S}
    settings.update(warm_up=0.0, also_watched=["garage"])
    server = TwoWebcams(octoprint_python(OCTOPRINT_VERSIONS[0]), base, camera.url, {"spaghetti": settings})
    server.garage = f"{garage.url}/snapshot"
    with server:
        yield server


def test_the_tab_shows_each_camera_and_the_one_that_sees_a_failure_by_itself(
    browser: Browser, two_webcams: OctoPrintServer, garage: Webcam, tmp_path: Path
) -> None:
    """Calm: the first camera's picture, the other a key away. Failing on the second: paused, and that one is shown."""
    page = OctoPrintPage.of(browser, two_webcams, 1400)
    garage.play()
    with a_print(two_webcams):
        page.show_tab()
        buttons = page.tab.locator(".spaghetti_cameras button")
        expect(buttons).to_have_count(2, timeout=NEXT_STATUS_MS)
        expect(buttons.nth(0)).to_have_attribute("aria-pressed", "true")
        expect(buttons.nth(1)).to_contain_text("Garage camera")
        buttons.nth(1).focus()
        page.page.keyboard.press("Enter")
        picture = page.tab.locator(".spaghetti_view img")
        expect(picture).to_have_attribute("src", re.compile("camera=2"), timeout=NEXT_STATUS_MS)
        assert "scaleY(-1)" in str(picture.evaluate("(image) => image.style.transform"))
        expect(buttons.nth(1)).to_be_focused()
        expect(page.tab.get_by_text(re.compile(r"^Garage camera: Watching, evidence 0\.\d\d"))).to_be_visible(
            timeout=NEXT_STATUS_MS
        )
        buttons.nth(0).click()
        expect(picture).to_have_attribute("src", re.compile("camera=1"), timeout=NEXT_STATUS_MS)
        garage.playback.start(garage.clock() + LEFT_S - GOOD_S)
        eventually(lambda: two_webcams.printer_state() == "Paused", 90.0, "the pause")
        expect(picture).to_have_attribute("src", re.compile("camera=2"), timeout=NEXT_STATUS_MS)
        expect(page.tab.locator(".spaghetti_view .spaghetti_box").first).to_be_visible(timeout=NEXT_STATUS_MS)
        expect(page.tab.locator(".spaghetti_sentence")).to_contain_text("garage: Spaghetti in")
        assert_told(two_webcams)
        page.tab.screenshot(path=tmp_path / "two-cameras-1400.png")
        assert_fits_a_phone(browser, two_webcams, tmp_path)
        two_webcams.api("POST", "/plugin/spaghetti/false_alarm", json={})
        eventually(lambda: two_webcams.printer_state() == "Printing", 60.0, "the print going on")
    page.close()
    assert page.errors == []


def assert_fits_a_phone(browser: Browser, octoprint: OctoPrintServer, tmp_path: Path) -> None:
    """The cameras' buttons stand side by side at 390 px, and the picture is that of the camera that sees the failure."""
    phone = OctoPrintPage.of(browser, octoprint, 390)
    phone.show_tab()
    expect(phone.tab.locator(".spaghetti_view img")).to_have_attribute("src", re.compile("camera=2"), timeout=NEXT_STATUS_MS)
    assert phone.overflow(".spaghetti_cameras") <= 0
    phone.tab.screenshot(path=tmp_path / "two-cameras-390.png")
    phone.close()
    assert phone.errors == []


def assert_told(octoprint: OctoPrintServer) -> None:
    """Status, incident and pictures name the garage's camera; the other one is calm."""
    status = octoprint.plugin_status()
    assert (status["verdict"], status["camera"]) == ("failing", 2)
    assert [camera["verdict"] for camera in status["cameras"]] == ["watching", "failing"]
    eventually(lambda: octoprint.plugin_status()["incident_folder"], 30.0, "the incident")
    incident = json.loads((Path(octoprint.plugin_status()["incident_folder"]) / "state.json").read_text(encoding="utf-8"))
    assert incident["camera"] == "garage"
    assert {frame["camera"] for frame in incident["frames"]} == {"garage"}
    pictures = [octoprint.api("GET", f"/plugin/spaghetti/frame.jpg?camera={place}") for place in (1, 2)]
    assert pictures[0].content != pictures[1].content


def test_a_blind_camera_makes_the_lamp_say_so_while_the_other_sees(
    browser: Browser, two_webcams: OctoPrintServer, garage: Webcam
) -> None:
    """Not plain green: the lamp has a word of its own, and its sentence names the camera and its cause."""
    page = OctoPrintPage.of(browser, two_webcams, 1400)
    try:
        with a_print(two_webcams):
            garage.mode = Mode.HTTP500
            expect(page.lamp).to_contain_text("Partly blind", timeout=60_000)
            expect(page.lamp).to_have_attribute(
                "title", re.compile("1 of 2 cameras sees nothing: garage: The camera answered with")
            )
            assert two_webcams.plugin_status()["protection"]["level"] == "remote"
            garage.mode = Mode.OK
            expect(page.lamp).not_to_contain_text("Partly blind", timeout=60_000)
    finally:
        garage.mode = Mode.OK
    page.close()
    assert page.errors == []


def test_the_settings_offer_the_webcams_and_refuse_the_unknown(
    browser: Browser, two_webcams: OctoPrintServer, tmp_path: Path
) -> None:
    """A webcam is taken off and put on again; one that OctoPrint does not have is refused in words, and the stored ones stay."""
    page = OctoPrintPage.of(browser, two_webcams, 1400)
    page.open_settings()
    group = page.setting("also_watched")
    expect(group.locator("li")).to_have_text(re.compile("Garage camera"))
    group.get_by_role("button", name="Watch Garage camera no more").click()
    expect(group.locator("li")).to_have_count(0)
    page.page.locator("#spaghetti_further_webcam").select_option("garage")
    page.page.locator("#spaghetti_further_add").click()
    expect(group.locator("li")).to_have_text(re.compile("Garage camera"))
    page.page.locator("#spaghetti_zone_camera").select_option(label="Garage camera")
    page.page.locator("#spaghetti_zone_add").click()
    page.run_test()
    group.screenshot(path=tmp_path / "also-watch.png")
    page.setting("zones").screenshot(path=tmp_path / "zones.png")
    expect(page.page.locator("#settings_plugin_spaghetti .spaghetti_step_passed", has_text="Camera garage")).to_be_visible()
    page.save_settings()
    stored = two_webcams.api("GET", "/api/settings").json()["plugins"]["spaghetti"]
    assert [(one["camera"], len(one["zones"])) for one in stored["also_watched"]] == [("garage", 1)]
    assert stored["zones"] == []
    two_webcams.api("POST", "/api/settings", json={"plugins": {"spaghetti": {"also_watched": ["attic"]}}})
    kept = two_webcams.api("GET", "/api/settings").json()["plugins"]["spaghetti"]["also_watched"]
    assert [one["camera"] for one in kept] == ["garage"]
    assert "OctoPrint has no webcam attic with snapshots; it has: classic, garage" in two_webcams.log_path.read_text()
    expect(page.page.locator(".ui-pnotify", has_text="attic")).to_be_visible(timeout=ANSWER_MS)
    page.close()
    assert page.errors == []
