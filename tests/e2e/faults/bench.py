"""A printer's computer that faults happen to: the real watch, its real thread and its real adapters, without OctoPrint around them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from demo.frames import FrameSource
from demo.webcam import Webcam
from octoprint_spaghetti.adapters.incidents import IncidentFolder
from octoprint_spaghetti.adapters.installation import Installation
from octoprint_spaghetti.adapters.records import RecordFolder
from octoprint_spaghetti.core.errors import SpaghettiError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.memory import Reading
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Answer, Frame, Notice, ProtectionLevel, Status
from octoprint_spaghetti.notices import Notices
from octoprint_spaghetti.parts import build_parts
from octoprint_spaghetti.ports import Camera, Detector, Parts
from octoprint_spaghetti.testing import FakePrinter
from octoprint_spaghetti.upkeep import Upkeep
from octoprint_spaghetti.watch import Watch
from octoprint_spaghetti.watchdog import Watchdog
from octoprint_spaghetti.watcher import Watcher
from tests.e2e.faults.wire import Wire
from tests.pictures import jpeg

INTERVAL_S, DEADLINE_S = 0.5, 2.0
#: The deadline where a fault may cost few pictures or none: one that is late because the machine is busy was not lost by it.
PATIENT_S = 20.0
#: An hour of pictures, each another one: a camera that has come to its end is frozen.
PICTURES, SHOWN_S = 36_000, 0.1
#: All durations of the watch are its own; only pictures come ten times as often as by default, and are given up sooner.
HASTY: dict[str, Any] = {
    "interval": INTERVAL_S,
    "suspect_interval": INTERVAL_S,
    "first_layers_interval": INTERVAL_S,
    "deadline": DEADLINE_S,
    "warm_up": 0.0,
}


class NewPictures:
    """A camera's frame source: calm pictures, no two files alike, as of a real sensor."""

    def __len__(self) -> int:
        return PICTURES

    def jpeg(self, position: int) -> bytes:
        comment = b"\xff\xfe\x00\x0a%08d" % position  # a segment that decoders skip
        return jpeg(position % 50)[:2] + comment + jpeg(position % 50)[2:]

    def number(self, position: int) -> int:
        return position

    def close(self) -> None:
        """Hold nothing."""


class Bench(Protocol):
    """What a row of the table knows of the computer it breaks."""

    where: str  # what the watch runs in
    wire: Wire  # between the watch and its server
    cable: Wire  # between the watch and its webcam
    beside: Any  # what else a row breaks and mends: a server of its own, a gateway, a broker

    @property
    def camera(self) -> Webcam:
        """The webcam in front of the printer."""

    def status(self) -> dict[str, Any]:
        """Return what the page is told."""

    def said(self, status: dict[str, Any]) -> tuple[str, ...]:
        """Return all sentences that a person finds just now in lamp, tab and settings."""

    def lost(self) -> int:
        """Return how many pictures were due so far that nobody looked at."""

    def touched(self) -> str:
        """Return what has happened to the job beside that it prints, or an empty string."""

    def configure(self, **changes: Any) -> None:
        """Save settings, as a person does in mid-print."""


@dataclass
class Clock:
    """The computer's clocks, which may be put forward or back by ``ahead_s``."""

    ahead_s: float = 0.0

    def wall(self) -> float:
        """Return Unix time, as far as this computer knows."""
        return time.time() + self.ahead_s

    def monotonic(self) -> float:
        """Return seconds of a clock that was put forward while nobody looked."""
        return time.monotonic() + self.ahead_s


@dataclass
class WatchBench:
    """A watcher over a print that never ends, with the real adapters; the printer alone is a fake, which counts its orders."""

    folder: Path
    wire: Wire
    camera: Webcam
    cable: Wire
    settings: Settings
    where: str = "watch"
    beside: Any = None
    printer: FakePrinter = field(default_factory=lambda: FakePrinter("PRINTING"))
    wall: Clock = field(default_factory=Clock)
    stall: Clock = field(default_factory=Clock)  # what the watcher's thread is measured with, not what it measures with
    told: list[Notice] = field(default_factory=list)
    given_up: int = 0
    parts: Parts | None = None
    watcher: Watcher | None = None
    notices: Notices | None = None
    remarks: list[str] = field(default_factory=list)  # what is said elsewhere than in the status
    unstuck: threading.Event = field(default_factory=threading.Event)  # while it is clear, a picture is waited for without end
    stuck: threading.Event = field(default_factory=threading.Event)  # set once one is waited for so
    available_mb: float = 1000.0  # what the computer has left of its memory
    hurried: Clock = field(default_factory=Clock)  # of what looks around only now and then
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("faults"))

    def open(self) -> None:
        """Start the threads over the files that earlier ones left."""
        self.incidents = IncidentFolder(self.folder / "incidents", 50)
        watch = Watch(
            self.settings,
            build=self._build,
            printer=self.printer,
            incidents=self.incidents,
            records=RecordFolder(self.folder, 10, self.logger).of,
            publish=self._publish,
            notify=self._notify,
            remarks=Upkeep(
                read=lambda: Reading(available_mb=self.available_mb),
                is_replaced=self._installed().is_replaced,
                monotonic=self.hurried.monotonic,
                logger=self.logger,
            ).look,
            wall=self.wall.wall,
            logger=self.logger,
        )
        self.watcher = Watcher(watch, monotonic=self.stall.monotonic, logger=self.logger)
        self.notices = Notices(self.settings, picture_of=lambda incident: None, obey=lambda word: None, logger=self.logger)
        self.watchdog = Watchdog(self.watcher, publish=self._publish, notify=self._notify, logger=self.logger)
        self.notices.start()
        self.watcher.start()

    def begin(self) -> None:
        """Let the job extrude, whose start was not told: it is found by the printer's state."""
        assert self.watcher is not None
        self.watcher.extrusion_began()

    def close(self) -> None:
        """End all threads."""
        self.unstuck.set()
        if self.watcher is not None:
            self.watcher.stop()
        if self.notices is not None:
            self.notices.stop()

    def status(self) -> dict[str, Any]:
        assert self.watcher is not None
        self.watchdog.look()  # oftener than its own thread would
        return self.watcher.status.as_json()

    def said(self, status: dict[str, Any]) -> tuple[str, ...]:
        assert self.notices is not None
        report = self.notices.report
        troubles = [channel.problem for channel in report.channels] + [report.mqtt_problem]
        return (status["sentence"], status["protection"]["reason"], *filter(None, troubles), *self.remarks)

    def lost(self) -> int:
        return self.given_up

    def touched(self) -> str:
        return f"{self.printer.pauses} pauses ordered" if self.printer.pauses else ""

    def configure(self, **changes: Any) -> None:
        assert self.watcher is not None
        self.settings = replace(self.settings, **changes)
        self.watcher.configure(self.settings)

    @property
    def installed(self) -> Path:
        """A file that stands for those of the package, so that replacing it hurts nobody."""
        return self.folder.with_name(f"{self.folder.name}-installed.py")

    def _installed(self) -> Installation:
        self.installed.write_text("old = True\n")
        module = ModuleType("octoprint_spaghetti.of_this_row")
        module.__file__ = str(self.installed)
        return Installation({module.__name__: module})

    def count_lost(self) -> None:
        """Note that a picture that was due was not looked at."""
        self.given_up += 1

    def _build(self, settings: Settings) -> Parts:
        try:
            parts = build_parts(settings)
        except SpaghettiError:
            self.count_lost()
            raise
        self.parts = parts
        return replace(parts, camera=_CountedCamera(parts.camera, self), detector=_CountedDetector(parts.detector, self))

    def _publish(self, status: Status) -> None:
        if self.notices is not None:
            self.notices.show(status, None)

    def _notify(self, notice: Notice) -> None:
        self.told.append(notice)
        if self.notices is not None:
            self.notices.tell(notice)


@dataclass
class _CountedCamera:
    """The real camera; counts the pictures that it does not give."""

    camera: Camera
    bench: WatchBench

    def capture(self) -> Frame:
        if not self.bench.unstuck.is_set():
            self.bench.stuck.set()
            self.bench.unstuck.wait()
        try:
            return self.camera.capture()
        except SpaghettiError:
            self.bench.count_lost()
            raise

    def close(self) -> None:
        self.camera.close()


@dataclass
class _CountedDetector:
    """The real detector; counts the pictures that it does not look at."""

    detector: Detector
    bench: WatchBench

    @property
    def level(self) -> ProtectionLevel:
        return self.detector.level

    @property
    def why(self) -> str:
        return self.detector.why

    @property
    def earliest_s(self) -> float:
        return self.detector.earliest_s

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        try:
            return self.detector.look(frame, roi)
        except SpaghettiError:
            self.bench.count_lost()
            raise

    def check(self) -> None:
        self.detector.check()

    def close(self) -> None:
        self.detector.close()


@contextmanager
def watch_bench(
    folder: Path, target: str, frames: FrameSource | None = None, shown_s: float = SHOWN_S, **changes: Any
) -> Iterator[WatchBench]:
    """Watch a print through a webcam and a wire to the server at ``target``; ``changes`` are to the hasty settings."""
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(target))
        camera = stack.enter_context(Webcam(frames or NewPictures(), shown_s))
        camera.play()
        cable = stack.enter_context(Wire(camera.url.removeprefix("http://")))
        usual = {
            **HASTY,
            "servers": (wire.address,),
            "camera_source": "snapshot",
            "camera_url": f"http://{cable.address}/{'stream' if changes.get('camera_source') == 'mjpeg' else 'snapshot'}",
            "fallback": False,
        }
        bench = WatchBench(folder, wire, camera, cable, Settings(**{**usual, **changes}))
        bench.unstuck.set()
        stack.callback(bench.close)
        bench.open()
        bench.begin()
        yield bench
