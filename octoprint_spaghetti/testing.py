"""Fakes for the ports of the watch, for tests and for people who write their own parts.

They do what the port's docstring says and nothing else, and stand in for no part that an end-to-end test is about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from octoprint_spaghetti.core.baseline import Baselines
from octoprint_spaghetti.core.belief import Belief
from octoprint_spaghetti.core.errors import CameraError, DetectorError, EvidenceError, PrinterError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.pause_script import Heater
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.toolhead import Tool
from octoprint_spaghetti.core.words import Answer, Detection, Frame, Heatmap, Incident, ProtectionLevel, Scene, Sighting

#: Rows and columns of a heatmap of `nano`.
_CELLS = (26, 26)
PLAIN_SCENE = Scene(brightness=0.5, contrast=0.5, sharpness=0.5)


def answer(score: float, *, box: Box | None = None, scene: Scene = PLAIN_SCENE, detector: str = "fake") -> Answer:
    """Return an answer with that frame score, and one detection when a box is given."""
    detections = () if box is None else (Detection(box, score, "spaghetti"),)
    heatmap = Heatmap(*_CELLS, bytes([round(255 * score)]) * (_CELLS[0] * _CELLS[1]))
    return Answer(score, detections, scene, heatmap, b"", detector)


@dataclass
class FakeClock:
    """A clock that moves when told: ``now`` in seconds; call it to read it."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self.now += seconds


@dataclass
class FakeCamera:
    """Sends a new picture each time, the same one when ``frozen``, or raises ``trouble``."""

    clock: Callable[[], float]
    trouble: CameraError | None = None
    frozen: bool = False
    taken: int = 0
    closed: int = 0

    def capture(self) -> Frame:
        """Return a frame whose bytes are its number."""
        if self.trouble is not None:
            raise self.trouble
        self.taken += not self.frozen
        return Frame(b"\xff\xd8%d\xff\xd9" % self.taken, self.clock(), "fake")

    def close(self) -> None:
        """Count it."""
        self.closed += 1


@dataclass
class FakeDetector:
    """Answers with ``score`` and ``scene``, or raises ``trouble``."""

    score: float = 0.0
    trouble: DetectorError | None = None
    scene: Scene = PLAIN_SCENE
    level: ProtectionLevel = ProtectionLevel.REMOTE
    why: str = ""
    earliest_s: float = 0.0
    looked: list[Frame] = field(default_factory=list)
    closed: int = 0

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Remember the frame and answer."""
        self.looked.append(frame)
        if self.trouble is not None:
            raise self.trouble
        return answer(self.score, scene=self.scene)

    def check(self) -> None:
        """Raise the trouble, if there is one."""
        if self.trouble is not None:
            raise self.trouble

    def close(self) -> None:
        """Count it."""
        self.closed += 1


@dataclass
class FakePrinter:
    """Has the state and the heaters it is given; a stop is only ordered, the test says when it happened."""

    printer_state: str = "OPERATIONAL"
    trouble: PrinterError | None = None
    at: Tool = Tool()
    pauses: int = 0
    resumes: int = 0
    cancels: int = 0
    armed: bool = False
    heaters: tuple[Heater, ...] = ()

    def state(self) -> str:
        """Return the state."""
        return self.printer_state

    def job_name(self) -> str:
        """Return a name."""
        return "benchy.gcode"

    def job_key(self) -> str:
        """Return a key."""
        return "local/benchy.gcode"

    def tool(self) -> Tool:
        """Return the tool as the test put it."""
        return self.at

    def pause(self) -> None:
        """Count the order; what it is to do besides is as the test's scripts take it."""
        self.pauses += 1
        self.armed = True
        if self.trouble is not None:
            raise self.trouble

    def withdraw(self) -> bool:
        """Do nothing besides."""
        was, self.armed = self.armed, False
        return was

    def cancel(self) -> None:
        """Count the order."""
        self.cancels += 1
        if self.trouble is not None:
            raise self.trouble

    def resume(self) -> None:
        """Count the order."""
        self.resumes += 1
        if self.trouble is not None:
            raise self.trouble

    def hotends(self) -> tuple[Heater, ...]:
        """Return them."""
        return self.heaters


@dataclass
class FakePower:
    """A switch that obeys, unless it is ``stuck`` or in ``trouble``; ``problem`` says why there is none."""

    problem: str = ""
    stuck: bool = False
    trouble: PrinterError | None = None
    switched: int = 0

    def missing(self) -> str:
        """Return the problem."""
        return self.problem

    def switch_off(self) -> None:
        """Count it."""
        self.switched += 1
        if self.trouble is not None:
            raise self.trouble

    def is_off(self) -> bool | None:
        """Return whether it went off."""
        return self.switched > 0 and not self.stuck


@dataclass
class FakeIncidents:
    """Keeps incidents in memory; ``full`` stands for a full disk."""

    opened: list[Incident] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    full: bool = False

    def open(self, incident: Incident) -> str:
        """Keep the incident."""
        if self.full:
            raise EvidenceError("The incident could not be saved (No space left on device).")
        self.opened.append(incident)
        return f"memory/{incident.id}"

    def note(self, incident_id: str, state: str, at: float) -> None:
        """Keep the note."""
        if self.full:
            raise EvidenceError("The incident could not be updated.")
        self.notes.append((incident_id, state))


@dataclass
class FakeTraces:
    """Keeps traces in memory; ``full`` stands for a full disk."""

    begun: list[str] = field(default_factory=list)
    rows: list[Sighting] = field(default_factory=list)
    events: list[PrintEvent] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    ended: int = 0
    full: bool = False

    def begin(self, print_name: str, at: float, wall: float) -> None:
        """Keep the name."""
        if self.full:
            raise EvidenceError("The trace of this print cannot be written (No space left on device).")
        self.begun.append(print_name)

    def add(self, sighting: Sighting) -> None:
        """Keep the sighting."""
        if self.full:
            raise EvidenceError("The trace of this print cannot be written (No space left on device).")
        self.rows.append(sighting)

    def tell(self, event: PrintEvent, at: float) -> None:
        """Keep the event."""
        self.events.append(event)

    def lost(self, why: str, at: float) -> None:
        """Keep the reason."""
        self.reasons.append(why)

    def end(self) -> None:
        """Count it."""
        self.ended += 1


@dataclass
class FakeBaselines:
    """Keeps baselines in memory."""

    kept: Baselines = Baselines()

    def load(self) -> Baselines:
        """Return them."""
        return self.kept

    def save(self, baselines: Baselines) -> None:
        """Keep them."""
        self.kept = baselines


@dataclass
class FakeBeliefs:
    """Keeps a belief in memory, on one clock."""

    kept: Belief | None = None

    def save(self, key: str, belief: Belief, at: float, wall: float) -> None:
        """Keep it."""
        self.kept = belief

    def load(self, key: str, at: float, wall: float) -> Belief | None:
        """Return it."""
        return self.kept

    def forget(self) -> None:
        """Drop it."""
        self.kept = None
