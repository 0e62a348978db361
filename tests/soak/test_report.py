"""What a soak prints: the lines of blocks, the JSON, the clock of the judge."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="scipy is not installed; run scripts/test")

from rich.console import Console

from octoprint_spaghetti.core.settings import Settings
from tests.soak.chart import line, write_chart
from tests.soak.clock import fastest, hurried
from tests.soak.report import Report, judged, show
from tests.soak.sampling import Sample
from tests.soak.stage import Recording


def recording(threads_a_print: int = 0) -> Recording:
    """Return a recording of thirty prints, with one outage each."""
    made = Recording()
    for name in made.all:
        samples = [Sample(60.0 * number, 130.0, 20 + threads_a_print * number, 40, 0) for number in range(30)]
        made.all[name] += samples
        made.at_rest[name] += samples
    return made


def report(made: Recording, *mishaps: str) -> Report:
    return Report(1800.0, 10.0, ("good",) * 30, 3000, 2990, mishaps, judged(made, 12.0))


def test_a_soak_passes_when_nothing_grew_and_everything_happened() -> None:
    """One thing that did not happen, or one count that grew, is a failed soak."""
    assert report(recording()).passed
    assert not report(recording(), "good, print 3: not within 60 s: the end of a good print").passed
    assert not report(recording(threads_a_print=1)).passed


def test_the_document_says_what_was_simulated_and_what_was_not() -> None:
    """Half an hour of the wall clock is five of the judge's, and 3000 frames are 4.17 hours at the usual rate."""
    document = json.loads(json.dumps(report(recording()).as_json()))
    assert (document["minutes"], document["hours_simulated"], document["hours_of_frames"]) == (30.0, 5.0, 4.17)
    assert {one["process"] for one in document["judgements"]} == {"octoprint", "triton", "edge"}


def test_this_computers_detector_is_not_judged_by_two_outages() -> None:
    """Each outage is one process; three minutes have two."""
    made = recording()
    del made.at_rest["edge"][2:]
    assert {one.process for one in judged(made, 12.0)} == {"octoprint", "triton"}


def test_the_table_shows_each_judgement_and_what_did_not_happen() -> None:
    """A person reads whether it is flat, and sees its course."""
    stream = io.StringIO()
    made = recording(threads_a_print=1)
    show(report(made, "good, print 3: not in time"), made, Console(file=stream, width=160))
    assert "NOT FLAT" in stream.getvalue()
    assert "Did not happen: good, print 3: not in time" in stream.getvalue()


def test_a_course_is_a_line_of_blocks() -> None:
    """From the lowest to the highest, as many blocks as there is room for."""
    assert line([1.0, 2.0, 3.0]) == "▁▅█" or line([1.0, 2.0, 3.0]) == "▁▄█"
    assert line([5.0] * 100, width=4) == "▁▁▁▁"
    assert line([]) == ""


def test_a_chart_is_written(tmp_path: Path) -> None:
    """One panel for each of memory, threads, descriptors, children."""
    pytest.importorskip("matplotlib")
    write_chart(recording().all, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes()[:4] == b"\x89PNG"


def test_the_hurried_judge_is_one_that_the_plugin_takes() -> None:
    """The fast clock is a matter of settings; none of them is refused, and what cannot be shortened so far stays at its shortest."""
    settings, refused = Settings.read(hurried(fastest()))
    assert refused == ()
    assert settings.interval == Settings().interval / fastest()
    usual, fast = Settings().patience(), settings.patience()
    assert fast.cooldown == usual.cooldown / fastest()
    assert fast.time_constant == 5.0
    assert fast.distinct_frames == usual.distinct_frames
