"""deploy/prometheus and deploy/grafana: rules that fire when they should, and a dashboard that asks for what exists."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "farm.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def promtool(*words: str, cwd: Path = PROMETHEUS) -> str:
    """Run Prometheus' own checker, or skip; fails with what it says."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: in the package prometheus)")
    done = subprocess.run([program, *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_configuration(tmp_path: Path) -> None:
    """promtool is content with it; the files of the printers, for which Debian 12's is too old, are put in their place."""
    settings = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    assert settings.pop("scrape_config_files") == ["printers/*.yml"]
    example = (PROMETHEUS / "printers" / "example.yml").read_text(encoding="utf-8")
    used = yaml.safe_load(
        re.sub(r"(?m)^#  - (.*)$", r"  - \1", example).replace("#    ", "    ").replace("scrape_configs: []", "scrape_configs:")
    )
    settings["scrape_configs"] += used["scrape_configs"]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    shutil.copy(PROMETHEUS / "rules.yml", tmp_path)
    promtool("check", "config", "prometheus.yml", cwd=tmp_path)
    assert used["scrape_configs"][0]["metrics_path"] == "/plugin/spaghetti/metrics"


def test_each_alert_comes_when_it_should() -> None:
    """Prometheus' own rule tests: what fires, for which printer, with which sentence, and what does not."""
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


def test_each_alert_says_what_to_do() -> None:
    """A summary and an action, and how much it matters."""
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in itertools.chain.from_iterable(group["rules"] for group in groups):
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert {"summary", "action"} == set(rule["annotations"])


def test_each_question_of_the_dashboard_is_well_formed(tmp_path: Path) -> None:
    """Every expression parses as PromQL."""
    asked = [target["expr"] for panel in PANELS for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "asked.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", "asked.yml", cwd=tmp_path)


def test_no_two_panels_share_a_place_or_a_number() -> None:
    """Each has its own id and its own cells of the 24 columns."""
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = set(itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])))
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_panel_asks_the_source_that_is_set_up() -> None:
    """Dashboard and provisioning agree on the source's name, and on the folder that compose mounts."""
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text(encoding="utf-8"))
    uid = source["datasources"][0]["uid"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {uid}
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "farm.yml").read_text(encoding="utf-8"))
    compose = (ROOT / "deploy" / "compose" / "compose.yaml").read_text(encoding="utf-8")
    assert f"../grafana/dashboards:{provider['providers'][0]['options']['path']}:ro" in compose
