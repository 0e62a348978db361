"""The plugin's metrics as Prometheus gets them: from a real OctoPrint, with an API key as a bearer token."""

from __future__ import annotations

import pytest
import requests

from demo.octoprint_server import OctoPrintServer
from tests.e2e.conftest import eventually

parser = pytest.importorskip("prometheus_client.parser")


def scrape(octoprint: OctoPrintServer, key: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return requests.get(f"{octoprint.url}/plugin/spaghetti/metrics", headers=headers, timeout=10.0)


def test_a_running_print_is_on_the_dashboard(printing: OctoPrintServer) -> None:
    """While it prints, the scraped text says who looks, what is thought of it, and how many answers there were."""

    def samples() -> dict[str, float]:
        answer = scrape(printing, printing.login.api_key)
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        found = parser.text_string_to_metric_families(answer.text)
        return {"".join([s.name, *sorted(s.labels.values())]): s.value for family in found for s in family.samples}

    eventually(lambda: samples()["spaghetti_verdictwatching"] == 1, 30.0, "the print is watched")
    now = samples()
    assert now["spaghetti_protectionremote"] == 1
    assert now["spaghetti_answers_total"] >= 1
    assert 0.0 < now["spaghetti_seen_ratio"] <= 1.0
    assert now["spaghetti_step_secondslook"] > 0.0


@pytest.mark.parametrize("key", ["", "A" * 32], ids=["no key", "a wrong key"])
def test_nobody_without_the_permission_reads_metrics(octoprint: OctoPrintServer, key: str) -> None:
    """Without a user who may see the watch the answer is 403, and empty of figures."""
    answer = scrape(octoprint, key)
    assert answer.status_code == 403
    assert "spaghetti_" not in answer.text
