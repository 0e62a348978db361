"""The simulation: what it draws is what it says it draws, and its figures say no more than the prints behind them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from inference_server.model_files import checksum, default_model
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import LEAST_SENSITIVE, MOST_SENSITIVE, Patience
from simulation.figures import Tally, delay, most_prints, rate
from simulation.measured import Kind, Look, Print, logit
from simulation.paths import deviations, failing_path, good_path
from simulation.study import Measured, delays, failures, false_pauses, good_prints
from simulation.watching import obico, ours, pauses

ROOT = Path(__file__).parents[2]
BOX = Box(0.4, 0.4, 0.6, 0.6)


def look(score: float) -> Look:
    """Return a look with one box of the same confidence."""
    return Look(logit(score), ((BOX, logit(score)),))


CALM = Print("calm", Kind.WEBCAM, tuple(look(score) for score in (0.02, 0.03, 0.04, 0.03)))
ODD = Print("odd", Kind.WEBCAM, tuple(look(score) for score in (0.98, 0.97)))
TANGLE = Print("tangle", Kind.TANGLE, (look(0.97),))
RENDERED = Print("rendered", Kind.RENDERED, tuple(look(score) for score in (0.3, 0.7, 0.95, 0.99)))
STEPS = np.array([-0.5, 0.5])


def rng() -> np.random.Generator:
    """Return the same stream of chance each time."""
    return np.random.default_rng(0)


def test_the_noise_has_the_spread_and_the_memory_that_were_asked_for() -> None:
    """Standard deviation as measured; a correlation of 1/e after the memory."""
    noise = good_path(CALM, 200_000, STEPS, 20.0, rng()).noise
    assert noise.std() == pytest.approx(STEPS.std(), rel=0.05)
    assert np.corrcoef(noise[:-20], noise[20:])[0, 1] == pytest.approx(math.exp(-1.0), abs=0.05)


def test_a_print_shows_its_own_looks_and_all_of_them() -> None:
    """It dwells at each for about two minutes, and borrows none from another print."""
    path = good_path(CALM, 100_000, STEPS, 20.0, rng())
    assert set(path.look) == set(range(len(CALM.looks)))
    changes = int((np.diff(path.look) != 0).sum())
    assert len(path) / changes == pytest.approx(120.0, rel=0.25)


def test_deviations_are_those_within_a_print() -> None:
    """A print that is always high adds nothing; a single look cannot deviate."""
    high = Print("high", Kind.WEBCAM, (look(0.9), look(0.9)))
    assert deviations([high, TANGLE]) == pytest.approx([0.0, 0.0])


def test_a_failing_print_is_good_until_its_onset() -> None:
    """A rendered failure then grows at its own pace, seven seconds a frame, and stays as it ended."""
    good = good_path(CALM, 1000, STEPS, 20.0, rng())
    path = failing_path(good, 600, RENDERED, np.array([0.0]), 20.0, rng())
    assert np.array_equal(path.look[:600], good.look[:600])
    scores = [path.sighting(at).answer.score for at in (599.0, 600.0, 607.0, 614.0, 900.0)]
    assert scores[0] < 0.2
    assert scores[1:] == pytest.approx([0.3, 0.7, 0.95, 0.99])
    assert path.sighting(900.0).answer.detections[0].box == BOX


def test_a_failure_is_paused_within_a_minute_and_a_good_print_never() -> None:
    """The simulated watch is the judge's, so it finds what is clear."""
    good = good_path(CALM, 3600, STEPS, 20.0, rng())
    assert pauses(ours(Patience()), good, 0.0) == []
    path = failing_path(good, 600, TANGLE, STEPS, 20.0, rng())
    found = pauses(ours(Patience()), path, 0.0, until_after=600.0)
    assert [600.0 < at < 660.0 for at in found] == [True]


def test_a_false_pause_is_answered_and_counted() -> None:
    """A print that looks like spaghetti from beginning to end: the owner answers, and it is let be or paused anew."""
    odd = good_path(ODD, 7200, STEPS, 20.0, rng())
    assert len(pauses(ours(Patience()), odd, 0.0)) >= 1
    assert len(pauses(obico(), odd, 0.0)) <= 1


def test_every_real_print_has_the_same_hours() -> None:
    """So that none weighs more than another."""
    hours = {0: 0.0, 1: 0.0}
    for number, path in good_prints(Measured([CALM, ODD], 20.0), Kind.WEBCAM, 40.0, seed=1):
        hours[number] += len(path) / 3600.0
    assert hours == pytest.approx({0: 20.0, 1: 20.0}, abs=0.1)


def test_the_study_is_repeatable() -> None:
    """The same seed gives the same figures, another gives others."""
    measured = Measured([CALM, ODD, TANGLE], 20.0)

    def figures(seed: int) -> object:
        failing = failures(measured, Kind.TANGLE, seed)
        watchers = [ours(Patience())]
        return false_pauses(watchers, good_prints(measured, Kind.WEBCAM, 20.0, seed), seed), delays(watchers, failing, seed)

    assert figures(1) == figures(1)
    assert figures(1) != figures(2)


def test_a_rate_has_the_interval_of_its_prints_and_not_of_its_hours() -> None:
    """One print in ten that is paused often leaves the rate as unsure as ten prints are, however long they ran."""
    few = rate([Tally(100.0, 10 if number == 0 else 0) for number in range(10)], seed=0)
    many = rate([Tally(10.0, 1 if number % 10 == 0 else 0) for number in range(100)], seed=0)
    assert few.per_1000_h == many.per_1000_h == pytest.approx(10.0)
    assert few.high - few.low > many.high - many.low
    assert (few.prints, few.paused_prints) == (10, 1)


def test_no_pause_at_all_proves_only_so_much() -> None:
    """Thirty independent prints without one leave room for one in ten."""
    assert most_prints(30) == pytest.approx(0.095, abs=0.001)


def test_delays_tell_the_missed_apart() -> None:
    """Median and p95 are of those that were paused; each real failure counts once in the share that was missed."""
    found = delay([[10.0, 20.0, 30.0], [None, None, None]], seed=0)
    assert found.median_s == 20.0
    assert found.missed == 0.5
    assert found.failures == 6


def test_what_the_slider_shows_was_measured_with_the_detector_that_is_shipped() -> None:
    """Another one's figures would promise the owner what this one does not keep."""
    document = json.loads((ROOT / "octoprint_spaghetti" / "core" / "sensitivity.json").read_text(encoding="utf-8"))
    assert (document["model"], document["model_sha256"]) == (default_model().name, checksum(default_model()))


def test_what_the_slider_shows_covers_every_position_and_makes_sense() -> None:
    """More sensitive is never slower and never misses more, within the noise of the simulation."""
    document = json.loads((ROOT / "octoprint_spaghetti" / "core" / "sensitivity.json").read_text(encoding="utf-8"))
    shown = document["positions"]
    assert [one["sensitivity"] for one in shown] == list(range(int(LEAST_SENSITIVE), int(MOST_SENSITIVE) + 1))
    assert shown[0]["seconds_to_pause"] >= shown[-1]["seconds_to_pause"]
    assert shown[0]["missed"] >= shown[-1]["missed"]
    for one in shown:
        low, high = one["interval"]
        assert 0.0 <= low <= one["false_pauses_per_1000_h"] <= high
