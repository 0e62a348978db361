"""Traces of prints: written as they happen, readable wherever they were cut off, small."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octoprint_spaghetti.adapters.trace_reader import open_trace, recorded
from octoprint_spaghetti.adapters.traces import TraceFolder
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.recording import Lost, Row, Seen, Told
from octoprint_spaghetti.core.words import Scene, Sighting
from octoprint_spaghetti.testing import answer

WALL = 1_800_000_000.0
BOX = Box(0.1, 0.2, 0.3, 0.4)
MADE = 1000.0  # monotonic seconds at which the traces of these tests begin


def trace_of(folder: Path, write: Callable[[TraceFolder], None]) -> list[Row]:
    """Write a trace, end it, and return its rows as they are read again."""
    return list(open_trace(file_of(folder, write)))


def file_of(folder: Path, write: Callable[[TraceFolder], None]) -> Path:
    """Write a trace and end it; return its file."""
    traces = TraceFolder(folder, kept=3)
    traces.begin("benchy.gcode", MADE, WALL)
    write(traces)
    traces.end()
    return max(folder.iterdir())


def calm(count: int) -> Callable[[TraceFolder], None]:
    """Return what writes ``count`` sightings 5 s apart, every tenth with a box."""

    def write(traces: TraceFolder) -> None:
        for number in range(count):
            hit = number % 10 == 9
            traces.add(Sighting(MADE + 5.0 * number, answer(0.9 if hit else 0.013, box=BOX if hit else None)))

    return write


def seen(rows: list[Row]) -> list[Sighting]:
    """Return the sightings among rows."""
    return [row.sighting for row in rows if isinstance(row, Seen)]


def test_what_was_seen_comes_back(tmp_path: Path) -> None:
    """Times count from the start of the print; scores, boxes and scene are as they were, to the digits that are kept."""
    sightings = seen(trace_of(tmp_path, calm(20)))
    assert [sighting.at for sighting in sightings[:3]] == [0.0, 5.0, 10.0]
    assert sightings[0].answer.score == 0.013
    assert sightings[9].answer.detections[0].box == BOX
    assert {sighting.answer.scene.brightness for sighting in sightings} == {0.5}
    assert {sighting.answer.detector for sighting in sightings} == {"fake"}


def test_what_changes_is_told_once_and_holds_until_it_changes_again(tmp_path: Path) -> None:
    """Layer, height, what the printer does, who looks, the light: each frame has them, though few rows say them."""
    first = Sighting(MADE, answer(0.1), layer=1, position=(10.2, 20.4, 0.2), busy="heating")
    second = dataclasses.replace(first, at=MADE + 5.0, busy="")
    third = dataclasses.replace(
        second,
        at=MADE + 10.0,
        layer=2,
        position=(11.0, 21.0, 0.4),
        answer=answer(0.1, scene=Scene(0.02, 0.1, 0.1), detector="other"),
    )
    fourth = dataclasses.replace(third, at=MADE + 15.0, layer=None, position=None)

    def write(traces: TraceFolder) -> None:
        for sighting in (first, second, third, fourth):
            traces.add(sighting)

    rows = seen(trace_of(tmp_path, write))
    assert [row.layer for row in rows] == [1, 1, 2, None]
    assert [row.position for row in rows] == [(10.0, 20.0, 0.2), (10.0, 20.0, 0.2), (11.0, 21.0, 0.4), None]
    assert [row.busy for row in rows] == ["heating", "", "", ""]
    assert [row.answer.detector for row in rows] == ["fake", "fake", "other", "other"]
    assert [row.answer.scene.brightness for row in rows] == [0.5, 0.5, 0.02, 0.02]


def test_events_and_time_without_answers_stand_between_the_frames(tmp_path: Path) -> None:
    """In the order in which they were told; the same reason is written once until there is an answer again."""

    def write(traces: TraceFolder) -> None:
        traces.tell(PrintEvent.EXTRUSION_BEGAN, MADE + 1.0)
        for at in (10.0, 15.0, 20.0):
            traces.lost("Nothing answers at 192.0.2.7:8001.", MADE + at)
        traces.add(Sighting(MADE + 25.0, answer(0.1)))
        traces.lost("Nothing answers at 192.0.2.7:8001.", MADE + 30.0)
        traces.tell(PrintEvent.PAUSED, MADE + 31.0)

    rows = trace_of(tmp_path, write)
    told, first, sighting, second, paused = rows
    assert told == Told(PrintEvent.EXTRUSION_BEGAN, 1.0)
    assert first == Lost("Nothing answers at 192.0.2.7:8001.", 10.0)
    assert sighting.at == 25.0
    assert second.at == 30.0
    assert paused == Told(PrintEvent.PAUSED, 31.0)


def test_a_thumbnail_is_kept_where_it_shows_something_else(tmp_path: Path) -> None:
    """A hundred like pictures cost one; the frames after a change have the new one."""
    dark, light = bytes([20]) * 768, bytes([120]) * 768

    def write(traces: TraceFolder) -> None:
        for number in range(100):
            picture = dataclasses.replace(answer(0.1), thumbnail=dark if number < 50 else light)
            traces.add(Sighting(MADE + 5.0 * number, picture))

    file = file_of(tmp_path, write)
    assert file.read_text().count("thumbnail") == 2
    thumbnails = [sighting.answer.thumbnail for sighting in seen(list(open_trace(file)))]
    assert thumbnails == [dark] * 50 + [light] * 50


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0.0, 1.0))
def test_a_trace_that_was_cut_anywhere_is_readable_up_to_there(tmp_path: Path, share: float) -> None:
    """Whatever byte was the last, the rows before it come back, as they were."""
    whole_file = tmp_path / "whole" / "print"
    if not whole_file.parent.exists():
        file_of(tmp_path / "whole", _eventful).rename(whole_file)
    whole, rows = whole_file.read_bytes(), list(open_trace(whole_file))
    cut = tmp_path / "cut.trace.jsonl"
    head = whole.index(b"\n") + 1
    cut.write_bytes(whole[: head + round(share * (len(whole) - head))])
    read = list(open_trace(cut))
    assert read == rows[: len(read)]
    complete_lines = cut.read_bytes()[head:].count(b"\n")
    silent = whole[head:].count(b"\n") - len(rows)  # rows that only say who looks
    assert complete_lines - silent <= len(read) <= complete_lines + 1


def _eventful(traces: TraceFolder) -> None:
    traces.tell(PrintEvent.EXTRUSION_BEGAN, MADE)
    calm(20)(traces)
    traces.lost("The camera is gone.", MADE + 100.0)
    traces.add(Sighting(MADE + 110.0, dataclasses.replace(answer(0.4, box=BOX), thumbnail=bytes(768)), layer=3))
    traces.tell(PrintEvent.FALSE_ALARM, MADE + 111.0)


@pytest.mark.parametrize(
    "row",
    [
        '[50.0,"high"]',
        "[50.0,NaN]",
        "[50.0,1.5]",
        "[1e999,0.5]",
        "[50.0]",
        '[50.0,0.5,{"boxes":[[0.5,0.5,0.1,0.1,0.9]]}]',
        '[50.0,0.5,{"thumbnail":"?"}]',
        '{"at":50.0}',
        '{"at":50.0,"event":"exploded"}',
        '{"event":"paused"}',
        "7",
        "[" * 5000,
    ],
)
def test_a_row_that_cannot_be_ends_the_trace(tmp_path: Path, row: str) -> None:
    """A damaged or hostile file is read up to the first row that makes no sense, without an error."""
    file = file_of(tmp_path, calm(3))
    file.write_text(file.read_text() + row + "\n" + "[60.0,0.5]\n")
    assert len(list(open_trace(file))) == 3


def test_a_trace_of_the_first_format_is_still_readable(tmp_path: Path) -> None:
    """It knew no events: the print is taken to extrude since long before, and its replay ends at the first pause."""
    file = tmp_path / "old.trace.jsonl"
    file.write_text(
        '{"format":1,"print":"a","started_at":1.0}\n[5.0,0.5,[0.4,0.3,0.2],[[0.1,0.2,0.3,0.4,0.9]]]\n[10.0,0.1,[0.4,0.3,0.2],[]]\n'
    )
    recording = recorded(file)
    told, first, second = recording.rows
    assert not recording.goes_on
    assert told == Told(PrintEvent.EXTRUSION_BEGAN, recording.start)
    assert first.sighting.answer.detections[0].box == BOX
    assert first.sighting.answer.scene == Scene(0.4, 0.3, 0.2)
    assert second.sighting.answer.detections == ()


def _a_day(traces: TraceFolder) -> None:
    """Write what a day at one frame every five seconds is like: a moving head, noisy scores, faint boxes in a fifth of the frames."""
    chance = random.Random(1)
    picture = bytes(chance.randrange(256) for _ in range(768))
    for number in range(17_280):
        score = min(1.0, chance.lognormvariate(-4.0, 0.7))
        box = Box(0.4, 0.4, 0.5 + 0.2 * chance.random(), 0.5 + 0.2 * chance.random()) if chance.random() < 0.2 else None
        scene = Scene(0.5 + 0.01 * chance.random(), 0.5 + 0.01 * chance.random(), 0.4 + 0.02 * chance.random())
        seen_now = dataclasses.replace(
            answer(max(score, 0.06) if box else score, box=box, scene=scene), thumbnail=picture if number % 700 else picture[::-1]
        )
        place = (250.0 * chance.random(), 210.0 * chance.random(), 0.2 * (number // 60))
        traces.add(Sighting(MADE + 5.0 * number + 0.01 * chance.random(), seen_now, number // 60 + 1, place))


def test_a_day_is_half_a_megabyte(tmp_path: Path) -> None:
    """24 hours at a frame every five seconds, with layers, places, boxes and thumbnails, stay below 700 kB."""
    assert file_of(tmp_path, _a_day).stat().st_size < 700_000


def test_a_process_that_is_killed_loses_no_row(tmp_path: Path) -> None:
    """Every row that was added before a SIGKILL is in the file, though nothing was closed or flushed."""
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from octoprint_spaghetti.adapters.traces import TraceFolder\n"
        "from octoprint_spaghetti.core.words import Sighting\nfrom octoprint_spaghetti.testing import answer\n"
        "traces = TraceFolder(Path(sys.argv[1]), 3)\ntraces.begin('a', 0.0, 1.8e9)\n"
        "for number in range(1000):\n    traces.add(Sighting(float(number), answer(0.1)))\n"
        "print('added', flush=True)\nsys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "added\n"
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert len(list(open_trace(next(tmp_path.iterdir())))) == 1000


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    """Beyond the number kept the oldest trace goes."""
    traces = TraceFolder(tmp_path, kept=2)
    for day in range(4):
        traces.begin("benchy.gcode", 0.0, WALL + 86_400.0 * day)
    traces.end()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_print_that_runs_is_kept_whatever_the_clock_says(tmp_path: Path) -> None:
    """A Pi that woke up in the wrong year does not delete the trace that it writes."""
    traces = TraceFolder(tmp_path, kept=2)
    for wall in (WALL, WALL + 86_400.0, 1_500_000_000.0):
        traces.begin("benchy.gcode", 0.0, wall)
        traces.add(Sighting(1.0, answer(0.5)))
    traces.end()
    assert sorted(open_trace(file).started_at for file in tmp_path.iterdir()) == [1_500_000_000.0, WALL + 86_400.0]


def test_the_cameras_of_a_print_count_as_one(tmp_path: Path) -> None:
    """None of them deletes the trace that another one writes, and all of an older print go together."""
    cameras = [TraceFolder(tmp_path, kept=1, camera=name) for name in ("", "garage", "attic")]
    for day in range(2):
        for traces in cameras:
            traces.begin("benchy.gcode", 0.0, WALL + 86_400.0 * day)
    for traces in cameras:
        traces.end()
    left = [open_trace(file) for file in tmp_path.iterdir()]
    assert {(one.camera, one.started_at) for one in left} == {(name, WALL + 86_400.0) for name in ("", "garage", "attic")}


def test_two_prints_of_one_second_have_a_file_each(tmp_path: Path) -> None:
    """A computer that forgets the time at each start overwrites nothing."""
    for _ in range(3):
        file_of(tmp_path, calm(5))
    assert [len(list(open_trace(file))) for file in tmp_path.iterdir()] == [5, 5, 5]


def test_a_disk_that_cannot_be_written_is_told_until_it_can(tmp_path: Path) -> None:
    """Each try is a sentence while it fails; then the trace begins with the next row, and has its head."""
    (tmp_path / "file").write_text("in the way")
    traces = TraceFolder(tmp_path / "file" / "traces", kept=2)
    with pytest.raises(EvidenceError, match="check space and rights"):
        traces.begin("benchy.gcode", 0.0, WALL)
    with pytest.raises(EvidenceError, match="check space and rights"):
        traces.add(Sighting(0.0, answer(0.5)))
    (tmp_path / "file").unlink()
    traces.add(Sighting(1.0, answer(0.5)))
    traces.end()
    (file,) = (tmp_path / "file" / "traces").iterdir()
    assert [sighting.at for sighting in seen(list(open_trace(file)))] == [1.0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits are of Unix alone")
def test_a_trace_goes_on_behind_its_last_whole_line(tmp_path: Path) -> None:
    """The kernel refuses a line in its middle, as a full disk does: the torn end goes, and what follows is complete again."""
    traces = TraceFolder(tmp_path, kept=2)
    traces.begin("benchy.gcode", 0.0, WALL)
    traces.add(Sighting(0.0, answer(0.25), layer=3))
    (file,) = tmp_path.iterdir()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 5, limits[1]))
        with pytest.raises(EvidenceError, match="check space and rights"):
            traces.add(Sighting(5.0, answer(0.5), layer=3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    traces.add(Sighting(10.0, answer(0.75), layer=3))
    traces.end()
    assert [(one.at, one.answer.score, one.layer) for one in seen(list(open_trace(file)))] == [(0.0, 0.25, 3), (10.0, 0.75, 3)]


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b'{"format": []}', b"\xff\xd8\xff", b'{"format": 1e9999}'])
def test_what_is_no_trace_is_refused(tmp_path: Path, content: bytes) -> None:
    """Another file is named as what it is not, in words of ours."""
    file = tmp_path / "other.jsonl"
    file.write_bytes(content)
    with pytest.raises(EvidenceError) as refused:
        open_trace(file)
    assert str(refused.value).startswith(f"{file} is not a trace")
    assert "codec" not in str(refused.value)
    assert "char" not in str(refused.value)


def test_a_trace_of_a_later_version_asks_for_an_update(tmp_path: Path) -> None:
    """It is a trace, and what to do about it is said."""
    file = tmp_path / "new.trace.jsonl"
    file.write_text(json.dumps({"format": 3, "print": "a", "started_at": 0.0}))
    with pytest.raises(EvidenceError, match="update the plugin"):
        open_trace(file)
