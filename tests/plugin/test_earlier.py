"""The curve goes on over a restart in mid-print: the real watch writes the traces, the real reader makes the curve of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from octoprint_spaghetti.adapters.traces import TraceFolder, newest_first
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.history import MOST_POINTS, History
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.words import NoticeKind, Sighting, Status, Verdict
from octoprint_spaghetti.earlier import Earlier
from octoprint_spaghetti.testing import answer
from tests.plugin.test_watch import Bench

#: Unix time at which the print began.
BEGAN = 1_800_000_000.0
#: Unix time at which somebody looks, after all that is written here.
NOW = BEGAN + 86_400.0
CALM = Status(verdict=Verdict.WATCHING, evidence=0.1, suspect_at=0.3, failing_at=0.55, score=0.1, printer_state="PRINTING")


def write(folder: Path, began: float, scores: list[float], name: str = "benchy.gcode", camera: str = "") -> Path:
    """Write the trace of a print that begins at Unix time ``began`` and is cut off after its last frame; one frame each 5 s."""
    traces = TraceFolder(folder, 50, camera)
    traces.begin(name, 0.0, began)
    traces.tell(PrintEvent.EXTRUSION_BEGAN, 0.0)
    for number, score in enumerate(scores):
        traces.add(
            Sighting(5.0 * number, answer(score, box=Box(0.4, 0.4, 0.6, 0.6) if score > 0.5 else None), layer=number // 10 + 1)
        )
    traces.end()
    file = newest_first(folder)[0]
    ended = began + 5.0 * len(scores)
    os.utime(file, (ended, ended))
    return file


def test_what_was_seen_before_the_restart_is_in_the_curve(tmp_path: Path) -> None:
    """A print of ten minutes that was suspect for a while, a restart of half a minute, and then as it is now."""
    write(tmp_path, BEGAN, [0.02] * 60 + [0.9] * 6 + [0.02] * 54)
    write(tmp_path, BEGAN + 630.0, [])
    earlier = Earlier(tmp_path, 630.0, NOW)
    assert earlier.seconds == 630.0
    live = History(1000.0 - earlier.seconds, over=False).after(CALM, 1000.0).after(CALM, 1005.0)
    assert live.seconds(1005.0) == 635.0
    curve = live.preceded_by(earlier.history(Patience()))
    assert [point.at for point in curve.points] == [5.0 * number for number in range(120)] + [630.0, 635.0]
    assert max(curve.points, key=lambda point: point.evidence).at == pytest.approx(325.0, abs=10.0)
    kinds = [one.kind for one in curve.stretches]
    assert kinds == ["burst", "blind"]
    assert (curve.stretches[1].since, curve.stretches[1].until) == (595.0, 630.0)
    assert [layer for _, layer in curve.layers] == list(range(1, 13))


def test_a_print_with_several_restarts_is_one_curve(tmp_path: Path) -> None:
    """The traces of one print follow each other; an older print of the same file is another one."""
    write(tmp_path, BEGAN - 86400.0, [0.02] * 10)
    write(tmp_path, BEGAN, [0.02] * 10)
    write(tmp_path, BEGAN + 100.0, [0.02] * 10)
    write(tmp_path, BEGAN + 200.0, [])
    earlier = Earlier(tmp_path, 200.0, NOW)
    ats = [point.at for point in earlier.history(Patience()).points]
    assert ats == [5.0 * number for number in range(10)] + [100.0 + 5.0 * number for number in range(10)]
    assert earlier.seconds == 200.0


@pytest.mark.parametrize(
    ("began", "name"),
    [
        pytest.param(BEGAN, "cup.gcode", id="another file"),
        pytest.param(BEGAN - 1000.0, "benchy.gcode", id="an hour ago"),
        pytest.param(BEGAN - 101.0, "benchy.gcode", id="the same file, cancelled and printed again"),
    ],
)
def test_another_print_is_not_taken_for_this_one(tmp_path: Path, began: float, name: str) -> None:
    """What came before is part of the curve only when it is the same file, and no longer ago than a restart takes."""
    write(tmp_path, began, [0.02] * 10, name)
    write(tmp_path, BEGAN + 100.0, [])
    earlier = Earlier(tmp_path, 200.0, NOW)
    assert (earlier.seconds, earlier.history(Patience())) == (0.0, History())


def test_of_traces_that_begin_in_one_second_the_higher_number_is_the_newer(tmp_path: Path) -> None:
    """A print that was cancelled at once leaves the name without a number; what goes on is the one with it."""
    cancelled = write(tmp_path, BEGAN, [])
    watched = write(tmp_path, BEGAN + 0.6, [0.02] * 10)
    write(tmp_path, BEGAN + 100.6, [])
    assert newest_first(tmp_path)[1:] == [watched, cancelled]
    earlier = Earlier(tmp_path, 100.0, NOW)
    assert (earlier.seconds, len(earlier.history(Patience()).points)) == (100.0, 10)


def test_a_trace_of_the_future_is_of_a_clock_that_was_wrong(tmp_path: Path) -> None:
    """A Raspberry Pi without a battery may have begun a print in another year; it hides nothing."""
    write(tmp_path, BEGAN, [0.02] * 10)
    write(tmp_path, BEGAN + 100.0, [])
    write(tmp_path, NOW + 3600.0, [0.02] * 3)
    earlier = Earlier(tmp_path, 100.0, NOW)
    assert (earlier.seconds, len(earlier.history(Patience()).points)) == (100.0, 10)


def test_the_curve_is_that_of_the_first_camera(tmp_path: Path) -> None:
    """A second camera has traces of its own beside it."""
    for began, scores in ((BEGAN, [0.02] * 10), (BEGAN + 100.0, [])):
        write(tmp_path, began, scores)
        write(tmp_path, began, [0.02] * 3, camera="garage")
    earlier = Earlier(tmp_path, 200.0, NOW)
    assert earlier.seconds == 100.0
    assert len(earlier.history(Patience()).points) == 10


def test_without_any_trace_the_curve_begins_now(tmp_path: Path) -> None:
    """The disk was full, or somebody deleted them."""
    earlier = Earlier(tmp_path / "nothing", 200.0, NOW)
    assert (earlier.seconds, earlier.history(Patience())) == (0.0, History())


def test_a_trace_that_is_pruned_or_damaged_meanwhile_leaves_what_is_left(tmp_path: Path) -> None:
    """The curve shows what can still be read."""
    first, second = write(tmp_path, BEGAN, [0.02] * 10), write(tmp_path, BEGAN + 100.0, [0.02] * 10)
    write(tmp_path, BEGAN + 200.0, [])
    earlier = Earlier(tmp_path, 200.0, NOW)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-30])
    assert 0 < len(earlier.history(Patience()).points) < 10


def test_a_day_before_the_restart_stays_bounded_and_keeps_its_peak(tmp_path: Path) -> None:
    """However long it was, the page gets as many points as ever."""
    write(tmp_path, BEGAN, [0.02] * 10_000 + [0.9] * 8 + [0.02] * 7_000)
    write(tmp_path, BEGAN + 85_100.0, [])
    live = History(0.0, over=False)
    for second in range(0, 6000, 5):
        live = live.after(CALM, 85_100.0 + second)
    curve = live.preceded_by(Earlier(tmp_path, 85_100.0, NOW).history(Patience()))
    assert len(curve.points) <= MOST_POINTS
    assert max(curve.points, key=lambda point: point.evidence).at == pytest.approx(50_035.0, abs=60.0)
    assert [point.at for point in curve.points] == sorted(point.at for point in curve.points)


def test_the_watch_says_that_a_print_goes_on(bench: Bench) -> None:
    """Only for a job that was found running and of which something is known; any other begins a curve of its own."""
    bench.print()
    bench.run(60.0)
    again = Bench(clock=bench.clock, beliefs=bench.beliefs, printer=bench.printer)
    again.watch.tick()
    assert [one.detail for one in (*bench.notices, *again.notices) if one.kind is NoticeKind.PRINT_STARTED] == ["", "goes_on"]


@pytest.fixture
def bench() -> Bench:
    return Bench()
