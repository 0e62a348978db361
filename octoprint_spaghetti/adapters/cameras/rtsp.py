"""An RTSP camera, read by ffmpeg: one process is held while a print is watched, and decodes key frames alone.

Measured on a 720p stream of 15 pictures a second with a key frame every 2 s: held and key frames alone 0.8 % of a core;
held and every picture 7.5 %; a process for each picture 0.1 s of a core and 2 to 4 s of waiting, which is 2 % at one picture
every five seconds, and too slow for one every two.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO

from octoprint_spaghetti.adapters.cameras.bounded_reads import WHOLE_PICTURE_S
from octoprint_spaghetti.core.camera_address import camera_address
from octoprint_spaghetti.core.errors import CameraError, CameraMissing, CameraTooSlow, CameraUnreachable
from octoprint_spaghetti.core.jpeg import check_jpeg
from octoprint_spaghetti.core.multipart import Parts
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Frame

#: A picture older than this is not one of now: the stream has stalled.
_STALE_S = 10.0
#: ffmpeg gives up on a silent camera after this long, and so does not outlive OctoPrint by more.
_SILENCE_S = 8.0
#: What is kept of ffmpeg's complaints.
_SAID_BYTES = 4000
#: Bound on the wait for the reader, which ends with the process.
_JOIN_S = 2.0
#: ffmpeg's scale of JPEG quality, 2 (best) to 31: at 4 a 720p picture has 50 kB.
_QUALITY = "4"


class RtspCamera:
    """Gives the newest key frame of a stream."""

    def __init__(self, url: str, *, ffmpeg: str = "ffmpeg", monotonic: Callable[[], float] = time.monotonic) -> None:
        """Read ``url`` with the program ``ffmpeg``; raises :class:`CameraMissing` when it is not installed."""
        self._host = camera_address(url, "rtsp").host
        if shutil.which(ffmpeg) is None:
            raise CameraMissing(say("RTSP cameras are read by ffmpeg, which is not installed; run: sudo apt install ffmpeg"))
        self._script = _script(url)
        self._command = _command(ffmpeg)
        self._monotonic = monotonic
        self._stream: _Stream | None = None

    def capture(self) -> Frame:
        """Return a picture that was not returned before; blocks for ``WHOLE_PICTURE_S`` at most. Raises :class:`CameraError`."""
        stream = self._stream
        if stream is None or stream.ended:
            self.close()
            stream = self._stream = _Stream(self._command, self._script, self._monotonic)
        newest = stream.take(WHOLE_PICTURE_S, not_before=self._monotonic() - _STALE_S)
        if newest is None:
            raise self._problem(stream)
        jpeg, captured_at = newest
        return Frame(check_jpeg(jpeg), captured_at, self._host)

    def close(self) -> None:
        """End the process and its reader."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _problem(self, stream: _Stream) -> CameraError:
        """Return the error for a picture that did not come."""
        if not stream.ended:
            return CameraTooSlow(
                say(
                    "The camera at %(host)s sent no whole picture for %(seconds).0f s; check its network, and set "
                    "its key frame (I-frame) interval to 2 s or less.",
                    host=self._host,
                    seconds=WHOLE_PICTURE_S,
                )
            )
        said = stream.said.lower()
        for words, meaning in _meanings(self._host):
            if words in said:
                return CameraUnreachable(meaning)
        return CameraUnreachable(
            say("The stream of the camera at %(host)s cannot be read; try its address in a video player.", host=self._host)
        )


def _meanings(host: str) -> tuple[tuple[str, str], ...]:
    """Return what ffmpeg says, and what that means; its own text may hold the password and is never repeated."""
    too_old = say("This ffmpeg is too old to read the camera; version 5.1 (Debian 12) or newer is needed.")
    refused = say("The camera at %(host)s refuses the name and password, or wants them: rtsp://name:password@...", host=host)
    nowhere = say("The camera at %(host)s has nothing at this path; check its address.", host=host)
    unknown = say("There is no camera named %(host)s in the network; check the host in its address.", host=host)
    silent = say("The camera at %(host)s does not answer; check its address and network.", host=host)
    return (
        ("401 unauthorized", refused),
        ("404", nowhere),
        ("connection refused", say("Nothing listens at %(host)s; check the camera's address, and that it is on.", host=host)),
        ("resolve hostname", unknown),
        ("unknown keyword 'option'", too_old),
        ("unrecognized option", too_old),
        ("timed out", silent),
    )


class _Stream:
    """One ffmpeg, and the thread that reads it: pictures that nobody takes must not fill the pipe and grow old in it."""

    def __init__(self, command: list[str], script: bytes, monotonic: Callable[[], float]) -> None:
        self.said = ""
        self._monotonic = monotonic
        self._news = threading.Condition()
        self._newest: tuple[bytes, float] | None = None
        self._open = True
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, args=(script,), name="spaghetti-rtsp", daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        """Return whether nothing more will come."""
        return not self._open

    def take(self, seconds: float, not_before: float) -> tuple[bytes, float] | None:
        """Return the newest picture and when it came, once, or None when none has come ``seconds`` from now."""

        def fresh() -> bool:
            return not self._open or (self._newest is not None and self._newest[1] >= not_before)

        with self._news:
            self._news.wait_for(fresh, seconds)
            newest, self._newest = self._newest, None
        return newest if newest is not None and newest[1] >= not_before else None

    def close(self) -> None:
        self._process.kill()
        self._reader.join(_JOIN_S)
        self._process.wait()

    def _read(self, script: bytes) -> None:
        """Hand over the address, then read pictures and complaints until the process ends."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        try:
            _hand_over(process.stdin, script)
            with process.stdout as pictures, process.stderr as complaints:
                self._follow(pictures.fileno(), complaints.fileno())
        except (OSError, CameraError):
            process.kill()
        finally:
            with self._news:
                self._open = False
                self._news.notify_all()

    def _follow(self, pictures: int, complaints: int) -> None:
        parts = Parts()
        with selectors.DefaultSelector() as selector:
            selector.register(pictures, selectors.EVENT_READ)
            selector.register(complaints, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    piece = os.read(key.fd, 1 << 16)
                    if not piece:
                        selector.unregister(key.fd)
                    elif key.fd == complaints:
                        self.said = (self.said + piece.decode("utf-8", "replace"))[-_SAID_BYTES:]
                    else:
                        for picture in parts.feed(piece):
                            self._show(picture)

    def _show(self, picture: bytes) -> None:
        with self._news:
            self._newest = (picture, self._monotonic())
            self._news.notify_all()


def _hand_over(stdin: IO[bytes], script: bytes) -> None:
    try:
        with stdin:
            stdin.write(script)
    except BrokenPipeError:
        return  # it has ended already, and its complaints say why


def _script(url: str) -> bytes:
    """Return what ffmpeg reads from its standard input: on its command line every user of the computer would see the password."""
    quoted = url.replace("'", "'\\''")
    silence_us = int(_SILENCE_S * 1e6)
    return f"ffconcat version 1.0\nfile '{quoted}'\noption rtsp_transport tcp\noption timeout {silence_us}\n".encode()


def _command(ffmpeg: str) -> list[str]:
    return [
        *("nice", "-n", "10", ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-protocol_whitelist", "pipe,rtsp,rtp,tcp,udp", "-f", "concat", "-safe", "0"),
        *("-skip_frame", "nokey", "-threads", "1", "-i", "pipe:0"),
        *("-an", "-fps_mode", "passthrough", "-threads", "1", "-c:v", "mjpeg", "-q:v", _QUALITY, "-f", "mpjpeg", "pipe:1"),
    ]
