"""What the watch needs of the outside: small protocols, whose real parts are in ``adapters/`` and whose fakes in ``testing.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from octoprint_spaghetti.core.words import Answer, Frame, Incident, ProtectionLevel, Sighting


class Camera(Protocol):
    """Takes pictures of the print."""

    def capture(self) -> Frame:
        """Return a whole JPEG; may block until the camera's deadline. Raises :class:`CameraError`."""

    def close(self) -> None:
        """Let go of the camera."""


class Detector(Protocol):
    """Looks at pictures."""

    level: ProtectionLevel

    def look(self, frame: Frame) -> Answer:
        """Return what is seen in the frame; may block until the frame's deadline. Raises :class:`DetectorError`."""

    def check(self) -> None:
        """Raise the :class:`DetectorError` that says why it could not look, if it could not."""

    def close(self) -> None:
        """Hang up; no thread is left behind."""


class Printer(Protocol):
    """Moves the printer."""

    def state(self) -> str:
        """Return OctoPrint's state id, such as ``PRINTING``."""

    def job_name(self) -> str:
        """Return the name of the file that prints, or an empty string."""

    def pause(self) -> None:
        """Order a pause; returns before it happens. Raises :class:`PrinterError`."""

    def resume(self) -> None:
        """Let a paused job go on; returns before it does. Raises :class:`PrinterError`."""


class Incidents(Protocol):
    """Keeps the evidence."""

    def open(self, incident: Incident) -> str:
        """Write the incident and its pictures; return the folder's path. Raises :class:`EvidenceError`."""

    def note(self, incident_id: str, state: str, at: float) -> None:
        """Add a state (``acted``, ``failed``, ``closed``) with its Unix time. Raises :class:`EvidenceError`."""


class Traces(Protocol):
    """Keeps what was seen, frame by frame."""

    def begin(self, print_name: str, at: float, wall: float) -> None:
        """Begin the trace of a print at monotonic second ``at``, Unix time ``wall``. Raises :class:`EvidenceError`."""

    def add(self, sighting: Sighting) -> None:
        """Add a sighting. Raises :class:`EvidenceError`, once."""

    def end(self) -> None:
        """Close the trace, if one has begun."""


@dataclass(frozen=True)
class Parts:
    """What the watch works with under one set of settings."""

    camera: Camera
    detector: Detector
