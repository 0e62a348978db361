"""An ablation takes out one thing at a time and compares on the same pictures."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from inference_server.detector.ablate import AGAINST, Loss, compare, line, variants  # noqa: E402 - only where torch is
from inference_server.detector.dataset import Mix, Recipe  # noqa: E402
from inference_server.detector.geometry import NO_BOXES  # noqa: E402
from inference_server.detector.labels import Row  # noqa: E402
from inference_server.detector.train import Config  # noqa: E402


def pictures(tmp_path) -> list[Row]:
    labels = ["spaghetti", "normal", "stringing", "other_defect", "fail"] * 20
    return [Row(str(i), tmp_path, "made", label, NO_BOXES, str(i), str(i), "val") for i, label in enumerate(labels)]


def test_each_variant_lacks_one_thing():
    """Against the whole recipe exactly one knob is turned, or the pair of them that belongs together."""
    found = variants(Config(recipe=Recipe(mix=Mix(pseudo=0.1, pseudo_good=0.1))))
    whole = asdict(found.pop("nothing"))
    for name, config in found.items():
        own = asdict(config)
        changed = [key for key in whole if own[key] != whole[key]]
        assert len(changed) == 1, name
    assert set(found) - set(variants(Config())) == {"pseudo-labels"}, "what is not there cannot be taken out"


def test_what_was_worth_something_is_lost_without_it(tmp_path):
    """Evidence that no longer tells spaghetti from others costs AUROC, with an interval around it; the same evidence costs nothing."""
    rows = pictures(tmp_path)
    failed = np.array([row.label == "spaghetti" for row in rows], float)
    noise = np.random.default_rng(0).normal(size=len(rows))
    for labels in AGAINST.values():
        assert compare(failed, failed, rows, labels) == Loss(0.0, 0.0, 0.0)
        lost = compare(failed + 0.1 * noise, noise, rows, labels)
        assert 0.2 < lost.by < 0.8 and lost.low < lost.by < lost.high


def test_a_row_of_the_table_shows_the_loss_and_its_interval():
    """Markdown, with signs, so that a gain is not read as a loss."""
    assert line("x", {"normal": Loss(0.01, -0.02, 0.03)}) == "| x | +0.010 [-0.020, +0.030] |"
