"""The words all parts share: what is seen, what is believed, what is said. Frozen, and known to every room.

Times named ``*_at`` are seconds of one monotonic clock unless they say otherwise; the clock belongs to the caller.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.sentence import say


@dataclass(frozen=True)
class Frame:
    """One picture as the camera delivered it.

    ``jpeg`` the file's bytes, never decoded here; ``captured_at`` monotonic seconds when the request for it began
    (a picture is at least as old as that); ``camera`` the name OctoPrint knows it by; ``drill`` asks the detector to draw a
    tangle into the picture before it looks: a fire drill.
    """

    jpeg: bytes = field(repr=False)
    captured_at: float
    camera: str
    drill: bool = False

    @cached_property
    def digest(self) -> bytes:
        """Return 16 bytes that are equal for two frames exactly when the cameras sent the same file twice."""
        return hashlib.blake2b(self.jpeg, digest_size=16).digest()


@dataclass(frozen=True)
class Detection:
    """One thing the detector saw: where, what, and how sure it is (``confidence`` 0 to 1)."""

    box: Box
    confidence: float
    label: str


@dataclass(frozen=True)
class Scene:
    """How well the picture could be judged: mean luma, spread of luma, edge energy, each 0 to 1."""

    brightness: float
    contrast: float
    sharpness: float


@dataclass(frozen=True)
class Heatmap:
    """A coarse mask: ``cells`` holds ``rows * columns`` bytes, row by row, each 255 x probability of spaghetti there."""

    rows: int
    columns: int
    cells: bytes = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What a detector says of one frame.

    ``score`` calibrated probability that the frame shows spaghetti, 0 to 1; ``detections`` most confident first;
    ``thumbnail`` 24 x 32 luma bytes, or empty; ``detector`` says who looked, such as ``"triton 127.0.0.1:8001"``.
    """

    score: float
    detections: tuple[Detection, ...]
    scene: Scene
    heatmap: Heatmap
    thumbnail: bytes = field(repr=False)
    detector: str


@dataclass(frozen=True)
class Sighting:
    """An answer and the moment it is about: all that the judge gets to know of a frame.

    ``at`` is the frame's ``captured_at``. A frame that equals the one before byte for byte makes no sighting.
    ``layer`` counts from 1 (None: not known), ``position`` is the tool's last commanded x, y, z in mm, ``busy`` why
    the printer does something else than print just now (``"heating"``, ``"homing"``, ``"filament change"``), or empty.
    """

    at: float
    answer: Answer
    layer: int | None = None
    position: tuple[float, float, float] | None = None
    busy: str = ""


class Verdict(str, enum.Enum):
    """What is to be thought of the print just now. Only ``FAILING`` ever moves the printer."""

    OFF = "off"  # no job is printing
    WARMING_UP = "warming_up"  # printing, but nothing is judged yet
    WATCHING = "watching"
    SUSPECT = "suspect"
    FAILING = "failing"
    BLIND = "blind"  # printing, and there is nothing to judge it by

    def __str__(self) -> str:
        """Return the bare word."""
        return self.value


class ProtectionLevel(str, enum.Enum):
    """Who looks at the print."""

    REMOTE = "remote"  # an inference server
    LOCAL = "local"  # the detector on this computer
    UNPROTECTED = "unprotected"

    def __str__(self) -> str:
        """Return the bare word."""
        return self.value


@dataclass(frozen=True)
class Protection:
    """Who looks at the print, since when (monotonic seconds), and why in one sentence (empty when all is well)."""

    level: ProtectionLevel
    since: float
    reason: str = ""


@dataclass(frozen=True)
class CameraStatus:
    """How things are by what one camera of several sees; names and scales as in :class:`Status`.

    ``trouble`` is why it has no newer picture, or empty; ``every_s`` the seconds between its last two pictures (None before
    the second), which are more than was asked for where cameras must take turns; ``seen`` the share of the print it saw.
    """

    name: str
    verdict: Verdict
    trouble: str = ""
    evidence: float = 0.0
    suspect_at: float = 1.0
    failing_at: float = 1.0
    score: float | None = None
    detections: tuple[Detection, ...] = ()
    picture_number: int = 0
    every_s: float | None = None
    seen: float = 1.0

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "trouble": self.trouble,
            "evidence": round(self.evidence, 4),
            "suspect_at": round(self.suspect_at, 4),
            "failing_at": round(self.failing_at, 4),
            "score": None if self.score is None else round(self.score, 4),
            "detections": [as_json(detection) for detection in self.detections],
            "picture_number": self.picture_number,
            "every_s": None if self.every_s is None else round(self.every_s, 1),
            "seen": round(self.seen, 4),
        }


@dataclass(frozen=True)
class Status:
    """Everything a person may want to know right now; the watcher replaces it whole, readers never see half of one.

    ``evidence``, ``suspect_at`` and ``failing_at`` share one scale, 0 to 1: the print is suspect or failing when the
    evidence is above the level. ``score`` is the last frame's, ``sentence`` says it all for a person. ``timings_ms``
    maps a step (``capture``, ``look``) to milliseconds. ``incident`` is the id of the last one of this print;
    ``coverage`` says how much of a print that has ended was seen; ``muted`` that nothing is done about this one.
    ``seen`` is the share of this print (or the last one) that was seen, 0 to 1, None before the first.
    ``layer`` counts from 1; ``votes`` of the series of a verification; ``why`` the arithmetic as data, ``budget`` what the
    print has cost; ``shadow`` that nothing is ever done, and ``rules`` what each rule would have done.
    Where several cameras are watched, ``cameras`` has each of them, and what is said of one print, one picture and its evidence
    above is that of ``camera`` (its place among them, from 1): the most alarmed one, or the first that sees.
    """

    verdict: Verdict = Verdict.OFF
    protection: Protection = Protection(ProtectionLevel.UNPROTECTED, 0.0)
    sentence: str = say("No print is running.")
    evidence: float = 0.0
    suspect_at: float = 1.0
    failing_at: float = 1.0
    score: float | None = None
    detections: tuple[Detection, ...] = ()
    detector: str = ""
    frames_sent: int = 0
    answers: int = 0
    timings_ms: tuple[tuple[str, float], ...] = ()
    incident: str | None = None
    incident_folder: str | None = None
    printer_state: str = ""
    picture_number: int = 0
    coverage: str = ""
    seen: float | None = None
    muted: bool = False
    layer: int | None = None
    votes: tuple[bool, ...] = ()
    why: Mapping[str, Any] = field(default_factory=dict)
    budget: Mapping[str, Any] = field(default_factory=dict)
    shadow: bool = False
    rules: tuple[Mapping[str, Any], ...] = ()
    camera: int = 1
    cameras: tuple[CameraStatus, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the status for a browser as plain JSON types, without clocks and without paths of this computer."""
        return {
            "verdict": self.verdict.value,
            "protection": {"level": self.protection.level.value, "reason": self.protection.reason},
            "sentence": self.sentence,
            "evidence": round(self.evidence, 4),
            "suspect_at": round(self.suspect_at, 4),
            "failing_at": round(self.failing_at, 4),
            "score": None if self.score is None else round(self.score, 4),
            "detections": [as_json(detection) for detection in self.detections],
            "detector": self.detector,
            "frames_sent": self.frames_sent,
            "answers": self.answers,
            "timings_ms": {step: round(ms, 1) for step, ms in self.timings_ms},
            "incident": self.incident,
            "printer_state": self.printer_state,
            "picture_number": self.picture_number,
            "coverage": self.coverage,
            "muted": self.muted,
            "layer": self.layer,
            "votes": list(self.votes),
            "why": dict(self.why),
            "budget": dict(self.budget),
            "shadow": self.shadow,
            "rules": [dict(rule) for rule in self.rules],
            "camera": self.camera,
            "cameras": [one.as_json() for one in self.cameras],
        }


def as_json(detection: Detection) -> dict[str, Any]:
    """Return a detection as plain JSON types: ``xyxy`` fractions, ``confidence``, ``label``."""
    return {
        "xyxy": [round(value, 4) for value in detection.box.xyxy],
        "confidence": round(detection.confidence, 4),
        "label": detection.label,
    }


@dataclass(frozen=True)
class Exhibit:
    """One frame of an incident: the picture, and what was said of it (None when it was never looked at)."""

    frame: Frame
    answer: Answer | None


@dataclass(frozen=True)
class Incident:
    """A failure worth keeping.

    ``id`` names its folder; ``opened_at`` is Unix time in seconds; ``action`` is what was ordered (``pause``, ``cancel``,
    ``notify``, or ``shadow``: nothing); ``explanation`` the arithmetic in two sentences, ``why`` as data; ``exhibits`` the frames that
    led to it, oldest first; ``zone`` the part of the picture to ignore should it be a false alarm, as corners in fractions;
    ``camera`` the name of the one that saw it, empty where there is only one.
    """

    id: str
    opened_at: float
    print_name: str
    action: str
    explanation: str
    evidence: float
    failing_at: float
    exhibits: tuple[Exhibit, ...] = field(repr=False)
    why: Mapping[str, Any] = field(default_factory=dict, repr=False)
    zone: tuple[tuple[float, float], ...] = ()
    camera: str = ""


class NoticeKind(str, enum.Enum):
    """What a notice is about; also the name of the event on OctoPrint's bus."""

    SUSPICION = "suspicion_lasts"  # suspect for minutes without failing: somebody should look
    FAILURE = "failure_detected"
    PAUSED = "print_paused"
    PAUSE_FAILED = "pause_failed"
    CANCELLED = "print_cancelled"
    CANCEL_FAILED = "cancel_failed"
    POWER = "printer_power"  # detail: waiting, off, kept or failed
    INCIDENT_ENDED = "incident_ended"  # detail: false_alarm, resumed or print_ended
    BLIND = "blind"
    SEEING = "seeing_again"
    CAMERA_LOST = "camera_lost"  # one of several sees nothing, others do
    CAMERA_BACK = "camera_back"
    PROTECTION = "protection_changed"  # detail: the new level
    PRINT_STARTED = "print_started"  # detail: goes_on after a restart in mid-print
    PRINT_ENDED = "print_ended"  # the sentence sums up how much of it was seen
    DRILL = "fire_drill"

    def __str__(self) -> str:
        """Return the bare word."""
        return self.value


@dataclass(frozen=True)
class Notice:
    """Something the owner should hear of, as a sentence; ``incident`` is the id it belongs to, if any.

    ``reason`` is the arithmetic in a sentence or two; ``evidence``, ``level`` (failing above it) and ``score`` (the last
    frame's) are shares of 1, None where they say nothing; ``action`` what was ordered (``pause``, ``cancel`` or ``notify``, empty
    where nothing was); ``detail`` one word for programs, whose values stand beside the kind that has one; ``camera`` the
    name of the one it is about, empty where there is only one.
    """

    kind: NoticeKind
    sentence: str
    incident: str | None = None
    reason: str = ""
    evidence: float | None = None
    level: float | None = None
    score: float | None = None
    action: str = ""
    print_name: str = ""
    detail: str = ""
    camera: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the payload of the event on OctoPrint's bus and on MQTT, as plain JSON types; all keys are always there."""
        shares = {"evidence": self.evidence, "level": self.level, "score": self.score}
        return {
            "sentence": self.sentence,
            "incident": self.incident,
            "picture": f"plugin/spaghetti/incidents/{self.incident}.jpg" if self.incident else None,
            "reason": self.reason,
            **{name: None if share is None else round(share, 4) for name, share in shares.items()},
            "action": self.action,
            "print": self.print_name,
            "detail": self.detail,
            "camera": self.camera,
        }
