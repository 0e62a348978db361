"""A webcam on loopback that plays frames over real HTTP, and misbehaves on request.

``/snapshot`` answers one JPEG, ``/stream`` MJPEG. Which frame is shown depends on the clock alone: frame ``i`` from
``i * interval`` after :meth:`Webcam.play` until the next one; the first is shown before, the last one for ever after.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Callable

import cv2
import numpy as np

if TYPE_CHECKING:
    from types import TracebackType

    from demo.frames import FrameSource

#: Pictures per second in the MJPEG stream; what a browser needs to look alive.
STREAM_FPS = 5.0
#: Bytes of the ``huge`` picture: more than any webcam sends, twice what a careful reader accepts.
HUGE_BYTES = 20_000_000
#: A trickling camera sends so few bytes at a time, one piece every TRICKLE_PAUSE_S: each read succeeds, the whole never does in
#: time, and a reader that waits for a kilobyte waits for a minute.
TRICKLE_BYTES, TRICKLE_PAUSE_S = 8, 0.5
#: A hanging camera answers nothing for this long, then drops the connection.
HANG_S = 60.0

LOGIN_PAGE = b"<!DOCTYPE html><title>Log in</title><form><input name=user></form>"


class Mode(str, Enum):
    """How the camera behaves; everything but ``OK`` is a fault seen on real printers."""

    OK = "ok"
    HTTP500 = "http500"
    HTML200 = "html200"
    TRUNCATE = "truncate"
    HANG = "hang"
    STALL = "stall"
    TRICKLE = "trickle"
    HUGE = "huge"
    BLACK = "black"
    FROZEN = "frozen"


@dataclass(frozen=True)
class Shown:
    """What the camera shows: ``position`` in the source (from 0), the frame's ``number``, and the clock when it was first shown."""

    position: int
    number: int
    since: float


class Playback:
    """Which frame is shown at which time; knows nothing of pictures or HTTP."""

    def __init__(self, count: int, interval_s: float) -> None:
        """Take the number of frames (at least 1) and the seconds each is shown (above 0)."""
        if count < 1 or interval_s <= 0:
            raise ValueError(
                f"a playback needs at least one frame and an interval above 0, not {count} frames every {interval_s} s"
            )
        self.count = count
        self.interval_s = interval_s
        self.started_at: float | None = None

    def start(self, now: float) -> None:
        """Show the first frame from ``now`` on."""
        self.started_at = now

    def position(self, now: float) -> int:
        """Return the position shown at ``now``: 0 before the start, the last one after the end."""
        if self.started_at is None:
            return 0
        return min(self.count - 1, max(0, int((now - self.started_at) / self.interval_s)))

    def first_shown_at(self, position: int) -> float | None:
        """Return the clock when ``position`` is shown first, or None before the start."""
        return None if self.started_at is None else self.started_at + position * self.interval_s

    def ended(self, now: float) -> bool:
        """Say whether the last frame has been shown for its whole interval."""
        return self.started_at is not None and now >= self.started_at + self.count * self.interval_s


class Webcam:
    """The camera; a context manager that leaves no thread and no open port behind."""

    def __init__(
        self, frames: FrameSource, interval_s: float, port: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show one frame of ``frames`` per ``interval_s`` seconds on loopback ``port`` (0 = any free one)."""
        self.frames = frames
        self.playback = Playback(len(frames), interval_s)
        self.clock = clock
        self.requests = 0
        self.closing = threading.Event()
        self._mode = Mode.OK
        self._frozen_at = 0
        self._server = _Server(("127.0.0.1", port), self)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Webcam:
        """Start to serve."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop to serve."""
        self.stop()

    @property
    def url(self) -> str:
        """The camera's address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def mode(self) -> Mode:
        """How the camera behaves from the next request on; ``FROZEN`` holds the frame shown when it was set."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode | str) -> None:
        self._frozen_at = self.playback.position(self.clock())
        self._mode = Mode(mode)

    def start(self) -> None:
        """Serve in a thread of its own; the first frame is shown until :meth:`play`."""
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="webcam")
        self._thread.start()

    def play(self) -> None:
        """Start the clock."""
        self.playback.start(self.clock())

    def shown(self) -> Shown:
        """Return the frame that is shown now."""
        now = self.clock()
        position = self._frozen_at if self._mode is Mode.FROZEN else self.playback.position(now)
        since = self.playback.first_shown_at(position)
        return Shown(position, self.frames.number(position), now if since is None else since)

    def picture(self) -> bytes:
        """Return the JPEG that is shown now."""
        jpeg = self.frames.jpeg(self.shown().position)
        return black_like(jpeg) if self._mode is Mode.BLACK else jpeg

    def stop(self) -> None:
        """Drop every connection, close the port and wait for all threads; harmless when called twice."""
        self.closing.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.drop_connections()
        self._server.server_close()


@lru_cache(maxsize=4)
def black_like(jpeg: bytes) -> bytes:
    """Return a black JPEG of the same size in pixels, as a camera with its lamp off delivers it."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("the frame to be blackened is not a JPEG")
    return cv2.imencode(".jpg", np.zeros_like(picture))[1].tobytes()


class _Server(ThreadingHTTPServer):
    """Remembers its connections, so that a client that never reads cannot keep a thread alive."""

    daemon_threads = False  # server_close() joins the threads that are not daemons

    def __init__(self, address: tuple[str, int], webcam: Webcam) -> None:
        self.webcam = webcam
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        with self._guard:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        with self._guard:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the client has gone already
                    continue


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        try:
            if path == "/snapshot":
                self._snapshot()
            elif path == "/stream":
                self._stream()
            else:
                self.send_error(404, "try /snapshot or /stream")
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the client has gone, which is its right

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep the terminal for the demonstration."""

    def _snapshot(self) -> None:
        webcam = self.server.webcam
        webcam.requests += 1
        mode = webcam.mode
        if mode is Mode.HTTP500:
            self.send_error(500, "the camera is busy")
        elif mode is Mode.HTML200:
            self._send("text/html", LOGIN_PAGE)
        elif mode is Mode.HANG:
            webcam.closing.wait(HANG_S)
        elif mode is Mode.TRUNCATE:
            whole = webcam.picture()
            self._head("image/jpeg", len(whole))
            self.wfile.write(whole[: len(whole) // 2])
        elif mode is Mode.STALL:
            whole = webcam.picture()
            self._head("image/jpeg", len(whole))
            self.wfile.write(whole[: len(whole) // 2])
            webcam.closing.wait(HANG_S)
        elif mode is Mode.TRICKLE:
            self._trickle(webcam.picture())
        elif mode is Mode.HUGE:
            jpeg = webcam.picture()
            self._send("image/jpeg", jpeg[:-2] + bytes(HUGE_BYTES - len(jpeg)) + jpeg[-2:])
        else:
            self._send("image/jpeg", webcam.picture())

    def _stream(self) -> None:
        webcam = self.server.webcam
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        while not webcam.closing.is_set():
            jpeg = webcam.picture()
            self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg))
            webcam.closing.wait(1.0 / STREAM_FPS)

    def _trickle(self, jpeg: bytes) -> None:
        self._head("image/jpeg", len(jpeg))
        for at in range(0, len(jpeg), TRICKLE_BYTES):
            self.wfile.write(jpeg[at : at + TRICKLE_BYTES])
            if self.server.webcam.closing.wait(TRICKLE_PAUSE_S):
                return

    def _send(self, kind: str, body: bytes) -> None:
        self._head(kind, len(body))
        self.wfile.write(body)

    def _head(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
