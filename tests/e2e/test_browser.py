"""What people see: the settings page, the lamp and the tab in a real Chromium, before a real OctoPrint that really prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from octoprint_spaghetti.core.settings import Settings

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import expect, sync_playwright  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import CHROMIUM_FLAGS, PHONE_WIDTH, OctoPrintPage, find_chromium  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS = (1400, 1024, PHONE_WIDTH)
#: A pushed status comes with each picture, every half second in these tests; the page draws it at once.
NEXT_STATUS_MS = 15_000
#: Placing a box in whole pixels of a picture a few hundred pixels wide.
PIXEL_TOLERANCE = 0.01


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium; run scripts/test, or install the package chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, octoprint: OctoPrintServer) -> Iterator[OctoPrintPage]:
    """Return OctoPrint's page for its administrator; no test may leave an error in the browser's console."""
    opened = OctoPrintPage.of(browser, octoprint)
    yield opened
    opened.close()
    assert opened.errors == []


@pytest.fixture
def healed(camera: Webcam) -> Iterator[Webcam]:
    """Return the camera, which works again afterwards."""
    yield camera
    camera.mode = "ok"  # type: ignore[assignment]


# -- the settings page --------------------------------------------------------------------------------------------------


def test_each_octoprint_shows_lamp_tab_and_settings_without_an_error(browser: Browser, any_octoprint: OctoPrintServer) -> None:
    """A walk through all that the plugin shows leaves the browser's console empty, in each OctoPrint version."""
    page = OctoPrintPage.of(browser, any_octoprint)
    expect(page.lamp).to_be_visible()
    page.show_tab()
    page.open_settings()
    page.run_test()
    page.close()
    assert page.errors == []


@pytest.mark.parametrize("name", Settings.defaults())
def test_the_settings_page_knows_every_setting(browser: Browser, settings_page: OctoPrintPage, name: str) -> None:
    """Each setting has a label for its input, and the sentence that says what it does."""
    row = settings_page.setting(name)
    expect(row).to_have_count(1)
    assert row.locator(f'label[for="spaghetti_{name}"]').inner_text()
    assert row.locator(".help-block").inner_text()
    expect(row).to_be_visible()


@pytest.fixture
def settings_page(page: OctoPrintPage, name: str) -> OctoPrintPage:
    """Return the settings page with the choices made under which the setting ``name`` is offered."""
    page.open_settings()
    page.input("detector").select_option("local" if name == "local_model" else "server")
    if name == "certificate":
        page.input("tls").check()
    return page
