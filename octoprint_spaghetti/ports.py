"""What the watch needs of the outside: small protocols, whose real parts are in ``adapters/`` and whose fakes in ``testing.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from octoprint_spaghetti.core.baseline import Baselines
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.pause_script import Heater
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.toolhead import Tool
from octoprint_spaghetti.core.words import Answer, Frame, Incident, ProtectionLevel, Sighting


class Camera(Protocol):
    """Takes pictures of the print."""

    def capture(self) -> Frame:
        """Return a whole JPEG; may block until the camera's deadline. Raises :class:`CameraError`."""

    def close(self) -> None:
        """Let go of the camera."""


class Detector(Protocol):
    """Looks at pictures."""

    @property
    def level(self) -> ProtectionLevel:
        """Return who looks; it may be another one from look to look."""

    @property
    def why(self) -> str:
        """Return in a sentence why it is not at its best, or an empty string when it is."""

    @property
    def earliest_s(self) -> float:
        """Return the seconds that the next look should be waited for, 0 for none: it keeps to a share of the processor."""

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Return what is seen in the frame, or in the region ``roi`` of it; may block until the frame's deadline.

        Raises :class:`DetectorError`.
        """

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

    def job_key(self) -> str:
        """Return what tells this version of the file that prints from any other, or an empty string."""

    def tool(self) -> Tool:
        """Return where the tool is and what the printer is busy with, as far as it is known."""

    def pause(self) -> None:
        """Order a pause, and what it is to do besides; returns before it happens. Raises :class:`PrinterError`."""

    def withdraw(self) -> bool:
        """Let a pause that has not come yet do nothing besides; return whether there was anything that it was to do."""

    def cancel(self) -> None:
        """Order the end of the job; returns before it happens. Raises :class:`PrinterError`."""

    def resume(self) -> None:
        """Let a paused job go on; returns before it does. Raises :class:`PrinterError`."""

    def hotends(self) -> tuple[Heater, ...]:
        """Return the hotends as they were last reported, none when they were not."""


class Power(Protocol):
    """Switches the printer's power."""

    def missing(self) -> str:
        """Return in a sentence why the power cannot be switched, or an empty string when it can."""

    def switch_off(self) -> None:
        """Switch the power off; may block for seconds. Raises :class:`PrinterError`."""

    def is_off(self) -> bool | None:
        """Return whether the power is off, None when that cannot be told. Raises :class:`PrinterError`."""


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
        """Add a sighting. Raises :class:`EvidenceError`."""

    def tell(self, event: PrintEvent, at: float) -> None:
        """Add what happened at monotonic second ``at``. Raises :class:`EvidenceError`."""

    def lost(self, why: str, at: float) -> None:
        """Add that since ``at`` there is no answer, and why. Raises :class:`EvidenceError`."""

    def end(self) -> None:
        """Close the trace, if one has begun."""


class BaselineStore(Protocol):
    """Keeps what is usual for this printer and its files."""

    def load(self) -> Baselines:
        """Return what was kept, or nothing known when there is none or it cannot be read."""

    def save(self, baselines: Baselines) -> None:
        """Keep the baselines. Raises :class:`EvidenceError`."""


class BeliefStore(Protocol):
    """Keeps what is believed of the print that runs, for a restart in mid-print."""

    def save(self, key: str, belief: Belief, at: float, wall: float) -> None:
        """Keep the belief about the print of file ``key``; ``at`` monotonic, ``wall`` Unix time. Raises :class:`EvidenceError`."""

    def load(self, key: str, at: float, wall: float) -> Belief | None:
        """Return the belief about a print of file ``key`` on the clock of now, or None when there is none that still helps."""

    def forget(self) -> None:
        """Drop the belief. Raises :class:`EvidenceError`."""


@dataclass(frozen=True)
class Records:
    """What is written down of a print as one camera sees it."""

    traces: Traces
    baselines: BaselineStore
    beliefs: BeliefStore


@dataclass(frozen=True)
class Parts:
    """What the watch works with under one set of settings: one detector for all cameras, ``further`` ones in their order."""

    camera: Camera
    detector: Detector
    further: tuple[Camera, ...] = ()

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Return all cameras, the first one first."""
        return (self.camera, *self.further)

    def close(self) -> None:
        """Let go of all of them."""
        self.detector.close()
        for camera in self.cameras:
            camera.close()
