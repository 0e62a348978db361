"""What the settings page knows of each setting."""

from __future__ import annotations

import json
from pathlib import Path

from octoprint_spaghetti.core.patience import Patience, names
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.settings_page import described_numbers, described_sensitivity, described_settings


def test_every_setting_is_described_and_none_is_a_secret_value() -> None:
    """Range, unit and sentence come from where a setting is defined; a value never does."""
    described = described_settings(locked=("interval",))
    assert set(described) == set(Settings.defaults())
    assert described["interval"]["locked"] == "SPAGHETTI_INTERVAL"
    assert "locked" not in described["warm_up"]
    assert (described["interval"]["low"], described["interval"]["high"], described["interval"]["unit"]) == (0.5, 60.0, "s")
    assert all(about["sentence"] for about in described.values())
    json.dumps(described)


def test_every_number_of_the_judge_is_described() -> None:
    """An expert sees each with its range and where it usually is."""
    described = described_numbers()
    assert [about["name"] for about in described] == list(names())
    assert all(about["kind"] == "switch" or about["low"] <= about["default"] <= about["high"] for about in described)


def test_each_position_of_the_slider_names_its_levels_and_what_was_measured(tmp_path: Path) -> None:
    """Without a measurement the levels alone are said."""
    measured = tmp_path / "sensitivity.json"
    measured.write_text(json.dumps({"positions": [{"sensitivity": 5.0, "seconds_to_pause": 28}]}))
    positions = {one["sensitivity"]: one for one in described_sensitivity(measured)}
    assert sorted(positions) == list(range(1, 10))
    assert positions[5]["failing_at"] == Patience().failing_at
    assert positions[5]["measured"]["seconds_to_pause"] == 28
    assert positions[4]["measured"] is None
    assert [one["measured"] for one in described_sensitivity(tmp_path / "nothing.json")] == [None] * 9
    levels = [positions[position]["failing_at"] for position in range(1, 10)]
    assert levels == sorted(levels, reverse=True)
