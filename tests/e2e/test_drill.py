"""The fire drill in a real OctoPrint with a real Triton: the drawn tangle is found, and nothing is moved."""

from __future__ import annotations

import pytest

from demo.octoprint_server import OctoPrintServer

pytestmark = pytest.mark.e2e


def test_the_drill_finds_the_tangle_that_was_drawn(octoprint: OctoPrintServer) -> None:
    """Each link from the camera to the judge works, the pause would come in time, and the printer stands as before."""
    before = octoprint.printer_state()
    report = octoprint.api("POST", "/plugin/spaghetti/drill", json={}).json()
    assert [link for link in report["links"] if link["problem"]] == []
    assert 20.0 < report["seconds_to_pause"] <= 45.0
    assert octoprint.printer_state() == before
    assert octoprint.api("GET", "/plugin/spaghetti/drill").json()["at"] == report["at"]


def test_the_drill_names_a_server_that_is_not_there(octoprint: OctoPrintServer) -> None:
    """With a dead address and no fallback the drill fails with the sentence that a person needs."""
    stored = octoprint.api("GET", "/api/settings").json()["plugins"]["spaghetti"]["servers"]
    octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": {"servers": ["127.0.0.1:9"], "fallback": False}}})
    try:
        report = octoprint.api("POST", "/plugin/spaghetti/drill", json={}).json()
        assert not report["passed"]
        assert "server: No inference server answers at 127.0.0.1:9" in report["sentence"]
    finally:
        octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": {"servers": stored, "fallback": True}}})
