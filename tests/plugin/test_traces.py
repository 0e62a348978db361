"""Traces of prints: written as they happen, readable wherever they were cut off, small."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoprint_spaghetti.adapters.traces import TraceFolder, read_trace
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Sighting
from octoprint_spaghetti.testing import answer

WALL = 1_800_000_000.0
BOX = Box(0.1, 0.2, 0.3, 0.4)


def written(folder: Path, count: int) -> Path:
    """Return the file of a print with ``count`` sightings, every tenth with a box."""
    traces = TraceFolder(folder, kept=3)
    traces.begin("benchy.gcode", 100.0, WALL)
    for number in range(count):
        traces.add(
            Sighting(100.0 + 5.0 * number, answer(0.9 if number % 10 == 9 else 0.013, box=BOX if number % 10 == 9 else None))
        )
    traces.end()
    return max(folder.iterdir())


def test_what_was_seen_comes_back(tmp_path: Path) -> None:
    """Times count from the start of the print; scores, boxes and scene are as they were, to the digits that are kept."""
    sightings = read_trace(written(tmp_path, 20))
    assert [sighting.at for sighting in sightings[:3]] == [0.0, 5.0, 10.0]
    assert sightings[0].answer.score == 0.013
    assert sightings[9].answer.detections[0].box == BOX
    assert sightings[0].answer.scene.brightness == 0.5


def test_a_trace_that_was_cut_anywhere_is_readable_up_to_there(tmp_path: Path) -> None:
    """Whatever byte was the last, the sightings before it come back."""
    whole = written(tmp_path, 20).read_bytes()
    cut = tmp_path / "cut.trace.jsonl"
    head = whole.index(b"\n") + 1
    for length in range(head, len(whole), 7):
        cut.write_bytes(whole[:length])
        assert len(read_trace(cut)) in (whole[head:length].count(b"\n"), whole[head:length].count(b"\n") + 1)


def test_a_day_is_half_a_megabyte(tmp_path: Path) -> None:
    """24 hours at a frame every five seconds stay below 1 MB."""
    assert written(tmp_path, 17_280).stat().st_size < 1_000_000


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    """Beyond the number kept the oldest trace goes."""
    traces = TraceFolder(tmp_path, kept=2)
    for day in range(4):
        traces.begin("benchy.gcode", 0.0, WALL + 86_400.0 * day)
    traces.end()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_disk_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """The first failure is a sentence, what follows is silence; the watch goes on."""
    (tmp_path / "file").write_text("in the way")
    traces = TraceFolder(tmp_path / "file" / "traces", kept=2)
    with pytest.raises(EvidenceError, match="check space and rights"):
        traces.begin("benchy.gcode", 0.0, WALL)
    traces.add(Sighting(0.0, answer(0.5)))


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"format": 99}'])
def test_what_is_no_trace_is_refused(tmp_path: Path, content: str) -> None:
    """Another file is named as what it is not."""
    file = tmp_path / "other.jsonl"
    file.write_text(content)
    with pytest.raises(EvidenceError, match="not a trace"):
        read_trace(file)
