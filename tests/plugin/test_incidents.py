"""Evidence on disk: whole or not there, bounded in number, and a sentence when it cannot be written."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from octoprint_spaghetti.adapters.incidents import LEFT_BEHIND_S, STATE_FILE, IncidentFolder
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Exhibit, Frame, Incident
from octoprint_spaghetti.testing import answer


def incident(name: str) -> Incident:
    """Return an incident of two pictures, one of which was looked at."""
    frame = Frame(b"\xff\xd8 picture \xff\xd9", 12.5, "classic")
    seen = answer(0.9, box=Box(0.1, 0.2, 0.3, 0.4))
    return Incident(
        name, 1_800_000_000.0, "benchy.gcode", "pause", "because", 0.6, 0.55, (Exhibit(frame, None), Exhibit(frame, seen))
    )


def test_an_incident_can_be_read_with_any_tool(tmp_path: Path) -> None:
    """The folder holds the pictures byte for byte and a JSON file that explains them."""
    folder = Path(IncidentFolder(tmp_path / "incidents", 5).open(incident("a")))
    content = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    assert [frame["score"] for frame in content["frames"]] == [None, 0.9]
    assert content["frames"][1]["detections"][0]["xyxy"] == [0.1, 0.2, 0.3, 0.4]
    assert (folder / content["frames"][0]["file"]).read_bytes() == b"\xff\xd8 picture \xff\xd9"
    assert content["states"] == [{"state": "deciding", "at": 1_800_000_000.0}]


def test_states_are_added_with_their_time(tmp_path: Path) -> None:
    """What happened to an incident is appended, never overwritten."""
    incidents = IncidentFolder(tmp_path, 5)
    incidents.open(incident("a"))
    incidents.note("a", "acted", 1_800_000_003.0)
    assert [state["state"] for state in incidents.read("a")["states"]] == ["deciding", "acted"]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    """Beyond the number kept the oldest goes."""
    incidents = IncidentFolder(tmp_path, 2)
    for name in ("a", "b", "c"):
        incidents.open(incident(name))
    assert incidents.ids() == ["c", "b"]


def test_an_incident_that_was_cut_off_is_not_listed_and_harms_no_other(tmp_path: Path) -> None:
    """A crash in the middle of a write leaves a hidden folder; the older incidents stay readable."""
    incidents = IncidentFolder(tmp_path, 5)
    incidents.open(incident("a"))
    (tmp_path / ".b").mkdir()
    (tmp_path / ".b" / "001.jpg").write_bytes(b"half")
    assert incidents.ids() == ["a"]
    assert incidents.read("a")["id"] == "a"


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """No room or no rights: the error says where to look and leaves nothing half behind."""
    (tmp_path / "file").write_text("in the way")
    incidents = IncidentFolder(tmp_path / "file" / "incidents", 5)
    with pytest.raises(EvidenceError, match="check space and rights"):
        incidents.open(incident("a"))


@pytest.mark.parametrize("name", ["../../etc/passwd", "state.json", "002.jpg", ""])
def test_no_other_file_can_be_fetched_as_a_picture(tmp_path: Path, name: str) -> None:
    """Only the pictures that the incident names are handed out."""
    incidents = IncidentFolder(tmp_path, 5)
    incidents.open(Incident("a", 0.0, "", "pause", "", 0.0, 0.0, (Exhibit(Frame(b"x", 0.0, ""), None),)))
    with pytest.raises(EvidenceError, match="has no picture"):
        incidents.picture("a", name)
    with pytest.raises(EvidenceError, match="no incident"):
        incidents.picture("../a", "001.jpg")


def test_the_newest_incident_is_kept_whatever_the_clock_says(tmp_path: Path) -> None:
    """A computer that woke up in the wrong year does not delete the evidence that it has just written."""
    incidents = IncidentFolder(tmp_path, 2)
    for name in ("20300101T000000Z", "20300102T000000Z", "19700101T000000Z"):
        incidents.open(incident(name))
    assert incidents.ids() == ["20300102T000000Z", "19700101T000000Z"]


def test_an_incident_that_is_gone_is_no_trouble_to_the_watch(tmp_path: Path) -> None:
    """Somebody deleted it while its print went on, or the disk was full when it was to be saved, which was said then."""
    incidents = IncidentFolder(tmp_path, 2)
    incidents.open(incident("20300101T000000Z"))
    incidents.delete("20300101T000000Z")
    incidents.note("20300101T000000Z", "closed", 1.0)
    assert incidents.ids() == []


def test_a_disk_that_dies_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but our own error reaches the watch, which has a print to pause."""
    incidents = IncidentFolder(tmp_path, 2)
    incidents.open(incident("20300101T000000Z"))

    def dying(file: Path) -> object:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("octoprint_spaghetti.adapters.incidents.read_state", dying)
    with pytest.raises(EvidenceError, match="Input/output error") as told:
        incidents.note("20300101T000000Z", "acted", 1.0)
    assert str(tmp_path) not in str(told.value)


def test_what_a_crash_left_in_mid_write_is_swept_away(tmp_path: Path) -> None:
    """Only what is ours and old: incidents, what is in writing now, and other people's hidden files stay."""
    incidents = IncidentFolder(tmp_path, 5)
    name = "20270115T080000Z-123"
    incidents.open(incident(name))
    for folder in (f".{name}", ".20270115T090000Z-456-2", ".git"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "001.jpg").write_bytes(b"half")
    (tmp_path / name / ".clip.gif.partial").write_bytes(b"half")
    (tmp_path / name / ".hidden").write_bytes(b"not ours")
    now = (tmp_path / name).stat().st_mtime
    assert incidents.sweep(now + LEFT_BEHIND_S - 60.0) == 0
    assert incidents.sweep(now + LEFT_BEHIND_S + 60.0) == 3
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".git", name]
    assert sorted(entry.name for entry in (tmp_path / name).iterdir()) == [".hidden", "001.jpg", "002.jpg", STATE_FILE]
    assert incidents.read(name)["id"] == name


def test_a_folder_that_is_not_there_yet_needs_no_sweeping(tmp_path: Path) -> None:
    """The first start of all."""
    assert IncidentFolder(tmp_path / "incidents", 5).sweep(1e10) == 0
