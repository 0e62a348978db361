"""What is believed of a print survives a restart, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoprint_spaghetti.adapters.belief_file import GRACE_S, BeliefFile
from octoprint_spaghetti.core import belief_record, judge
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.words import Sighting, Verdict
from octoprint_spaghetti.testing import answer
from tests.plugin.test_watch import SETTINGS, Bench

KEY = "local/benchy.gcode/1/2"


def suspected() -> Belief:
    """Return the belief about a print that has been failing for a while."""
    belief = judge.extrusion_began(judge.begin(0.0), 0.0)
    for number in range(6):
        seen = Sighting(100.0 + 5.0 * number, answer(0.9, box=Box(0.1, 0.1, 0.3, 0.3)), 3)
        belief = judge.advance(belief, seen, Patience())
    return replace(belief, forgiven=(Box(0.7, 0.7, 0.9, 0.9),), muted=True)


def test_a_belief_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The clock begins anew; what was seen 20 s before the restart was seen 20 s ago afterwards."""
    file = BeliefFile(tmp_path / "belief.json")
    before = suspected()
    file.save(KEY, before, at=125.0, wall=5000.0)
    after = file.load(KEY, at=7.0, wall=5040.0)
    assert after is not None
    assert (after.evidence, after.verdict, after.forgiven, after.muted) == (
        before.evidence,
        Verdict.SUSPECT,
        before.forgiven,
        True,
    )
    assert after.last_at == 7.0 - 40.0
    assert [glance.score for glance in after.recent] == [glance.score for glance in before.recent]
    assert belief_record.from_json(belief_record.as_json(after), 40.0 + 125.0 - 7.0) == replace(
        before, scene=after.scene, background=after.background
    )


@pytest.mark.parametrize(
    ("key", "wall"),
    [
        pytest.param("local/other.gcode/1/2", 5010.0, id="another file"),
        pytest.param(KEY, 5000.0 + GRACE_S + 1.0, id="too old"),
        pytest.param(KEY, 4000.0, id="a clock that was set back"),
    ],
)
def test_a_belief_about_something_else_is_not_taken(tmp_path: Path, key: str, wall: float) -> None:
    """Only this print, and only while it is fresh."""
    file = BeliefFile(tmp_path / "belief.json")
    file.save(KEY, suspected(), at=125.0, wall=5000.0)
    assert file.load(key, at=7.0, wall=wall) is None


def test_a_print_without_a_file_has_no_past(tmp_path: Path) -> None:
    """Two jobs whose file nobody knows are not the same job."""
    file = BeliefFile(tmp_path / "belief.json")
    file.save("", suspected(), at=125.0, wall=5000.0)
    assert file.load("", at=7.0, wall=5010.0) is None


def test_a_file_cut_off_anywhere_is_no_belief_and_no_error(tmp_path: Path) -> None:
    """Whatever a crash leaves behind, the print is judged anew."""
    path = tmp_path / "belief.json"
    file = BeliefFile(path)
    file.save(KEY, suspected(), at=125.0, wall=5000.0)
    whole = path.read_bytes()
    for cut in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:cut])
        assert file.load(KEY, at=7.0, wall=5010.0) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=9), x),
    )
)
def test_anything_else_in_its_place_is_refused(content: object) -> None:
    """Content that is no belief raises one of three errors that the reader knows."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        belief_record.from_json(json.loads(json.dumps(content)), 0.0)  # type: ignore[arg-type]


def test_a_watch_that_finds_its_print_running_goes_on_with_it() -> None:
    """OctoPrint restarts in the middle of a failure: the pause comes as if nothing had happened, without another warm-up."""
    bench = Bench()
    bench.print()
    bench.run(60.0)
    bench.detector.score = 0.95
    bench.run(20.0)
    assert bench.printer.pauses == 0
    again = Bench(SETTINGS, clock=bench.clock, detector=bench.detector, printer=bench.printer, beliefs=bench.beliefs)
    again.run(15.0)
    assert bench.printer.pauses == 1


def test_a_print_that_began_under_our_eyes_begins_without_a_past() -> None:
    """The event of a new print means a new print, whatever lies on the disk."""
    bench = Bench(beliefs=Bench().beliefs)
    bench.beliefs.kept = suspected()
    bench.print()
    bench.run(5.0)
    assert bench.watch.status.verdict is Verdict.WARMING_UP


def test_a_print_that_ended_is_forgotten() -> None:
    """Nothing of it is there when the next one is found running."""
    bench = Bench()
    bench.print()
    bench.run(60.0)
    assert bench.beliefs.kept is not None
    bench.watch.end(done=True)
    assert bench.beliefs.kept is None
