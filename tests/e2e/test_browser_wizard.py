"""The first run in a real Chromium: from a fresh install to a test that is green, without reading anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.triton import TritonServer
from tests.e2e.conftest import OCTOPRINT_VERSIONS, octoprint_python
from tests.e2e.ports import free_port

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import Browser, expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import ANSWER_MS, OctoPrintPage  # noqa: E402


def run_test(page: OctoPrintPage) -> str:
    page.page.click("#spaghetti_wizard_test")
    expect(page.page.locator("#spaghetti_wizard_test")).to_be_enabled(timeout=ANSWER_MS)
    return page.page.locator("#spaghetti_wizard_answer").inner_text()


@pytest.mark.parametrize("version", OCTOPRINT_VERSIONS)
def test_the_wizard_leads_to_a_green_test_and_is_not_seen_again(
    browser: Browser, camera: Webcam, triton: TritonServer, tmp_path: Path, version: str
) -> None:
    """It is red while the server is wrong, green when every step works, saves what was chosen, and comes once."""
    with OctoPrintServer(octoprint_python(version), tmp_path, camera.url, {}) as octoprint:
        page = OctoPrintPage.of(browser, octoprint)
        wizard = page.page.locator("#wizard_plugin_spaghetti")
        expect(wizard).to_be_visible()
        page.page.fill("#spaghetti_wizard_servers", f"127.0.0.1:{free_port()}")
        assert "No inference server answers" in run_test(page)
        expect(wizard.locator(".alert-error")).to_be_visible()
        page.page.fill("#spaghetti_wizard_servers", triton.target)
        sentence = run_test(page)
        assert sentence.startswith("Everything works")
        assert "would be paused after" in sentence
        expect(wizard.locator(".spaghetti_step")).not_to_have_count(0)
        expect(wizard.locator(".spaghetti_step:not(.spaghetti_step_passed)")).to_have_count(0)
        page.page.check("#spaghetti_wizard_shadow")
        page.page.click("#wizard_dialog .button-finish")
        expect(page.page.locator("#wizard_dialog")).to_be_hidden()
        stored = octoprint.api("GET", "/api/settings").json()["plugins"]["spaghetti"]
        assert (stored["servers"], stored["shadow"], stored["action"]) == ([triton.target], True, "pause")
        page.close()
        assert page.errors == []
        again = OctoPrintPage.of(browser, octoprint)
        expect(again.lamp).to_be_visible()
        expect(again.page.locator("#wizard_dialog")).to_be_hidden()
        again.close()
