"""The group "What happens then" of the settings page: what belongs to the chosen action is shown, and saved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.octoprint_server import OctoPrintServer

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import OctoPrintPage  # noqa: E402

PLAIN = {"action": "pause", "pause_hotends_off": False, "pause_lift": 0, "power_off": False}


@pytest.fixture
def plain(octoprint: OctoPrintServer) -> Iterator[OctoPrintServer]:
    """Return OctoPrint, whose pauses are plain again afterwards."""
    yield octoprint
    octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": PLAIN}})


def test_only_what_belongs_to_the_chosen_action_is_shown_and_it_is_saved(page: OctoPrintPage, plain: OctoPrintServer) -> None:
    """A pause has heaters, filament and lift, and power once the hotends go off; a cancel has power alone; telling has nothing."""
    page.open_settings()
    besides = [page.input(name) for name in ("pause_hotends_off", "pause_bed_off", "pause_retract", "pause_lift")]
    power = page.input("power_off")
    for field in besides:
        expect(field).to_be_visible()
    expect(power).to_be_hidden()
    page.input("pause_hotends_off").check()
    expect(power).to_be_visible()
    expect(page.page.get_by_text("The plugin PSU Control is not installed")).to_be_visible()
    page.input("action").select_option("notify")
    for field in (*besides, power):
        expect(field).to_be_hidden()
    page.input("action").select_option("cancel")
    expect(power).to_be_visible()
    expect(besides[0]).to_be_hidden()
    page.input("action").select_option("pause")
    page.input("pause_lift").fill("60")
    expect(page.problem("pause_lift")).to_contain_text("0 to 50")
    page.input("pause_lift").fill("2.5")
    page.save_settings()
    stored = plain.api("GET", "/api/settings").json()["plugins"]["spaghetti"]
    assert (stored["pause_hotends_off"], stored["pause_lift"], stored["power_off"]) == (True, 2.5, False)
