"""A service that messages are sent to, on loopback: it keeps every request, and answers as well or as badly as it is told.

Asked as a proxy (``CONNECT discord.com:443``) it plays that host itself, with a certificate of the tests' own authority: so
Apprise's request to a service of the internet is sent for real, over TLS, and never leaves this computer.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.certificates import Authority

if TYPE_CHECKING:
    from types import TracebackType

#: How long a path with "hang" in it takes to answer; whoever waits gives up before.
HANG_S = 60.0


@dataclass(frozen=True)
class Request:
    """One request as it came: the host it was meant for, path with query, content type, body, and Unix time."""

    host: str
    path: str
    content_type: str
    body: bytes = field(repr=False)
    at: float = field(default_factory=time.time, compare=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}


class Receiver:
    """The service; a context manager. A path with ``hang`` in it hangs, one with ``fail`` answers 500 while ``broken``."""

    def __init__(self, authority: Authority | None = None) -> None:
        self.requests: list[Request] = []
        self.broken = True
        self.released = threading.Event()  # lets those that hang go, so that the server can stop
        self._authority = authority
        self._played: dict[str, ssl.SSLContext] = {}
        self._making = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def address(self, path: str, scheme: str = "json") -> str:
        """Return an address in Apprise's form."""
        return f"{scheme}://127.0.0.1:{self.port}/{path}"

    def received(self, path: str) -> list[Request]:
        """Return the requests to a path."""
        return [request for request in self.requests if urlsplit(request.path).path.strip("/") == path]

    def server_side(self, host: str) -> ssl.SSLContext:
        """Return what it needs to play a host over TLS; made once, so that nobody waits for it who is told beforehand."""
        assert self._authority is not None, "a receiver without an authority plays no hosts"
        with self._making:
            if host not in self._played:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self._authority.server(host))
                self._played[host] = context
            return self._played[host]

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join(5.0)
        self._server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        played = ""

        def do_CONNECT(self) -> None:
            host = self.path.partition(":")[0]
            self.send_response(200, "Connection established")
            self.end_headers()
            self.connection = receiver.server_side(host).wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            self.played, self.close_connection = host, False

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type") or ""
            receiver.requests.append(Request(self.played, self.path, kind, body))
            if "trickle" in self.path:
                self._trickle()
                return
            if "hang" in self.path:
                receiver.released.wait(HANG_S)
            with contextlib.suppress(ConnectionError):  # whoever asked has given up
                self.send_response(500 if "fail" in self.path and receiver.broken else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        do_PUT = do_POST

        def _trickle(self) -> None:
            """Send a byte every half second: each read succeeds, the answer never ends."""
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            end = time.monotonic() + HANG_S
            with contextlib.suppress(ConnectionError):
                while time.monotonic() < end and not receiver.released.wait(0.5):
                    self.wfile.write(b"x")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    return Handler
