"""The real parts of a soak, and what can be done to them; whoever waits here also samples what the processes take."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintError, OctoPrintServer
from demo.webcam import Webcam
from inference_server.model_files import default_model
from inference_server.repository import assemble
from inference_server.triton import TritonServer
from tests.soak.clock import hurried
from tests.soak.pictures import StoryFrames
from tests.soak.push import PushClient
from tests.soak.sampling import Gone, Sample, children_of, command_of, sample

#: Between two samples, and between two looks at OctoPrint, in seconds.
SAMPLE_EVERY_S, _POLL_S = 2.0, 0.25
#: Pages that stay open all the time.
_PAGES = 3
#: The camera shows another picture so often, faster than anybody looks.
_CAMERA_S = 0.1
#: After a print: gRPC and OctoPrint let threads that have nothing to do go after some seconds, a few at a time. At rest is who
#: has not changed for so long; who does not come to rest is sampled all the same.
_STILL_S, _RESTLESS_S = 2.0, 15.0
_EDGE = "octoprint_spaghetti.edge_process"
_READY_S = 120.0
_PROBE = Path(__file__).with_name("octoprint_probe.py")
#: The most threads that a ``ThreadPoolExecutor`` has, such as OctoPrint's for web requests, on a machine of any size.
_POOL = 32


class Mishap(Exception):
    """Something that should have happened did not; the message says what."""


@dataclass
class Recording:
    """Samples by process: all of them, and those taken after each print, at rest; and the names of OctoPrint's threads then."""

    all: dict[str, list[Sample]] = field(default_factory=lambda: {"octoprint": [], "triton": [], "edge": []})
    at_rest: dict[str, list[Sample]] = field(default_factory=lambda: {"octoprint": [], "triton": [], "edge": []})
    threads: list[list[str]] = field(default_factory=list)


class Stage:
    """OctoPrint, Triton, the camera and open pages, while a soak runs."""

    def __init__(self, octoprint: OctoPrintServer, triton: TritonServer, webcam: Webcam, frames: StoryFrames) -> None:
        """Begin to record; everything is started already."""
        self.octoprint = octoprint
        self.triton = triton
        self.webcam = webcam
        self.frames = frames
        self.recording = Recording()
        self.began = time.monotonic()
        self._sampled_at = self.began

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self.began

    def status(self) -> dict[str, Any]:
        """Return the status of the watch."""
        return self.octoprint.plugin_status()

    def level(self) -> str:
        """Return who looks just now."""
        return str(self.status()["protection"]["level"])

    def begin_print(self, name: str) -> None:
        """Print a file that is there already, and wait until the watch has had an answer about it."""
        self.octoprint.api("POST", f"/api/files/local/{name}", json={"command": "select", "print": True})
        self.until(lambda: self.octoprint.printer_state() == "Printing", 60.0, "the print begins")
        before = int(self.status()["answers"])
        self.until(lambda: int(self.status()["answers"]) != before, 60.0, "an answer about the new print")

    def cancel(self) -> None:
        """Cancel what prints or stands paused, if anything does."""
        if self.octoprint.printer_state() != "Operational":
            self.octoprint.job("cancel")
        self.until(lambda: self.octoprint.printer_state() == "Operational", 60.0, "the end of the cancelled print")

    def settle(self) -> None:
        """Wait until everything is at rest after a print, and sample it."""
        self.until(lambda: self.status()["verdict"] == "off", 60.0, "the watch sees that the print has ended")
        self.until(lambda: not self.edges(), 60.0, "the end of the detector's process on this computer")
        collected = self.octoprint.api("POST", f"/plugin/{_PROBE.stem}/collect", json={}).json()
        self.recording.threads.append(collected["threads"])
        for name, taken in self._still().items():
            self.recording.at_rest[name].append(taken)

    def _still(self) -> dict[str, Sample]:
        """Wait until no count has moved for a while, and return the last samples."""
        last = self._now()
        since = began = time.monotonic()
        while time.monotonic() - since < _STILL_S and time.monotonic() - began < _RESTLESS_S:
            self.wait(_POLL_S)
            now = self._now()
            if any(now[name].counts != last[name].counts for name in now):
                since = time.monotonic()
            last = now
        return last

    def _now(self) -> dict[str, Sample]:
        if self.octoprint.pid is None:
            raise Mishap("OctoPrint is gone")
        return {
            "octoprint": sample(self.octoprint.pid, self.elapsed_s),
            "triton": sample(self.triton.pid, self.elapsed_s),
        }

    def set(self, **settings: Any) -> None:
        """Change settings of the plugin, as the settings page does."""
        self.octoprint.api("POST", "/api/settings", json={"plugins": {"spaghetti": settings}})

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sample_if_due()
            time.sleep(min(_POLL_S, max(0.0, end - time.monotonic())))

    def until(self, true: Callable[[], object], seconds: float, what: str) -> None:
        """Wait until something is true; raises :class:`Mishap` when it is not within ``seconds``."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise Mishap(f"not within {seconds:.0f} s: {what}")
            self.sample_if_due()
            time.sleep(_POLL_S)

    def sample_if_due(self) -> None:
        """Sample all processes when the last time is long enough ago."""
        if time.monotonic() - self._sampled_at < SAMPLE_EVERY_S:
            return
        self._sampled_at = time.monotonic()
        running = {"octoprint": self.octoprint.pid, "triton": self.triton.pid, "edge": next(iter(self.edges()), None)}
        for name, pid in running.items():
            if pid is not None:
                self._add(name, pid)

    def edges(self) -> list[int]:
        """Return the ids of the processes in which OctoPrint's own detector looks."""
        octoprint = self.octoprint.pid
        return [] if octoprint is None else [pid for pid in children_of(octoprint) if _EDGE in command_of(pid)]

    def freeze_server(self) -> None:
        """Let the server hang; it keeps its memory, so that its samples go on."""
        os.kill(self.triton.pid, signal.SIGSTOP)

    def thaw_server(self) -> None:
        """Let it go on."""
        os.kill(self.triton.pid, signal.SIGCONT)

    def heal(self) -> None:
        """Undo whatever a print did to the parts, after a mishap too."""
        self.thaw_server()
        self.webcam.mode = "ok"
        self.frames.failed = False

    def _add(self, name: str, pid: int) -> None:
        try:
            self.recording.all[name].append(sample(pid, self.elapsed_s))
        except Gone:
            return  # between two looks, as the detector's process does


@contextmanager
def set_up(
    python: Path, work: Path, files: dict[str, float], minutes: float, speed: float, say: Callable[[str], None], ports: range
) -> Iterator[Stage]:
    """Start everything with files below ``work`` and end it again.

    ``python`` is the interpreter of an OctoPrint with the plugin and its extra ``[edge]``; ``files`` maps the G-code files
    to upload to their length in minutes; of ``ports`` the first few are listened on, any free ones where it is empty.
    """
    with ExitStack() as parts:
        say("drawing the camera's pictures")
        frames = StoryFrames(count=round((minutes + 30.0) * 60.0 / _CAMERA_S))
        taken = iter([*ports, *(0 for _ in range(4))])
        webcam = parts.enter_context(Webcam(frames, _CAMERA_S, port=next(taken)))
        webcam.play()
        say("starting Triton")
        repository = assemble(work / "repository", profile="cpu", model=default_model(), cores=1)
        server = TritonServer(repository, log=work / "triton.log", grpc_port=next(taken), http_port=next(taken))
        triton = parts.enter_context(server)
        parts.callback(_let_go_on, triton)  # one that is frozen could not be stopped in order
        triton.wait_ready(_READY_S)
        say("starting OctoPrint")
        settings = {"servers": [triton.target], "camera_source": "snapshot", "camera_url": f"{webcam.url}/snapshot"}
        plugin = {**settings, **hurried(speed), "local_share": 100.0, "incidents_kept": 5, "traces_kept": 10, "drill_every": 0.0}
        octoprint = QuietOctoPrint(python, work / "octoprint", webcam.url, {"spaghetti": plugin}, port=next(taken) or None)
        parts.enter_context(octoprint)
        for name, length in files.items():
            octoprint.api("POST", "/api/files/local", files={"file": (name, print_lasting(length))})
        _fill_pool(octoprint)
        for _ in range(_PAGES):
            parts.enter_context(PushClient(octoprint))
        yield Stage(octoprint, triton, webcam, frames)


class QuietOctoPrint(OctoPrintServer):
    """An OctoPrint with our probe, that does not look into uploaded files, which takes it a process a file when it likes."""

    def start(self) -> None:
        """Write that into its folder, and start."""
        plugins = self.base / "plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        shutil.copy(_PROBE, plugins / _PROBE.name)
        config = self.base / "config.yaml"
        if not config.exists():
            config.write_text(json.dumps({**self.configuration(), "gcodeAnalysis": {"runAt": "never"}}))
        super().start()


def _fill_pool(octoprint: OctoPrintServer) -> None:
    """Have OctoPrint start all the threads that it may ever have for web requests, by asking for more at once than it has."""
    with ThreadPoolExecutor(_POOL) as asking:
        list(asking.map(lambda _: octoprint.api("POST", f"/plugin/{_PROBE.stem}/busy", json={}), range(_POOL)))


def has_edge(python: Path) -> bool:
    """Return whether the environment of an interpreter has the extra ``[edge]``."""
    return subprocess.run([str(python), "-c", "import cv2, numpy, onnxruntime"], capture_output=True).returncode == 0


def find_octoprint(root: Path) -> Path | None:
    """Return the interpreter of the newest OctoPrint below ``.venv`` that has the extra ``[edge]``, or None."""
    found: Sequence[Path] = sorted((root / ".venv").glob("octoprint-*/bin/python"), reverse=True)
    return next((python for python in found if has_edge(python)), None)


def _let_go_on(triton: TritonServer) -> None:
    os.kill(triton.pid, signal.SIGCONT)


#: What a call to a part may raise when the part does not do as it should.
CALL_ERRORS = (OctoPrintError, requests.RequestException, OSError, Gone, Mishap)
