"""Everything a demonstration needs, started in the right order and gone afterwards, whatever happens in between."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from demo.octoprint_server import OctoPrintServer
from demo.webcam import Webcam
from inference_server.ending import SIGNALS, undisturbed
from inference_server.model_files import default_model
from inference_server.repository import assemble
from inference_server.triton import TritonMissing, TritonServer, find_triton

if TYPE_CHECKING:
    from demo.frames import FrameSource

#: Rate of pictures while a failure is suspected, s; the plugin's default, never slower than a calm print's.
_SUSPECT_INTERVAL_S = 2.0


@dataclass(frozen=True)
class Stage:
    """The running parts; ``triton_version`` is "none" where the plugin looks at the pictures itself."""

    webcam: Webcam
    octoprint: OctoPrintServer
    detector: str
    triton_version: str


class Stopped(KeyboardInterrupt):
    """The user (or the system) asked for the end; ``number`` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@contextmanager
def set_up(
    frames: FrameSource, interval_s: float, octoprint_python: Path, work: Path, say: Callable[[str], None]
) -> Iterator[Stage]:
    """Start Triton, the webcam and OctoPrint with files below ``work``; stop them all at the end, undisturbed by signals."""
    frames.jpeg(0)  # a source that cannot deliver is better known before anything runs
    parts = ExitStack()
    try:
        webcam = Webcam(frames, interval_s)
        parts.callback(webcam.stop)
        webcam.start()
        triton = _start_triton(parts, work, say)
        plugin = _plugin_settings(triton, interval_s)
        say("starting OctoPrint with its virtual printer")
        octoprint = OctoPrintServer(octoprint_python, work / "octoprint", webcam.url, {"spaghetti": plugin})
        parts.callback(octoprint.stop)
        octoprint.start()
        if triton is not None:
            triton.wait_ready()
        octoprint.wait_ready()
        yield Stage(webcam, octoprint, plugin["detector"], triton.version if triton is not None else "none")
    finally:
        with undisturbed():
            parts.close()


def _start_triton(parts: ExitStack, work: Path, say: Callable[[str], None]) -> TritonServer | None:
    """Start Triton with the shipped model; None, and a word about it, where there is no Triton for this system."""
    try:
        binary = find_triton()
    except TritonMissing as missing:
        say(f"{missing} This run goes on with the detector inside OctoPrint's process (ONNX Runtime).")
        return None
    say(f"starting Triton ({binary.origin}) on the CPU")
    repository = assemble(work / "models", profile="cpu", model=default_model())
    server = TritonServer(repository, log=work / "triton.log", profile="cpu", binary=binary)
    parts.callback(server.stop)
    server.start()
    return server


def _plugin_settings(triton: TritonServer | None, interval_s: float) -> dict[str, Any]:
    common = {"interval": interval_s, "suspect_interval": min(_SUSPECT_INTERVAL_S, interval_s), "action": "pause", "camera": ""}
    if triton is None:
        return {**common, "detector": "local"}
    return {**common, "detector": "server", "servers": [triton.target]}


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into :class:`Stopped`, so that everything is put away in order."""

    def stop(number: int, frame: object) -> None:
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
