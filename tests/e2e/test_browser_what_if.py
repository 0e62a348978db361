"""What-if in a real Chromium: choose a past print, move the slider, and see when it would have paused."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.octoprint_server import OctoPrintServer
from octoprint_spaghetti.adapters.traces import TraceFolder
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.words import Answer, Detection, Heatmap, Scene, Sighting

pytest.importorskip("playwright.sync_api", reason="playwright is not installed; run scripts/test")

from playwright.sync_api import expect  # noqa: E402 - only after it is known to be there

from tests.e2e.browser import ANSWER_MS, OctoPrintPage  # noqa: E402

#: Unix time of the print in the tests: later than any that runs in them, so that it is the newest.
LATER = 2.0e9


def record_doubtful_print(folder: Path) -> None:
    """Write the trace of a print that is doubtful from 600 s on: something for the alert, nothing for the calm."""
    traces = TraceFolder(folder, kept=100)
    traces.begin("doubtful.gcode", 0.0, LATER)
    traces.tell(PrintEvent.EXTRUSION_BEGAN, 1.0)
    for second in range(10, 900, 5):
        score = 0.55 if second > 600 else 0.02
        seen = (Detection(Box(0.3, 0.3, 0.5, 0.5), score, "spaghetti"),)
        answer = Answer(score, seen, Scene(0.5, 0.5, 0.5), Heatmap(0, 0, b""), b"", "triton")
        traces.add(Sighting(float(second), answer, layer=1 + second // 100))
    traces.end()


def test_the_slider_moves_the_moment_of_the_pause(any_page: OctoPrintPage, any_octoprint: OctoPrintServer) -> None:
    """The answer follows the slider, in words and in the chart, and the position that fits is taken over."""
    record_doubtful_print(any_octoprint.base / "data" / "spaghetti" / "traces")
    any_page.show_tab()
    page, box = any_page.page, any_page.page.locator("#spaghetti_what_if")
    box.locator("summary").click()
    expect(box.locator("select")).to_contain_text("doubtful.gcode")
    expect(box.locator(".spaghetti_what_if_sentence")).to_contain_text("It would not have paused", timeout=ANSWER_MS)
    expect(box.locator("canvas").first).to_be_visible()
    slider = box.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    expect(box.locator(".spaghetti_what_if_sentence")).to_contain_text("It would have paused 10:", timeout=ANSWER_MS)
    expect(box.locator(".spaghetti_chart")).to_have_attribute(
        "aria-label", box.locator(".spaghetti_what_if_sentence").inner_text()
    )
    assert any_page.overflow("#tab_plugin_spaghetti") <= 0
    box.get_by_role("button", name="Use this sensitivity").click()
    expect(box.get_by_role("button", name="Use this sensitivity")).to_be_disabled()
    assert any_octoprint.api("GET", "/api/settings").json()["plugins"]["spaghetti"]["sensitivity"] == 9.0
    any_octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": {"sensitivity": 5}}})


def test_a_sensitivity_that_is_none_is_refused_with_a_sentence(octoprint: OctoPrintServer) -> None:
    """Bad input is answered with what it must be, not with a failure of the server."""
    record_doubtful_print(octoprint.base / "data" / "spaghetti" / "traces")
    print_id = octoprint.api("GET", "/plugin/spaghetti/prints").json()["prints"][0]["id"]
    for wrong in ("alert", "nan", "10"):
        with pytest.raises(Exception, match="(?s)400.*sensitivity must be a number from 1 to 9"):
            octoprint.api("GET", f"/plugin/spaghetti/prints/{print_id}/what_if?sensitivity={wrong}")
