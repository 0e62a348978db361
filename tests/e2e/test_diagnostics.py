"""What a real OctoPrint hands out for support: it helps, and holds no secret."""

from __future__ import annotations

import io
import zipfile

import pytest

from demo.octoprint_server import OctoPrintServer

pytestmark = pytest.mark.e2e

TOKEN, PASSWORD = "planted-hunter2", "planted-hunter3"


def test_the_bundle_of_a_real_octoprint_tries_the_chain_and_keeps_the_secrets(octoprint: OctoPrintServer) -> None:
    """Camera and server are tried, the log is in it; the planted secrets and the API key are not."""
    octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": {"token": TOKEN, "mqtt_password": PASSWORD}}})
    try:
        content = octoprint.api("GET", "/plugin/spaghetti/diagnostics.zip").content
    finally:
        octoprint.api("DELETE", "/plugin/spaghetti/token")
        octoprint.api("DELETE", "/plugin/spaghetti/mqtt_password")
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert "Does the camera deliver?\n    Yes, in" in texts["README.txt"]
    assert "Does the server answer, and take our token?\n    Yes, in" in texts["README.txt"]
    assert "Is my print watched?" in texts["logs/octoprint.log"]
    for secret in (TOKEN, PASSWORD):
        assert not [name for name, text in texts.items() if secret in text]


def test_octoprints_health_report_says_when_the_print_is_not_watched(octoprint: OctoPrintServer) -> None:
    """Switched off, the watch is a warning in OctoPrint's own report, in a sentence; switched on, it is none."""

    def report() -> dict[str, object]:
        found = octoprint.api("GET", "/api/plugin/health_check", params={"refresh": "true"}).json()
        return dict(found["health"]["spaghetti"])

    assert report()["result"] == "ok"
    octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": {"enabled": False}}})
    try:
        assert report()["result"] == "warning"
        assert "switched off" in str(report()["context"])
    finally:
        octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": {"enabled": True}}})
