"""A real OctoPrint with its virtual printer, the plugin, a webcam and a wire to Triton, printing for hours."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.frames import FrameSource
from demo.gcode import print_lasting
from demo.octoprint_server import OctoPrintError, OctoPrintServer
from demo.webcam import Webcam
from tests.e2e.faults.bench import HASTY, INTERVAL_S, SHOWN_S, Bench, NewPictures
from tests.e2e.faults.stage import Stage
from tests.e2e.faults.wire import Wire

_STATE_S = 60.0
_PRINT_MINUTES = 120
#: What the page shows where there is no plugin.
_ABSENT: dict[str, Any] = {
    "verdict": "absent",
    "protection": {"level": "unprotected", "reason": ""},
    "answers": 0,
    "sentence": "",
}


class OctoPrintBench:
    """One OctoPrint; the plugin takes its pictures through OctoPrint's own webcam."""

    def __init__(self, folder: Path, python: Path, target: str, frames: FrameSource | None = None, **changes: Any) -> None:
        """Start everything; ``frames`` wait for the camera to play, and ``changes`` are to the hasty settings."""
        self.folder = folder
        self.beside: Any = None
        self._answers = 0  # of the job, when it was last asked
        self._counted_from = 0  # pictures that were taken before the job, but for those that were lost
        self.ended = ""  # what a row knows to have become of the job, when OctoPrint was not there to say it
        with ExitStack() as stack:
            self.wire = stack.enter_context(Wire(target))
            self.camera = stack.enter_context(Webcam(frames or NewPictures(), SHOWN_S if frames is None else INTERVAL_S))
            if frames is None:
                self.camera.play()
            self.cable = stack.enter_context(Wire(self.camera.url.removeprefix("http://")))
            settings = {**HASTY, "servers": [self.wire.address], "fallback": False, **changes}
            self.server = OctoPrintServer(python, folder, f"http://{self.cable.address}", {"spaghetti": settings})
            stack.enter_context(self.server)
            self.where = f"OctoPrint {self.server.version()}"
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()

    def ready(self) -> None:
        """Print, unless it does already."""
        if self.server.printer_state() != "Printing":
            self.server.upload_and_print("long.gcode", print_lasting(minutes=_PRINT_MINUTES))

    def once_in_safe_mode(self) -> None:
        """Let OctoPrint, which is stopped, start in safe mode the next time, as its own page offers it."""
        command = [str(self.server.python), "-m", "octoprint", "-b", str(self.folder), "safemode"]
        subprocess.run(command, check=True, capture_output=True, timeout=60, env={"HOME": str(self.folder), "PATH": os.defpath})

    def status(self) -> dict[str, Any]:
        try:
            status = self.server.plugin_status()
        except (OctoPrintError, requests.RequestException, ValueError):
            return {**_ABSENT, "sentence": self._without_plugin()}
        lost, before, self._answers = self.lost(), self._answers, int(status["answers"])
        if self._answers < before:  # of another job
            self._counted_from = self.camera.requests - self._answers - lost
        return status

    def _without_plugin(self) -> str:
        """Return what OctoPrint's page says where the plugin says nothing."""
        try:
            safe = self.server.api("GET", "/api/server").json()["safemode"]
        except (OctoPrintError, requests.RequestException, ValueError):
            return "OctoPrint does not answer."
        return f"OctoPrint's own notice: safe mode ({safe}), no plugin of a third party is loaded." if safe else "No plugin."

    def said(self, status: dict[str, Any]) -> tuple[str, ...]:
        return (status["sentence"], status["protection"]["reason"], *self._channels())

    def lost(self) -> int:
        return max(0, self.camera.requests - self._counted_from - self._answers)

    def touched(self) -> str:
        try:
            state = self.server.printer_state()
        except (OctoPrintError, requests.RequestException, ValueError):
            return ""
        return self.ended or ("" if state == "Printing" else state)

    def configure(self, **changes: Any) -> None:
        self.server.api("POST", "/api/settings", json={"plugins": {"spaghetti": changes}})

    def wait_for(self, state: str) -> None:
        """Wait until the printer is in a state."""
        end = time.monotonic() + _STATE_S
        while self.server.printer_state() != state:
            if time.monotonic() > end:
                raise TimeoutError(f"the printer is {self.server.printer_state()}, not {state}")
            time.sleep(0.2)

    def _channels(self) -> tuple[str, ...]:
        try:
            report = self.server.api("GET", "/plugin/spaghetti/channels").json()
        except (OctoPrintError, requests.RequestException, ValueError):
            return ()
        return tuple(filter(None, [channel["problem"] for channel in report["channels"]] + [report["mqtt"]["problem"]]))


@contextmanager
def shared_octoprint(stage: Stage) -> Iterator[Bench]:
    """Give the OctoPrint that rows take turns with."""
    python = stage.octoprint_python
    if python is None:
        pytest.skip("no OctoPrint in .venv; run scripts/test")
    with stage.octoprint(lambda: OctoPrintBench(stage.folder("octoprint"), python, stage.triton.target)) as bench:
        bench.ready()
        bench.ended = ""
        yield bench
