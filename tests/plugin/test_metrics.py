"""The watch as Prometheus reads it: parsed back with Prometheus' own library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.core.words import Protection, ProtectionLevel, Status, Verdict
from octoprint_spaghetti.metrics import Metric, exposition, lines

parser = pytest.importorskip("prometheus_client.parser")

PRINTING = Status(
    verdict=Verdict.SUSPECT,
    protection=Protection(ProtectionLevel.REMOTE, 0.0),
    evidence=0.41,
    suspect_at=0.3,
    failing_at=0.55,
    score=0.62,
    frames_sent=120,
    answers=118,
    timings_ms=(("capture", 80.0), ("look", 25.5)),
    seen=0.975,
)


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return what Prometheus would store: value by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(status: Status, name: str, labels: Mapping[str, str] | None = None) -> float | None:
    return read(exposition(status, "1.2.3")).get((f"spaghetti_{name}", frozenset((labels or {}).items())))


def test_figures_arrive_as_they_are() -> None:
    """Shares and levels from 0 to 1, times in seconds, counters as counters."""
    assert value(PRINTING, "evidence") == 0.41
    assert value(PRINTING, "suspect_level") == 0.3
    assert value(PRINTING, "failing_level") == 0.55
    assert value(PRINTING, "score") == 0.62
    assert value(PRINTING, "seen_ratio") == 0.975
    assert value(PRINTING, "frames_sent_total") == 120
    assert value(PRINTING, "answers_total") == 118
    assert value(PRINTING, "step_seconds", {"step": "look"}) == 0.0255
    assert value(PRINTING, "info", {"version": "1.2.3"}) == 1


@pytest.mark.parametrize("verdict", list(Verdict))
def test_one_verdict_is_on_and_all_others_off(verdict: Verdict) -> None:
    """Every verdict has a series at all times, so that a lamp that goes out is seen."""
    shown = {each: value(replace(PRINTING, verdict=verdict), "verdict", {"verdict": each.value}) for each in Verdict}
    assert shown == {each: float(each is verdict) for each in Verdict}


@pytest.mark.parametrize("level", list(ProtectionLevel))
def test_who_protects_is_shown_the_same_way(level: ProtectionLevel) -> None:
    """Also "unprotected" is a series that is 1, and not the absence of one."""
    status = replace(PRINTING, protection=Protection(level, 0.0, "reason"))
    shown = {each: value(status, "protection", {"level": each.value}) for each in ProtectionLevel}
    assert shown == {each: float(each is level) for each in ProtectionLevel}


def test_what_is_not_known_has_no_series() -> None:
    """No score and no share of a print before the first: a gap in the chart and not a zero."""
    assert value(Status(), "score") is None
    assert value(Status(), "seen_ratio") is None
    assert value(Status(), "evidence") == 0.0


@pytest.mark.parametrize("muted", [True, False])
def test_a_muted_print_is_told(muted: bool) -> None:
    """Who muted a watch and forgot it finds it on the dashboard."""
    assert value(replace(PRINTING, muted=muted), "muted") == float(muted)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('\\"\n{},= ')))
def test_a_label_says_what_it_was_given(text: str) -> None:
    """Quotes, backslashes, braces and line ends in a label are read back as they were."""
    text_of_one = "".join(f"{line}\n" for line in lines(Metric("x", "gauge", "Sentence.", (({"step": text}, 1.5),))))
    assert read(text_of_one) == {("spaghetti_x", frozenset({("step", text)})): 1.5}


def test_no_name_is_told_that_is_a_secret_or_a_path() -> None:
    """Sentences, folders and addresses stay out: whoever may read metrics sees numbers."""
    status = replace(PRINTING, sentence="Lost 192.0.2.7", incident_folder="/home/pi/x", detector="triton 192.0.2.7:8001")
    text = exposition(status, "1")
    assert "192.0.2.7" not in text
    assert "/home" not in text
