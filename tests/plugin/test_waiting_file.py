"""The file of the messages that wait: whole or not there, and never in the way."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoprint_spaghetti.adapters.waiting_file import WaitingFile
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.notice_rules import Desk, Message, Waiting
from octoprint_spaghetti.core.outbox import GIVE_UP_AFTER_S, Delivery
from octoprint_spaghetti.core.waiting_record import Queued, as_json

MESSAGE = Message("incident one", "Print paused", "Spaghetti.", pictured=True, incident="one")
QUEUED = Queued(Desk((Waiting(MESSAGE, 20.0),)), ((Delivery(MESSAGE, 10.0),), ()))
WALL = 1_800_000_000.0


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """On another clock, in another process."""
    WaitingFile(tmp_path / "waiting.json").save(QUEUED, 30.0, WALL)
    assert WaitingFile(tmp_path / "waiting.json").load(30.0, WALL, 2) == QUEUED


def test_a_kill_at_any_byte_leaves_what_was_there_before(tmp_path: Path) -> None:
    """A save is written beside the file: cut off anywhere, the file itself still holds the last one."""
    kept = WaitingFile(tmp_path / "waiting.json")
    kept.save(QUEUED, 30.0, WALL)
    whole = (tmp_path / "waiting.json").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / ".waiting.json.partial").write_bytes(whole[:length])
        assert kept.load(30.0, WALL, 2) == QUEUED


def test_a_file_that_was_cut_off_is_a_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A disk that lost its end, or somebody's editor: at any byte it is told, and nothing waits."""
    caplog.set_level(logging.WARNING)
    kept = WaitingFile(tmp_path / "waiting.json")
    kept.save(QUEUED, 30.0, WALL)
    whole = (tmp_path / "waiting.json").read_bytes()
    for count, length in enumerate(range(0, len(whole) - 2, 7), 1):
        (tmp_path / "waiting.json").write_bytes(whole[:length])
        assert kept.load(30.0, WALL, 2) == Queued()
        assert len(caplog.records) == count
    assert "messages that waited in it are lost" in caplog.text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_the_file_octoprint_starts(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any part of a good file in the place of any other, or replaced by anything: it is read, or told to be none."""
    file = tmp_path_factory.getbasetemp() / "foreign.json"
    content = json.loads(json.dumps(as_json(QUEUED, 30.0, WALL)))
    place: Any = content
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not place[key] or not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(_JSON)
    file.write_text(json.dumps(content), encoding="utf-8")
    queued = WaitingFile(file).load(30.0, WALL, 2)
    assert len(queued.channels) in (0, 2)
    assert all(isinstance(one.message.title, str) and one.since <= 30.0 for channel in queued.channels for one in channel)


@pytest.mark.parametrize("content", ["[]", "3", "null", '"text"', '{"format": 1}', "\xff"])
def test_what_is_no_such_file_is_a_line_in_the_log(content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever lies there, OctoPrint starts."""
    (tmp_path / "waiting.json").write_bytes(content.encode("latin-1"))
    assert WaitingFile(tmp_path / "waiting.json").load(30.0, WALL, 2) == Queued()
    assert "cannot be read" in caplog.text


def test_messages_that_are_too_old_are_counted_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who looks for a message that never came finds out why."""
    kept = WaitingFile(tmp_path / "waiting.json")
    kept.save(QUEUED, 30.0, WALL)
    assert kept.load(30.0, WALL + GIVE_UP_AFTER_S + 20.0, 2) == Queued(channels=((), ()))
    assert "2 messages from before the restart are too old" in caplog.text


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """It says what would be lost and where to look."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EvidenceError, match="lost by a restart; check space and rights"):
        WaitingFile(tmp_path / "file" / "waiting.json").save(QUEUED, 30.0, WALL)


def test_nothing_of_a_channel_is_in_the_file(tmp_path: Path) -> None:
    """What is to be said, and to which channel by its place in the list: no more."""
    WaitingFile(tmp_path / "waiting.json").save(QUEUED, 30.0, WALL)
    content = json.loads((tmp_path / "waiting.json").read_text(encoding="utf-8"))
    assert content["channels"] == [[[0, WALL - 20.0, 0]], []]
    assert set(content) == {"format", "wall", "told", "sight_told_at", "held", "messages", "channels"}
