"""The detector on this computer, in a process of its own; needs the extra ``[edge]``, and loads nothing of it into OctoPrint.

The process is started when the first picture is to be looked at and never waited for beyond that picture's deadline. It is
ended when it crashes, hangs or is not needed any more, and started again with a growing back-off. It keeps to a share of one
core: a look that took t seconds of processor time lets the next one begin t / share after it.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

import octoprint_spaghetti
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from octoprint_spaghetti.adapters.memory import available_mb, total_mb
from octoprint_spaghetti.adapters.messages import CPU_SECONDS, Messages, MessagesBroken
from octoprint_spaghetti.adapters.triton_answer import read_answer
from octoprint_spaghetti.core.errors import DetectorMissing, LocalBusy, LocalCrashed, PictureRefused
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.memory import is_short
from octoprint_spaghetti.core.sentence import Sentence, say
from octoprint_spaghetti.core.words import Answer, Frame, ProtectionLevel

#: What the process imports beside this package.
_LIBRARIES = ("numpy", "cv2", "onnxruntime")
#: One thread each: a pool per library would take the cores that OctoPrint feeds the printer with, and memory per thread.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
#: How long the process may take to go when it is hung up on, before it is killed.
_GOODBYE_S = 1.0
_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S = 1.0, 60.0


@dataclass(frozen=True)
class Limits:
    """What the process may take: megabytes of private memory, and seconds.

    With base in eight bits 185 MB are resident at 720p, and a progressive JPEG of 40 megapixels, the worst that is looked at,
    fits into 350 MB and not into 320; with base in 32 bits into 384 and not into 350 (measured). A start takes 0.3 s on a PC
    and seconds from a slow SD card. A look takes 27 ms on a PC and, counting operations, a second or two on the slowest Pi, so
    one of ``hang_s`` is none. ``idle_s`` without a picture, in a long pause for one, gives the memory back.
    """

    memory_mb: int = 384
    start_s: float = 60.0
    hang_s: float = 10.0
    idle_s: float = 600.0


class EdgeDetector:
    """Looks on this computer; all methods belong to one thread."""

    level = ProtectionLevel.LOCAL
    why = ""

    def __init__(
        self,
        *,
        deadline: float,
        share: float,
        model: str = "",
        limits: Limits = Limits(),
        command: Sequence[str] = (),
        available_mb: Callable[[], float | None] = available_mb,
        total_mb: Callable[[], float | None] = total_mb,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare to look within ``deadline`` seconds a picture, with at most ``share`` (0 to 1) of one core in the long run.

        ``model`` is the path of an ONNX file, or empty for the one shipped; ``command`` replaces the process (for tests);
        ``available_mb`` tells the memory that the computer has left, ``total_mb`` what it has in all, None where it is not known.
        Raises :class:`DetectorMissing` where the libraries are not installed.
        """
        missing = why_missing()
        if missing:
            raise DetectorMissing(missing)
        self._deadline = deadline
        self._share = share
        self._limits = limits
        self._command = tuple(command) or _command(model, limits)
        self._available_mb = available_mb
        self._total_mb = total_mb()
        self._short = False
        self._monotonic = monotonic
        self._sleep = sleep
        self._child: _Child | None = None
        self._failures = 0
        self._last_words = ""
        self._start_at = -math.inf
        self._ready_at = -math.inf
        self._ids = itertools.count(1)

    @property
    def earliest_s(self) -> float:
        """Return the seconds until the next look may begin within the share."""
        return max(0.0, self._ready_at - self._monotonic())

    @property
    def pid(self) -> int | None:
        """Return the id of the process, or None while there is none."""
        return None if self._child is None else self._child.pid

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Return what is seen in the frame, or in the region ``roi`` of it; blocks for the deadline at most.

        Raises :class:`LocalBusy`, :class:`LocalCrashed`, :class:`PictureRefused` and :class:`AnswerInvalid`.
        """
        end = self._monotonic() + self._deadline
        if self.spare_memory():
            raise LocalBusy(say("The detector on this computer rests: memory is short, and OctoPrint needs what there is."))
        child = self._ready(end)
        self._rest(end)
        reply = self._ask(child, _request(str(next(self._ids)), frame, roi), end)
        if reply.error_message:
            raise PictureRefused(
                say("The detector on this computer could not read the picture: %(why)s.", why=Sentence(reply.error_message))
            )
        return read_answer(reply.infer_response, f"local {child.model}")

    def check(self) -> None:
        """Start the process if there is none, and wait until it is ready; raises :class:`DetectorError`."""
        self._ready(self._monotonic() + self._limits.start_s)

    def spare_memory(self) -> bool:
        """End the process when memory is short, and return whether it is; without a print rather than without OctoPrint."""
        self._short = is_short(self._available_mb(), self._short, self._total_mb)
        if self._short:
            self.close()
        return self._short

    def close(self) -> None:
        """End the process; another look would start it again."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _rest(self, end: float) -> None:
        """Wait for the share to allow a look: a picture that is a little late is better than none. Never beyond half the time."""
        wait = self.earliest_s
        if wait > 0.5 * (end - self._monotonic()):
            raise LocalBusy(
                say(
                    "The detector on this computer rests for %(wait).1f s to keep to %(percent).0f %% of a core; "
                    "lengthen the interval, or raise its share in the settings.",
                    wait=wait,
                    percent=100.0 * self._share,
                )
            )
        if wait > 0.0:
            self._sleep(wait)

    def _ready(self, end: float) -> _Child:
        """Return the process once it owes no answer, starting it if need be; raises when that is not before ``end``."""
        if self._child is not None and self._child.left:
            self.close()
        child = self._child if self._child is not None else self._start()
        while child.owes_since is not None:
            reply = self._receive(child, end)
            if reply is None:
                raise LocalBusy(
                    say("The detector on this computer is still starting; it takes a few seconds.")
                    if not child.model
                    else say("The detector on this computer is too slow for the deadline; lengthen it in the settings.")
                )
            if not child.model:
                self._introduced(child, reply)
        return child

    def _start(self) -> _Child:
        now = self._monotonic()
        if now < self._start_at:
            raise LocalCrashed(self._last_words)
        try:
            self._child = _Child(self._command, now, self._monotonic)
        except OSError as error:
            raise self._crashed(
                say("The detector on this computer could not be started (%(reason)s).", reason=error.strerror)
            ) from error
        return self._child

    def _introduced(self, child: _Child, reply: pb.ModelStreamInferResponse) -> None:
        if reply.error_message:
            raise self._crashed(say("The detector on this computer cannot be used: %(why)s.", why=reply.error_message))
        child.model = reply.infer_response.model_name

    def _ask(self, child: _Child, request: pb.ModelInferRequest, end: float) -> pb.ModelStreamInferResponse:
        now = self._monotonic()
        try:
            child.send(request.SerializeToString(), now, end - now)
        except MessagesBroken:
            raise self._crashed(say("The detector on this computer %(end)s.", end=child.end())) from None
        reply = self._receive(child, end)
        if reply is None:
            raise LocalBusy(say("The detector on this computer did not answer before the picture's deadline; lengthen it."))
        self._failures = 0
        return reply

    def _receive(self, child: _Child, end: float) -> pb.ModelStreamInferResponse | None:
        """Return the answer that is owed, or None when it has not come before ``end``; a process that hangs is ended."""
        since = child.owes_since
        try:
            reply = child.receive(end - self._monotonic())
        except MessagesBroken:
            raise self._crashed(say("The detector on this computer %(end)s.", end=child.end())) from None
        waited = self._monotonic() - (since or 0.0)
        if reply is not None:
            # One thread takes no more processor time than time; whoever says otherwise is not believed.
            cpu_s = min(max(0.0, reply.infer_response.parameters[CPU_SECONDS].double_param), waited)
            self._ready_at = self._monotonic() - waited + cpu_s / self._share
        elif waited >= (self._limits.hang_s if child.model else self._limits.start_s):
            raise self._crashed(say("The detector on this computer hung for %(waited).0f s and was ended.", waited=waited))
        return reply

    def _crashed(self, sentence: str) -> LocalCrashed:
        """Forget the process, hold the next start back for a while, and return the error that says so."""
        self.close()
        back_off_s = min(_FIRST_BACK_OFF_S * 2.0**self._failures, _LONGEST_BACK_OFF_S)
        self._failures += 1
        self._start_at = self._monotonic() + back_off_s
        self._last_words = say(
            "%(sentence)s It is started again after %(back_off_s).0f s.", sentence=sentence, back_off_s=back_off_s
        )
        return LocalCrashed(self._last_words)


class _Child:
    """The process and the socket to it; at most one answer is owed at any time."""

    def __init__(self, command: Sequence[str], now: float, monotonic: Callable[[], float]) -> None:
        ours, theirs = socket.socketpair()
        self.model = ""  # known once it is ready
        self.owes_since: float | None = now  # the word that it is ready
        self._messages = Messages(ours, monotonic)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,  # what it has to say to the system's log goes to standard error, as OctoPrint's does
                env={**os.environ, **_ONE_THREAD},
                cwd=str(Path(octoprint_spaghetti.__file__).parents[1]),  # where the package lies, however OctoPrint found it
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        # In a long pause nobody looks: one that ends meanwhile must not stay a zombie until somebody does.
        self._reaper = threading.Thread(target=self._process.wait, name="spaghetti-reaper", daemon=True)
        self._reaper.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def left(self) -> bool:
        """Return whether the process went by itself and in good order, because it was not needed; what it owed is still to be read."""
        return self._process.poll() == 0 and self.owes_since is None

    def send(self, message: bytes, now: float, seconds: float) -> None:
        self.owes_since = now
        self._messages.send(message, seconds)

    def receive(self, seconds: float) -> pb.ModelStreamInferResponse | None:
        message = self._messages.receive(max(0.0, seconds))
        if message is None:
            return None
        self.owes_since = None
        try:
            return pb.ModelStreamInferResponse.FromString(message)
        except DecodeError as error:
            raise MessagesBroken(str(error)) from error

    def end(self) -> str:
        """Hang up, kill the process if it does not go by itself, and return in words how it ended."""
        self._messages.close()
        self._reaper.join(_GOODBYE_S)
        if self._reaper.is_alive():
            self._process.kill()
        return _how(self._process.wait())


def why_missing() -> str:
    """Return in a sentence what the detector on this computer lacks, or an empty string when it can be tried."""
    if os.name != "posix":
        return say("The detector on this computer runs on Linux and macOS alone; use a server.")
    lacking = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if not lacking:
        return ""
    if sys.maxsize <= 1 << 32:
        return say("The detector on this computer needs a 64-bit system, there is no ONNX Runtime for this one; use a server.")
    return say(
        "The detector on this computer is not installed (%(missing)s missing); run in OctoPrint's environment (OctoPi: "
        '~/oprint/bin/pip): pip install "octoprint-spaghetti[edge]", or use a server.',
        missing=", ".join(lacking),
    )


def _command(model: str, limits: Limits) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "octoprint_spaghetti.edge_process", "--model", model),
        *("--memory-mb", str(limits.memory_mb), "--start-s", str(limits.start_s)),
        *("--hang-s", str(limits.hang_s), "--idle-s", str(limits.idle_s)),
    )


def _request(identifier: str, frame: Frame, roi: Box | None) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(id=identifier, raw_input_contents=[frame.jpeg])
    if roi is not None:
        request.parameters["roi"].string_param = ",".join(f"{value:.4f}" for value in roi.xyxy)
    if frame.drill:
        request.parameters["drill"].bool_param = True
    return request


#: What the kernel's signals mean here; any other is named.
_SIGNALS = {"SIGALRM": say("hung and ended itself"), "SIGKILL": say("was killed (is memory short?)")}


def _how(status: int) -> str:
    """Return in words how a process with this exit status ended."""
    if status >= 0:
        return say("ended (status %(status)s)", status=status)
    names = {known.value: known.name for known in signal.Signals}
    name = names.get(-status, f"signal {-status}")  # real-time signals have none
    return _SIGNALS.get(name, say("was ended by %(name)s", name=name))
