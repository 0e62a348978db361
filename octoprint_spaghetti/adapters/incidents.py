"""Incidents on disk: a folder each, readable with any tool, written so that a crash leaves the older ones whole.

``<folder>/<id>/state.json`` and the pictures beside it. A new incident is written into a folder whose name begins with a
dot and renamed when it is complete; ``state.json`` is replaced, never changed in place. What can be made again from these
(pictures with boxes, the clip) may lie beside them too.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from octoprint_spaghetti.adapters.incident_state import read_state
from octoprint_spaghetti.adapters.json_file import replace_json
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.sentence import say, with_parts
from octoprint_spaghetti.core.words import Exhibit, Incident, as_json

STATE_FILE, CLIP_FILE = "state.json", "clip.gif"
_FORMAT = 1
#: What a person may say of an incident: nothing yet, it was a failure, it was none.
LABELS = ("", "right", "wrong")
#: Ours have 20 characters; a name of more than 255 is an error to the file system, and not just no file.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_MADE = re.compile(rf"{re.escape(CLIP_FILE)}|[0-9]{{3,9}}-boxed\.jpg")
#: Folders and files in writing, as they are named below.
_PARTIAL_FOLDER, _PARTIAL_FILE = re.compile(r"\.\d{8}T\d{6}Z[A-Za-z0-9_-]*"), re.compile(r"\..+\.partial")
#: Writing takes seconds at most; what has lain there for so long, in seconds, was left by a crash.
LEFT_BEHIND_S = 600.0


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
            replace_json(partial / STATE_FILE, {**with_parts(_described(incident)), "frames": frames})
            partial.replace(final)
            self._prune(incident.id)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise EvidenceError(
                say(
                    "The incident could not be saved (%(reason)s); check space and rights of %(folder)s.",
                    reason=error.strerror,
                    folder=self._folder,
                )
            ) from error
        return str(final)

    def note(self, incident_id: str, state: str, at: float) -> None:
        """Add a state with its Unix time to an incident, unless it was deleted meanwhile or never saved. Raises :class:`EvidenceError`."""
        try:
            self._change(incident_id, lambda content: content["states"].append({"state": state, "at": at}))
        except EvidenceError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise

    def label(self, incident_id: str, label: str) -> None:
        """Keep what a person says of an incident: one of ``LABELS``, empty for nothing. Raises :class:`EvidenceError`."""
        if label not in LABELS:
            raise EvidenceError(
                say("An incident is one of %(labels)s, not %(given)s.", labels=", ".join(LABELS[1:]), given=repr(label))
            )
        self.read(incident_id)
        self._change(incident_id, lambda content: content.update(label=label))

    def delete(self, incident_id: str) -> None:
        """Delete an incident with its pictures. Raises :class:`EvidenceError` when there is none, or it cannot be."""
        if not _ID.fullmatch(incident_id) or incident_id not in self.ids():
            raise EvidenceError(say("There is no incident %(incident)s.", incident=repr(incident_id)))
        try:
            with self._changing:
                shutil.rmtree(self._folder / incident_id)
        except OSError as error:
            raise EvidenceError(
                say("The incident %(incident)s could not be deleted (%(reason)s).", incident=incident_id, reason=error.strerror)
            ) from error

    def sweep(self, wall: float) -> int:
        """Delete what a crash in mid-write left behind, by Unix time ``wall``; return how much there was. For the start."""
        found = [*self._folder.glob(".*"), *self._folder.glob("*/.*")]
        left = [one for one in found if _is_left_behind(one, wall)]
        for one in left:
            if one.is_dir():
                shutil.rmtree(one, ignore_errors=True)
            else:
                with suppress(OSError):
                    one.unlink()
        return len(left)

    def keep(self, incident_id: str, file: str, content: bytes) -> None:
        """Keep what was made from an incident's pictures as ``file`` beside them; where that cannot be, it is made again.

        ``file`` is a name of ours, never one that came in from outside.
        """
        target = self._folder / incident_id / file
        partial = target.with_name(f".{file}.partial")
        try:
            partial.write_bytes(content)
            partial.replace(target)
        except OSError:
            with suppress(OSError):
                partial.unlink()

    def kept_file(self, incident_id: str, file: str) -> bytes | None:
        """Return what :meth:`keep` kept as ``file``, None when there is nothing. Raises :class:`EvidenceError` without incident."""
        if not _ID.fullmatch(incident_id) or incident_id not in self.ids():
            raise EvidenceError(say("There is no incident %(incident)s.", incident=repr(incident_id)))
        try:
            return (self._folder / incident_id / file).read_bytes()
        except OSError:
            return None

    def made_files(self, incident_id: str) -> list[str]:
        """Return the names of what was made from an incident's pictures and kept beside them."""
        return sorted(file.name for file in (self._folder / incident_id).glob("*") if _MADE.fullmatch(file.name))

    def bytes_used(self) -> int:
        """Return what all incidents take on the disk, in bytes."""
        return sum(map(_bytes, self._folder.glob("*/*")))

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
            raise EvidenceError(say("There is no incident %(incident)s.", incident=repr(incident_id)))
        try:
            return read_state(self._folder / incident_id / STATE_FILE)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise EvidenceError(
                say("The incident %(incident)s cannot be read (%(error)s).", incident=incident_id, error=why)
            ) from error

    def picture(self, incident_id: str, file: str) -> bytes:
        """Return the bytes of a picture of an incident. Raises :class:`EvidenceError` when there is none."""
        if file not in {frame["file"] for frame in self.read(incident_id)["frames"]}:
            raise EvidenceError(say("The incident %(incident)s has no picture %(file)s.", incident=incident_id, file=repr(file)))
        try:
            return (self._folder / incident_id / file).read_bytes()
        except OSError as error:
            raise EvidenceError(
                say("The picture %(file)s cannot be read (%(reason)s).", file=file, reason=error.strerror)
            ) from error

    def _change(self, incident_id: str, edit: Callable[[dict[str, Any]], None]) -> None:
        file = self._folder / incident_id / STATE_FILE
        try:
            with self._changing:
                content = read_state(file)
                edit(content)
                replace_json(file, content)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)  # an OSError names the path too
            raise EvidenceError(
                say("The incident %(incident)s could not be updated (%(error)s).", incident=incident_id, error=why)
            ) from error

    def _prune(self, newest: str) -> None:
        """Delete the oldest beyond ``kept``; never the ``newest``, however a clock that was set back has named it."""
        for old in [incident_id for incident_id in self.ids() if incident_id != newest][self.kept - 1 :]:
            shutil.rmtree(self._folder / old, ignore_errors=True)


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:
        return 0  # deleted or renamed meanwhile


def _is_left_behind(path: Path, wall: float) -> bool:
    try:
        named = _PARTIAL_FOLDER if path.is_dir() else _PARTIAL_FILE
        return named.fullmatch(path.name) is not None and wall - path.stat().st_mtime >= LEFT_BEHIND_S
    except OSError:
        return False  # gone meanwhile


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
        "camera": incident.camera,
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
