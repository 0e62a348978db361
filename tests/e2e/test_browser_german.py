"""The pages in German, in a real Chromium that asks for it."""

from __future__ import annotations

import pytest

from demo.octoprint_server import OctoPrintServer

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import Browser, expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import OctoPrintPage  # noqa: E402


def test_the_pages_speak_german_to_who_asks_for_it(browser: Browser, any_octoprint: OctoPrintServer) -> None:
    """Templates, scripts and the sentences of the settings are translated, in each OctoPrint version; nothing gets too wide."""
    login = any_octoprint.login
    page = OctoPrintPage.open(browser, any_octoprint.url, login.user, login.password, width=1024, locale="de-DE")
    expect(page.lamp).to_contain_text("Aus")
    page.show_tab()
    expect(page.tab).to_contain_text("Vorfälle")
    expect(page.tab).to_contain_text("Nichts druckt, also sieht niemand hin.")
    page.open_settings()
    expect(page.setting("interval")).to_contain_text("Zeit zwischen zwei Bildern eines ruhigen Drucks.")
    expect(page.setting("local_share")).to_contain_text("% eines Kerns")
    page.input("interval").fill("1000")
    expect(page.problem("interval")).to_have_text("Muss eine Zahl von 0.5 bis 60 s sein.")
    page.input("interval").fill("5")
    page.run_test()
    assert page.overflow("#settings_plugin_spaghetti") <= 0
    page.close()
    assert page.errors == []
