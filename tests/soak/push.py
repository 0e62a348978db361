"""A browser's push connection, without the browser: OctoPrint's SockJS over XHR streaming, logged in, read and thrown away."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import threading
from types import TracebackType

from demo.octoprint_server import OctoPrintServer

#: OctoPrint sends a heartbeat every 25 s; a connection that is silent for longer is broken.
_SILENCE_S = 60.0
_OPEN_S, _JOIN_S = 60.0, 5.0
_PIECE_BYTES = 65536


class PushClient:
    """Reads what OctoPrint pushes to a logged-in page, on a thread of its own, until it is closed."""

    def __init__(self, octoprint: OctoPrintServer) -> None:
        """Prepare to connect."""
        self._octoprint = octoprint
        self._path = f"/sockjs/000/{secrets.token_hex(8)}"
        self._connection = http.client.HTTPConnection("127.0.0.1", octoprint.port, timeout=_SILENCE_S)
        self._thread = threading.Thread(target=self._read, name="push-client", daemon=True)
        self._socket: socket.socket | None = None
        self._open = threading.Event()
        #: Bytes that came so far.
        self.received = 0

    def __enter__(self) -> PushClient:
        """Connect, log in, and begin to read; raises :class:`OctoPrintError` or :class:`OSError`."""
        login = self._octoprint.api("POST", "/api/login", json={"passive": True}).json()
        self._connection.request("POST", f"{self._path}/xhr_streaming")
        self._socket = self._connection.sock
        self._thread.start()
        if not self._open.wait(_OPEN_S):
            raise TimeoutError(f"OctoPrint opened no push connection within {_OPEN_S:.0f} s")
        credentials = json.dumps({"auth": f"{login['name']}:{login['session']}"})
        self._octoprint.api("POST", f"{self._path}/xhr_send", data=json.dumps([credentials]))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_JOIN_S)
        self._connection.close()

    def _read(self) -> None:
        try:
            response = self._connection.getresponse()
            while piece := response.read1(_PIECE_BYTES):
                self.received += len(piece)
                self._open.set()
        except (http.client.HTTPException, OSError):
            return  # hung up
