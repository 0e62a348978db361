"""Incidents on disk: a folder each, readable with any tool, written so that a crash leaves the older ones whole.

``<folder>/<id>/state.json`` and the pictures beside it. A new incident is written into a folder whose name begins with a
dot and renamed when it is complete; ``state.json`` is replaced, never changed in place.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from octoprint_spaghetti.adapters.incident_state import read_state
from octoprint_spaghetti.adapters.json_file import replace_json
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.words import Exhibit, Incident, as_json

STATE_FILE = "state.json"
_FORMAT = 1
#: What a person may say of an incident: nothing yet, it was a failure, it was none.
LABELS = ("", "right", "wrong")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class IncidentFolder:
    """Keeps the newest ``kept`` incidents below ``folder``."""

    def __init__(self, folder: Path, kept: int) -> None:
        """Use ``folder``, which is made when the first incident is written."""
        self._folder = folder
        self.kept = kept  # may be changed at any time
        self._changing = threading.Lock()  # the watch notes states while a person labels

    def open(self, incident: Incident) -> str:
        """Write the incident with its pictures; return the path of its folder. Raises :class:`EvidenceError`."""
        final, partial = self._folder / incident.id, self._folder / f".{incident.id}"
        try:
            partial.mkdir(parents=True)
            frames = [_write_exhibit(partial, number, exhibit) for number, exhibit in enumerate(incident.exhibits, 1)]
            replace_json(partial / STATE_FILE, {**_described(incident), "frames": frames})
            partial.replace(final)
            self._prune(incident.id)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise EvidenceError(
                f"The incident could not be saved ({error.strerror}); check space and rights of {self._folder}."
            ) from error
        return str(final)

    def note(self, incident_id: str, state: str, at: float) -> None:
        """Add a state with its Unix time to an incident that exists. Raises :class:`EvidenceError`."""
        self._change(incident_id, lambda content: content["states"].append({"state": state, "at": at}))

    def label(self, incident_id: str, label: str) -> None:
        """Keep what a person says of an incident: one of ``LABELS``, empty for nothing. Raises :class:`EvidenceError`."""
        if label not in LABELS:
            raise EvidenceError(f"An incident is one of {', '.join(LABELS[1:])}, not {label!r}.")
        self.read(incident_id)
        self._change(incident_id, lambda content: content.update(label=label))

    def delete(self, incident_id: str) -> None:
        """Delete an incident with its pictures. Raises :class:`EvidenceError` when there is none, or it cannot be."""
        if not _ID.fullmatch(incident_id) or incident_id not in self.ids():
            raise EvidenceError(f"There is no incident {incident_id!r}.")
        try:
            with self._changing:
                shutil.rmtree(self._folder / incident_id)
        except OSError as error:
            raise EvidenceError(f"The incident {incident_id} could not be deleted ({error.strerror}).") from error

    def bytes_used(self) -> int:
        """Return what all incidents take on the disk, in bytes."""
        return sum(file.stat().st_size for file in self._folder.glob("*/*") if file.is_file())

    def ids(self) -> list[str]:
        """Return the ids of all complete incidents, newest first."""
        if not self._folder.is_dir():
            return []
        found = [
            entry.name for entry in self._folder.iterdir() if not entry.name.startswith(".") and (entry / STATE_FILE).is_file()
        ]
        return sorted(found, reverse=True)

    def read(self, incident_id: str) -> dict[str, Any]:
        """Return what ``state.json`` of an incident says. Raises :class:`EvidenceError` when there is none."""
        if not _ID.fullmatch(incident_id) or not (self._folder / incident_id / STATE_FILE).is_file():
            raise EvidenceError(f"There is no incident {incident_id!r}.")
        try:
            return read_state(self._folder / incident_id / STATE_FILE)
        except (OSError, ValueError) as error:
            raise EvidenceError(f"The incident {incident_id} cannot be read ({error}).") from error

    def picture(self, incident_id: str, file: str) -> bytes:
        """Return the bytes of a picture of an incident. Raises :class:`EvidenceError` when there is none."""
        if file not in {frame["file"] for frame in self.read(incident_id)["frames"]}:
            raise EvidenceError(f"The incident {incident_id} has no picture {file!r}.")
        try:
            return (self._folder / incident_id / file).read_bytes()
        except OSError as error:
            raise EvidenceError(f"The picture {file} cannot be read ({error.strerror}).") from error

    def _change(self, incident_id: str, edit: Callable[[dict[str, Any]], None]) -> None:
        file = self._folder / incident_id / STATE_FILE
        try:
            with self._changing:
                content = read_state(file)
                edit(content)
                replace_json(file, content)
        except (OSError, ValueError) as error:
            raise EvidenceError(f"The incident {incident_id} could not be updated ({error}).") from error

    def _prune(self, newest: str) -> None:
        """Delete the oldest beyond ``kept``; never the ``newest``, however a clock that was set back has named it."""
        for old in [incident_id for incident_id in self.ids() if incident_id != newest][self.kept - 1 :]:
            shutil.rmtree(self._folder / old, ignore_errors=True)


def label_of(content: dict[str, Any]) -> str:
    """Return what is known of an incident by its ``state.json``: its label, or ``wrong`` when it was called a false alarm."""
    called_off = any(one.get("state") == "false_alarm" for one in content.get("states", ()))
    return str(content.get("label") or ("wrong" if called_off else ""))


def _described(incident: Incident) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "id": incident.id,
        "print": incident.print_name,
        "action": incident.action,
        "explanation": incident.explanation,
        "evidence": round(incident.evidence, 4),
        "failing_at": round(incident.failing_at, 4),
        "why": dict(incident.why),
        "zone": [list(corner) for corner in incident.zone],
        "states": [{"state": "deciding", "at": incident.opened_at}],
    }


def _write_exhibit(folder: Path, number: int, exhibit: Exhibit) -> dict[str, Any]:
    name = f"{number:03d}.jpg"
    (folder / name).write_bytes(exhibit.frame.jpeg)
    answer = exhibit.answer
    return {
        "file": name,
        "captured_at": round(exhibit.frame.captured_at, 3),
        "camera": exhibit.frame.camera,
        "score": None if answer is None else round(answer.score, 4),
        "detector": None if answer is None else answer.detector,
        "detections": [] if answer is None else [as_json(detection) for detection in answer.detections],
    }
