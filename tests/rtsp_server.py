"""A small RTSP camera for tests: ffmpeg encodes H.264, this hands it to one client at a time over RTSP, as a network camera does."""

from __future__ import annotations

import base64
import re
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType

#: How long a blocked read may take before it looks whether the camera is being closed.
_POLL_S = 0.1
#: How long the encoder may take to say what it sends.
_START_S = 60.0


class RtspCamera:
    """Serves a test picture at ``url``; ``login`` is ``name:password``, or empty. A context manager that leaves nothing behind."""

    def __init__(self, folder: Path, login: str = "", rate: int = 15, keyframe_every: int = 30, size: str = "640x480") -> None:
        """Encode ``rate`` pictures a second, every ``keyframe_every``-th a whole one."""
        self._login = login
        self._closing = threading.Event()
        self._media = _bound(socket.SOCK_DGRAM)
        self._control = _bound(socket.SOCK_STREAM)
        self._control.listen(4)
        self._sdp = folder / "camera.sdp"
        self._encoder = subprocess.Popen(
            ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}"]
            + ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", str(keyframe_every), "-threads", "1"]
            + ["-sdp_file", str(self._sdp), "-f", "rtp", f"rtp://127.0.0.1:{self._media.getsockname()[1]}?pkt_size=1200"]
        )
        self._wait_for_description()
        self._thread = threading.Thread(target=self._serve, name="rtsp-camera")
        self._thread.start()

    @property
    def host(self) -> str:
        """The camera's host and port."""
        return f"127.0.0.1:{self._control.getsockname()[1]}"

    @property
    def url(self) -> str:
        """The camera's address, with the login if it needs one."""
        return f"rtsp://{self._login + '@' if self._login else ''}{self.host}/live"

    def __enter__(self) -> RtspCamera:
        """Serve already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the encoder and the server."""
        self._closing.set()
        self._encoder.kill()
        self._encoder.wait()
        self._thread.join()
        self._control.close()
        self._media.close()

    def _wait_for_description(self) -> None:
        """Whoever connects is told at once what is sent, also on a machine on which the encoder starts slowly."""
        end = time.monotonic() + _START_S
        while not (self._sdp.exists() and self._sdp.read_text(encoding="ascii").endswith("\n")):
            if self._encoder.poll() is not None or time.monotonic() > end:
                self._encoder.kill()
                self._encoder.wait()
                raise RuntimeError("ffmpeg does not encode")
            time.sleep(_POLL_S)

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._control.accept()
            except socket.timeout:
                continue
            with client:
                try:
                    self._talk(client)
                except (OSError, ValueError):
                    continue  # the client has gone, which is its right

    def _talk(self, client: socket.socket) -> None:
        """Answer requests until PLAY, then play until the client goes."""
        client.settimeout(_POLL_S)
        waiting = b""
        while not self._closing.is_set():
            try:
                received = client.recv(4096)
            except socket.timeout:
                continue
            if not received:
                return
            waiting += received
            while b"\r\n\r\n" in waiting:
                request, waiting = waiting.split(b"\r\n\r\n", 1)
                if self._answer(client, request.decode("latin-1")):
                    self._play(client)
                    return

    def _answer(self, client: socket.socket, request: str) -> bool:
        """Answer one request; return whether it was PLAY."""
        method = request.split(" ", 1)[0]
        sequence = re.search(r"(?i)CSeq: *(\d+)", request)
        head = [f"CSeq: {sequence.group(1) if sequence else 0}"]
        status, body = "200 OK", ""
        if method == "OPTIONS":
            head.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif self._login and f"Basic {base64.b64encode(self._login.encode()).decode()}" not in request:
            status = "401 Unauthorized"
            head.append('WWW-Authenticate: Basic realm="camera"')
        elif method == "DESCRIBE":
            body = self._description()
            head += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            if "TCP" in request:
                head += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
            else:
                status = "461 Unsupported Transport"
        else:
            head.append("Session: 1")
        client.sendall(_message(status, head, body))
        return method == "PLAY" and status == "200 OK"

    def _description(self) -> str:
        sdp = self._sdp.read_text(encoding="ascii").removeprefix("SDP:\n")
        return re.sub(r"m=video \d+", "m=video 0", sdp) + "a=control:track0\r\n"

    def _play(self, client: socket.socket) -> None:
        """Hand on what the encoder sends from now on, in frames of the control connection."""
        client.settimeout(5.0)
        self._forget_backlog()
        while not self._closing.is_set():
            try:
                packet = self._media.recv(65536)
            except socket.timeout:
                continue
            client.sendall(b"$\x00" + len(packet).to_bytes(2, "big") + packet)

    def _forget_backlog(self) -> None:
        self._media.setblocking(False)
        try:
            while self._media.recv(65536):
                pass
        except BlockingIOError:
            self._media.settimeout(_POLL_S)


def _message(status: str, head: list[str], body: str) -> bytes:
    return "\r\n".join([f"RTSP/1.0 {status}", *head, "", body]).encode("latin-1")


def _bound(kind: socket.SocketKind) -> socket.socket:
    bound = socket.socket(socket.AF_INET, kind)
    bound.bind(("127.0.0.1", 0))
    bound.settimeout(_POLL_S)
    return bound
