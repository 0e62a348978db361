"""Incidents to take along: one as a zip, and all labelled pictures as a set that the detector's training reads.

The training set holds ``labels.jsonl`` (a row per picture: ``id``, ``file``, ``source``, ``label``, ``boxes``, ``group``,
``cluster``, ``split``) and the pictures beside it, in the shape of ``inference_server/detector/labels.py``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from octoprint_spaghetti.adapters.incidents import STATE_FILE, IncidentFolder, label_of
from octoprint_spaghetti.core.errors import EvidenceError

#: The answer is held in memory, on a Pi: newest incidents first, up to so many bytes of pictures.
MOST_BYTES = 50_000_000
#: Of a real failure, a picture from this score on shows it; what came before is nobody's lesson.
_SHOWS_IT = 0.5
_SOURCE = "octoprint-spaghetti"


def zipped(folder: IncidentFolder, incident_id: str) -> bytes:
    """Return an incident with all its pictures, and what was made of them, as a zip file. Raises :class:`EvidenceError`."""
    content = folder.read(incident_id)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # JPEG does not get smaller
        archive.writestr(f"{incident_id}/{STATE_FILE}", json.dumps(content, indent=2))
        for frame in content["frames"]:
            archive.writestr(f"{incident_id}/{frame['file']}", folder.picture(incident_id, frame["file"]))
        for name in folder.made_files(incident_id):
            archive.writestr(f"{incident_id}/{name}", folder.kept_file(incident_id, name) or b"")
    return target.getvalue()


def training_set(folder: IncidentFolder) -> bytes:
    """Return the pictures of all labelled incidents with their labels as a zip file, newest first, up to ``MOST_BYTES``.

    A failure's pictures teach with the detector's own boxes; a false alarm's are normal. What cannot be read is left out.
    """
    rows: list[dict[str, Any]] = []
    size = 0
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for row, jpeg in _lessons(folder):
            size += len(jpeg)
            if size > MOST_BYTES:
                break
            archive.writestr(row["file"], jpeg)
            rows.append(row)
        archive.writestr("labels.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return target.getvalue()


def _lessons(folder: IncidentFolder) -> Iterator[tuple[dict[str, Any], bytes]]:
    for incident_id in folder.ids():
        try:
            content = folder.read(incident_id)
            label = label_of(content)
            for frame in content["frames"] if label else ():
                if label == "wrong" or (frame["score"] or 0.0) >= _SHOWS_IT:
                    yield _row(incident_id, label, frame), folder.picture(incident_id, frame["file"])
        except EvidenceError:
            continue  # deleted meanwhile, or not readable: the others still teach


def _row(incident_id: str, label: str, frame: dict[str, Any]) -> dict[str, Any]:
    boxes = [seen["xyxy"] for seen in frame["detections"] if seen["confidence"] >= _SHOWS_IT]
    stem = frame["file"].rpartition(".")[0]
    return {
        "id": f"{incident_id}/{stem}",
        "file": f"images/{incident_id}_{frame['file']}",
        "source": _SOURCE,
        "label": "spaghetti" if label == "right" else "normal",
        "boxes": boxes if label == "right" else [],
        "group": incident_id,
        "cluster": incident_id,
        "split": "train",
    }
