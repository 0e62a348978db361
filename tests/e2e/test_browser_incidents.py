"""The list of incidents in a real Chromium: label, ignore the place, clip, download, delete."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import requests

from demo.octoprint_server import OctoPrintServer
from tests.e2e.evidence import keep_incident

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import Browser, expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import OctoPrintPage  # noqa: E402

ID = "20310102T030405Z-111"
LIST = "/plugin/spaghetti/incidents"


def incident(octoprint: OctoPrintServer) -> dict:
    return next(one for one in octoprint.api("GET", LIST).json()["incidents"] if one["id"] == ID)


def test_an_incident_is_judged_by_a_person_and_its_place_ignored(any_page: OctoPrintPage, any_octoprint: OctoPrintServer) -> None:
    """The label is kept and can be taken back; of what was no failure the place goes into the zones of the settings, once."""
    keep_incident(any_octoprint, "cup.gcode", pictures=2, incident_id=ID)
    any_page.show_tab()
    story = any_page.tab.locator(".spaghetti_incidents > li", has_text="cup.gcode")
    right, wrong = (story.get_by_role("button", name=name) for name in ("Real failure", "Not a failure"))
    right.click()
    expect(right).to_have_attribute("aria-pressed", "true")
    assert incident(any_octoprint)["label"] == "right"
    right.click()
    expect(right).to_have_attribute("aria-pressed", "false")
    expect(story.get_by_role("button", name="Ignore this place")).to_be_hidden()
    wrong.click()
    story.get_by_role("button", name="Ignore this place").click()
    expect(story.get_by_role("button", name="This place is ignored now")).to_be_disabled()
    any_octoprint.api("POST", f"{LIST}/{ID}/ignore", json={})
    zones = any_octoprint.api("GET", "/api/settings").json()["plugins"]["spaghetti"]["zones"]
    assert zones == [[[0.1, 0.2], [0.4, 0.2], [0.4, 0.3], [0.1, 0.3]]]
    any_octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": {"zones": []}}})
    any_octoprint.api("DELETE", f"{LIST}/{ID}")


def test_an_incident_is_played_downloaded_and_deleted(
    any_page: OctoPrintPage, any_octoprint: OctoPrintServer, tmp_path: Path
) -> None:
    """The pictures run as a clip, the zip holds them, and after Delete nothing is left of it."""
    keep_incident(any_octoprint, "cup.gcode", pictures=3, incident_id=ID)
    any_page.show_tab()
    story = any_page.tab.locator(".spaghetti_incidents > li", has_text="cup.gcode")
    expect(any_page.tab.locator(".spaghetti_storage")).to_contain_text("of at most 50")
    story.get_by_role("button", name="All 3 pictures").click()
    clip = story.locator(".spaghetti_clip")
    expect(clip.locator("small")).to_have_text("-2 s, score 0.90")
    clip.get_by_role("button", name="Play the clip").click()
    expect(clip.locator("small")).to_have_text("-1 s, score 0.90")
    clip.get_by_role("button", name="Stop the clip").click()
    with any_page.page.expect_download() as download:
        story.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "incident.zip")
    assert len(zipfile.ZipFile(tmp_path / "incident.zip").namelist()) == 4
    story.get_by_role("button", name="Delete").click()
    any_page.page.locator(".modal.in .modal-footer .btn", has_text="Delete").click()
    expect(story).to_have_count(0)
    assert ID not in [one["id"] for one in any_octoprint.api("GET", LIST).json()["incidents"]]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg; run scripts/test")
def test_the_clip_of_an_incident_is_saved_as_a_file(
    any_page: OctoPrintPage, any_octoprint: OctoPrintServer, tmp_path: Path
) -> None:
    """One button makes a GIF of the pictures and saves it; it is kept beside them, and a damaged incident says why there is none."""
    keep_incident(any_octoprint, "cup.gcode", pictures=3, incident_id=ID)
    any_page.show_tab()
    story = any_page.tab.locator(".spaghetti_incidents > li", has_text="cup.gcode")
    with any_page.page.expect_download() as download:
        story.get_by_role("button", name="Clip (GIF)").click()
    download.value.save_as(tmp_path / "clip.gif")
    assert download.value.suggested_filename == f"spaghetti-{ID}.gif"
    gif = (tmp_path / "clip.gif").read_bytes()
    folder = any_octoprint.base / "data" / "spaghetti" / "incidents" / ID
    assert gif[:4] == b"GIF8"
    assert gif == (folder / "clip.gif").read_bytes()
    expect(story.get_by_role("button", name="Clip (GIF)")).to_be_enabled()
    (folder / "clip.gif").unlink()
    for picture in folder.glob("0*.jpg"):
        picture.write_bytes(b"damaged")
    story.get_by_role("button", name="Clip (GIF)").click()
    expect(any_page.tab.locator(".text-error", has_text="ffmpeg could not read the pictures")).to_be_visible()
    any_page.errors[:] = [error for error in any_page.errors if "409" not in error]  # the browser's own line about the refusal
    any_octoprint.api("DELETE", f"{LIST}/{ID}")


def test_without_ffmpeg_the_page_says_why_there_is_no_clip(page: OctoPrintPage, octoprint: OctoPrintServer) -> None:
    """No button that cannot work, and a sentence instead; the pictures play on the page as ever."""
    keep_incident(octoprint, "cup.gcode", pictures=2, incident_id=ID)
    answer = octoprint.api("GET", LIST).json()
    page.page.route(f"**{LIST}", lambda route: route.fulfill(json={**answer, "clips": False}))
    page.show_tab()
    story = page.tab.locator(".spaghetti_incidents > li", has_text="cup.gcode")
    expect(page.tab.get_by_text("ffmpeg makes them")).to_be_visible()
    expect(story.get_by_role("button", name="Clip (GIF)")).to_be_hidden()
    story.get_by_role("button", name="All 2 pictures").click()
    expect(story.get_by_role("button", name="Play the clip")).to_be_visible()
    octoprint.api("DELETE", f"{LIST}/{ID}")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg; run scripts/test")
def test_the_telling_picture_has_its_box(any_octoprint: OctoPrintServer) -> None:
    """Programs on the bus and on MQTT find it where the event's payload says."""
    keep_incident(any_octoprint, "cup.gcode", pictures=2, incident_id=ID)
    plain = any_octoprint.api("GET", f"{LIST}/{ID}/002.jpg")
    boxed = any_octoprint.api("GET", f"{LIST}/{ID}.jpg")
    assert boxed.headers["Content-Type"] == "image/jpeg"
    assert boxed.content != plain.content
    red, grey = (cv2.imdecode(np.frombuffer(one.content, np.uint8), cv2.IMREAD_COLOR)[97, 128] for one in (boxed, plain))
    assert int(red[2]) - int(red[0]) > 80
    assert abs(int(grey[2]) - int(grey[0])) < 80
    any_octoprint.api("DELETE", f"{LIST}/{ID}")


@pytest.mark.parametrize("width", [1400, 1024, 390])
def test_an_open_incident_fits_the_window(browser: Browser, octoprint: OctoPrintServer, width: int) -> None:
    """Buttons wrap and pictures shrink; nothing is wider than the tab."""
    keep_incident(octoprint, "cup.gcode", pictures=2, incident_id=ID)
    page = OctoPrintPage.of(browser, octoprint, width)
    page.show_tab()
    story = page.tab.locator(".spaghetti_incidents > li", has_text="cup.gcode")
    story.get_by_role("button", name="All 2 pictures").click()
    expect(story.locator(".spaghetti_pictures img")).to_have_count(2)
    assert page.overflow("#tab_plugin_spaghetti") <= 0
    page.close()
    octoprint.api("DELETE", f"{LIST}/{ID}")
    assert page.errors == []


def test_who_may_only_look_changes_nothing(octoprint: OctoPrintServer) -> None:
    """Labels, deletion and zones are refused to a user without the right, and to nobody at all."""
    viewer = {"name": "viewer", "password": "viewing-only", "active": True, "groups": ["readonly"]}
    octoprint.api("POST", "/api/access/users", json={**viewer, "permissions": ["PLUGIN_SPAGHETTI_VIEW"]})
    keep_incident(octoprint, "cup.gcode", pictures=1, incident_id=ID)
    with requests.Session() as session:
        session.trust_env = False
        session.get(f"{octoprint.url}/login/", timeout=10)
        token = next(cookie.value for cookie in session.cookies if cookie.name.startswith("csrf_token"))
        headers = {"X-CSRF-Token": token}
        answers = []
        for log_in in (False, True):
            if log_in:
                login = {"user": viewer["name"], "pass": viewer["password"]}
                assert session.post(f"{octoprint.url}/api/login", json=login, headers=headers, timeout=10).ok
            for method, path in (("POST", f"{LIST}/{ID}/label"), ("DELETE", f"{LIST}/{ID}"), ("POST", f"{LIST}/{ID}/ignore")):
                body = {"label": "right"}
                answers.append(session.request(method, octoprint.url + path, json=body, headers=headers, timeout=10).status_code)
        assert session.get(octoprint.url + LIST, timeout=10).status_code == 200
    assert set(answers) == {403}
    octoprint.api("DELETE", f"{LIST}/{ID}")
