"""A bundle that answers most support questions, without a secret in it: ``spaghetti doctor`` and the button in the settings."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from octoprint_spaghetti import __version__
from octoprint_spaghetti.adapters.incident_state import read_state
from octoprint_spaghetti.adapters.incidents import STATE_FILE
from octoprint_spaghetti.adapters.trace_reader import recorded
from octoprint_spaghetti.adapters.traces import newest_first
from octoprint_spaghetti.considerate import considerate
from octoprint_spaghetti.core.checkup import Facts, Finding, examine
from octoprint_spaghetti.core.coverage import Coverage
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.recording import Lost, Row, Seen
from octoprint_spaghetti.core.redaction import redacted
from octoprint_spaghetti.core.settings import SECRETS, Settings, plain

#: The newest traces and the end of each log, in bytes: enough for last night, small enough for a mail.
_TRACES, _LOG_BYTES, _TRACE_BYTES = 3, 1_000_000, 2_000_000
#: Whose versions matter; those that are not installed are said to be.
_PACKAGES = ("octoprint", "grpcio", "protobuf", "numpy", "onnxruntime", "opencv-python-headless", "apprise", "paho-mqtt")


@dataclass(frozen=True)
class Patient:
    """What the doctor may look at: settings, the data folder of the plugin, log files, and what the running plugin knows.

    ``undone`` says what of the chosen action this installation cannot do; ``reads_record`` whether that of the newest print is.
    """

    settings: Settings
    data_folder: Path
    logs: tuple[Path, ...] = ()
    test: Mapping[str, Any] | None = None
    status: Mapping[str, Any] | None = None
    channels: Mapping[str, Any] | None = None
    more_secrets: tuple[str, ...] = field(default=(), repr=False)
    remarks: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    reads_record: bool = True

    def secrets(self) -> tuple[str, ...]:
        """Return every string that must not be in the bundle, also those that a setting names a file for."""
        values = [value for name in sorted(SECRETS) for value in _strings(getattr(self.settings, name))]
        further = (one.camera for one in self.settings.also_watched if one.is_address)
        for address in filter(None, (self.settings.camera_url, *further)):
            user, _, password = address.rpartition("@")[0].rpartition("//")[2].partition(":")
            values += [address, user, password, unquote(password), address.partition("?")[2]]
        return (*values, *(secret for value in values for secret in _filed(value)), *self.more_secrets)


def findings(patient: Patient) -> tuple[Finding, ...]:
    """Return the answers to the questions, from what is on the disk and what the plugin knows."""
    return examine(
        Facts(
            settings=patient.settings,
            test=patient.test,
            status=patient.status,
            incident=_newest_incident(patient.data_folder),
            last_print=_last_print(patient.data_folder) if patient.reads_record else None,
            free_bytes=_free_bytes(patient.data_folder),
            writable=os.access(patient.data_folder, os.W_OK) if patient.data_folder.exists() else True,
            versions=versions(),
            channels=patient.channels,
            remarks=patient.remarks,
            undone=patient.undone,
        )
    )


def write_bundle(patient: Patient, stream: BinaryIO) -> None:
    """Write the bundle as a zip; everything in it is text, and every text is redacted."""
    secrets = patient.secrets()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in _texts(patient):
            bundle.writestr(name, redacted(text, secrets))


def versions() -> dict[str, str]:
    """Return the versions of the plugin, of Python, of the system, and of the libraries that are installed."""
    found = {"octoprint-spaghetti": __version__, "python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def settings_without_secrets(settings: Settings) -> dict[str, Any]:
    """Return all settings but the secrets as plain JSON types, and under ``stored_secrets`` the names of those that are set."""
    shown = {name: plain(name, getattr(settings, name)) for name in Settings.defaults()}
    hidden = SECRETS | {"camera_url", "also_watched"}  # cameras take passwords anywhere in their addresses
    told = {name: value for name, value in shown.items() if name not in hidden}
    return {**told, "stored_secrets": sorted(name for name in hidden if shown[name])}


def _texts(patient: Patient) -> Iterable[tuple[str, str]]:
    answers = findings(patient)
    yield "README.txt", "".join(f"{answer.question}\n    {answer.answer}\n\n" for answer in answers)
    yield "checkup.json", _json([answer.as_json() for answer in answers])
    yield "versions.json", _json(versions())
    yield "settings.json", _json(settings_without_secrets(patient.settings))
    yield "test.json", _json(patient.test)
    yield "status.json", _json(patient.status)
    yield "channels.json", _json(patient.channels)
    for file in _incident_states(patient.data_folder):
        yield f"incidents/{file.parent.name}.json", _end_of(file, _LOG_BYTES)
    for file in _traces(patient.data_folder)[:_TRACES]:
        yield f"traces/{file.name}", _beginning_of(file, _TRACE_BYTES)
    for log in patient.logs:
        yield f"logs/{log.name}", _end_of(log, _LOG_BYTES)


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, default=str)


def _strings(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(part) for part in value]


def _filed(value: str) -> list[str]:
    """Return what stands in the file that a secret refers to, if it does and can be read."""
    if not value.startswith("file:"):
        return []
    try:
        return Path(value[len("file:") :]).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []


def _incident_states(data_folder: Path) -> list[Path]:
    return sorted((data_folder / "incidents").glob(f"[!.]*/{STATE_FILE}"), reverse=True)[:10]


def _traces(data_folder: Path) -> list[Path]:
    return newest_first(data_folder / "traces")


def _newest_incident(data_folder: Path) -> dict[str, Any] | None:
    for file in _incident_states(data_folder):
        try:
            return read_state(file)
        except (OSError, ValueError):
            continue
    return None


def _last_print(data_folder: Path) -> dict[str, Any] | None:
    """Return how the newest recorded print was seen: its frames, gaps, highest score, and what :class:`Coverage` says of it."""
    for file in _traces(data_folder):
        try:
            return _summed_up(recorded(file).rows)
        except (OSError, EvidenceError):
            continue
    return None


def _summed_up(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the sums over a record, row by row: that of a print of days does not fit into the memory of a Pi."""
    seen = lost = 0
    highest, why, before = 0.0, "", 0.0
    stands = False
    coverage = Coverage()
    for row in considerate(rows):
        if not stands and row.at > before:
            coverage = coverage.add(row.at - before, why)
        before = max(before, row.at)
        if isinstance(row, Seen):
            seen, highest, why = seen + 1, max(highest, row.sighting.answer.score), ""
        elif isinstance(row, Lost):
            lost, why = lost + 1, row.why
        elif row.event in (PrintEvent.PAUSED, PrintEvent.RESUMED):
            stands = row.event is PrintEvent.PAUSED
    return {
        "frames": seen,
        "lost": lost,
        "highest_score": highest,
        "share": coverage.share,
        "unseen_s": sum(seconds for _, seconds in coverage.lost_s),
        "ends_blind": bool(why),
        "coverage": coverage.sentence(),
    }


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder if folder.exists() else folder.anchor or ".").free
    except OSError:
        return None


def _end_of(file: Path, most: int) -> str:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - most))
            return stream.read(most).decode("utf-8", errors="replace")
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _beginning_of(file: Path, most: int) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(most).decode("utf-8", errors="replace")
    except OSError as error:
        return f"cannot be read: {error.strerror}"
