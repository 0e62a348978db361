"""Incidents to take along, and what a person says of them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from octoprint_spaghetti.adapters import incident_files
from octoprint_spaghetti.adapters.incident_files import training_set, zipped
from octoprint_spaghetti.adapters.incidents import IncidentFolder, label_of
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Answer, Detection, Exhibit, Frame, Heatmap, Incident, Scene
from tests.pictures import jpeg

IDS = ("20260101T000000Z-001", "20260102T000000Z-001", "20260103T000000Z-001")


def answer(score: float) -> Answer:
    boxes = (Detection(Box(0.1, 0.2, 0.3, 0.4), score, "spaghetti"), Detection(Box(0.5, 0.5, 0.6, 0.6), 0.2, "spaghetti"))
    return Answer(score, boxes, Scene(0.5, 0.5, 0.5), Heatmap(1, 1, b"\0"), b"", "triton")


@pytest.fixture
def folder(tmp_path: Path) -> IncidentFolder:
    """Return a folder with three incidents of two pictures, of which the second alone shows a failure."""
    kept = IncidentFolder(tmp_path, kept=10)
    for incident_id in IDS:
        exhibits = tuple(
            Exhibit(Frame(jpeg(seed), float(seed), "classic"), answer(score)) for seed, score in ((1, 0.1), (2, 0.9))
        )
        kept.open(Incident(incident_id, 1.7e9, "vase.gcode", "pause", "Because.", 0.6, 0.55, exhibits))
    return kept


def rows(content: bytes) -> list[dict]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = [json.loads(line) for line in archive.read("labels.jsonl").decode().splitlines()]
        assert {row["file"] for row in found} == set(archive.namelist()) - {"labels.jsonl"}
    return found


def test_a_zip_holds_the_whole_incident(folder: IncidentFolder) -> None:
    """State and pictures come out as they lie on the disk."""
    with zipfile.ZipFile(io.BytesIO(zipped(folder, IDS[0]))) as archive:
        assert archive.namelist() == [f"{IDS[0]}/state.json", f"{IDS[0]}/001.jpg", f"{IDS[0]}/002.jpg"]
        assert archive.read(f"{IDS[0]}/002.jpg") == jpeg(2)
    with pytest.raises(EvidenceError):
        zipped(folder, "../secrets")


def test_labelled_pictures_teach_what_a_person_said(folder: IncidentFolder) -> None:
    """A real failure teaches with the pictures that show it, a false alarm with all as normal; the rest is silent."""
    folder.label(IDS[0], "right")
    folder.label(IDS[1], "wrong")
    found = rows(training_set(folder))
    assert [(row["group"], row["label"], row["boxes"]) for row in found] == [
        (IDS[1], "normal", []),
        (IDS[1], "normal", []),
        (IDS[0], "spaghetti", [[0.1, 0.2, 0.3, 0.4]]),
    ]
    assert {row["split"] for row in found} == {"train"}


def test_the_detectors_own_training_reads_what_is_exported(folder: IncidentFolder, tmp_path: Path) -> None:
    """The set unpacks into a folder that the trainer takes as it is."""
    labels = pytest.importorskip("inference_server.detector.labels")
    folder.label(IDS[0], "right")
    target = tmp_path / "set"
    with zipfile.ZipFile(io.BytesIO(training_set(folder))) as archive:
        archive.extractall(target)
    (row,) = labels.trainable(labels.read(target))
    assert (row.label, row.path.read_bytes(), row.boxes.shape) == ("spaghetti", jpeg(2), (1, 4))


def test_a_training_set_is_bounded(folder: IncidentFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest pictures that fit are taken; a Pi's memory is small."""
    for incident_id in IDS:
        folder.label(incident_id, "wrong")
    monkeypatch.setattr(incident_files, "MOST_BYTES", 3 * len(jpeg(1)) + len(jpeg(2)) // 2)
    assert [row["group"] for row in rows(training_set(folder))] == [IDS[2], IDS[2], IDS[1]]


def test_a_false_alarm_is_a_label_until_a_person_says_otherwise(folder: IncidentFolder) -> None:
    """Who called a false alarm has said what it was; a later word counts more, and is kept beside the states."""
    folder.note(IDS[0], "false_alarm", 1.7e9)
    assert label_of(folder.read(IDS[0])) == "wrong"
    folder.label(IDS[0], "right")
    assert label_of(folder.read(IDS[0])) == "right"
    assert [state["state"] for state in folder.read(IDS[0])["states"]] == ["deciding", "false_alarm"]
    with pytest.raises(EvidenceError):
        folder.label(IDS[0], "perhaps")


def test_a_deleted_incident_is_gone_from_list_and_disk(folder: IncidentFolder) -> None:
    """Deleting frees the room, and nothing outside the folder can be named."""
    used = folder.bytes_used()
    folder.delete(IDS[1])
    assert folder.ids() == [IDS[2], IDS[0]]
    assert folder.bytes_used() < used
    for name in (IDS[1], "..", "."):
        with pytest.raises(EvidenceError):
            folder.delete(name)
