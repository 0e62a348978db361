"""Run one Triton: its command line, its readiness, its end.

Triton opens more to the network than printers need (shared memory, log settings, the model repository). Here that
is closed: only gRPC listens on the address asked for, and HTTP answers questions of health on loopback.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from inference_server.triton_binary import TritonBinary, TritonMissing, find_triton
from inference_server.triton_log import cause

if TYPE_CHECKING:
    from inference_server.repository import Profile

__all__ = ["Addresses", "TritonBinary", "TritonFailed", "TritonMissing", "TritonServer", "find_triton"]

LOOPBACK = "127.0.0.1"
#: Where Linux keeps shared memory by name; Triton and its Python stubs pass tensors through it.
SHARED_MEMORY = Path("/dev/shm")
#: Printers ping every 20 s to notice a dead link; Triton's default takes pings less than five minutes apart for an attack.
SHORTEST_PING_INTERVAL_MS = 10_000
#: Connections are renewed now and then, so that printers find back to a repaired replica.
CONNECTION_AGE_MS = 600_000
CONNECTION_GRACE_MS = 5_000
#: A frame takes some milliseconds; what still runs after this is lost anyway.
EXIT_TIMEOUT_S = 3
#: Triton 2.51 does not exit on SIGTERM while a printer holds a stream open (measured: 50 s and more); by then its frames have
#: long been answered. Without an open stream it exits after 2 to 3 s.
TERM_PATIENCE_S = 6.0
KILL_PATIENCE_S = 10.0
POLL_S = 0.05
HEALTH_TIMEOUT_S = 2.0
#: What no printer needs; it is locked with a key that nobody is told.
CLOSED = "shared-memory,model-repository,trace,logging"
#: What printers need, lockable with a key for a gateway that adds it to each call; health stays open for whoever restarts us.
PRINTERS = "inference,metadata,model-config,statistics"
#: The header in which the gateway sends that key (Triton puts ``triton-grpc-protocol-`` before the name it is given).
KEY_HEADER = "triton-grpc-protocol-printers-key"


class TritonFailed(RuntimeError):
    """Triton did not start, or died; the message holds what its log says of the cause."""


@dataclass(frozen=True)
class Addresses:
    """Where one Triton listens: gRPC on ``host``, HTTP on loopback, metrics on ``metrics_host``; ``metrics_port`` None = none."""

    host: str
    grpc_port: int
    http_port: int
    metrics_port: int | None = None
    metrics_host: str = LOOPBACK


class TritonServer:
    """One running Triton, stopped at the end of its ``with`` block together with everything it started."""

    def __init__(
        self,
        repository: Path,
        *,
        log: Path,
        profile: Profile = "cpu",
        binary: TritonBinary | None = None,
        host: str = LOOPBACK,
        grpc_port: int = 0,
        http_port: int = 0,
        metrics_port: int | None = None,
        metrics_host: str = LOOPBACK,
        key: str | None = None,
    ) -> None:
        """Remember what :meth:`start` is to run.

        ``repository`` is what :func:`~inference_server.repository.assemble` built for ``profile``; ``log`` is the file that gets
        all that Triton prints; ``binary`` None = :func:`find_triton`, which may raise :class:`TritonMissing`; port 0 = a free one;
        with a ``key`` only calls that carry it in the header :data:`KEY_HEADER` are answered.
        """
        self.repository = repository
        self.profile = profile
        self.log = log
        self.binary = binary or find_triton()
        self.addresses = Addresses(
            host, grpc_port or free_port(host), http_port or free_port(LOOPBACK), metrics_port, metrics_host
        )
        self._name = f"spaghetti-{secrets.token_hex(4)}"
        self._key = key
        self._process: subprocess.Popen[bytes] | None = None
        self._work: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> TritonServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def target(self) -> str:
        """Where printers call: host:port."""
        host = f"[{self.addresses.host}]" if ":" in self.addresses.host else self.addresses.host
        return f"{host}:{self.addresses.grpc_port}"

    @property
    def pid(self) -> int:
        """Process id; raises :class:`TritonFailed` when none was started."""
        return self._running().pid

    @property
    def version(self) -> str:
        """Triton's own version ("2.51.0"), asked of the running server."""
        return str(self._get_json("/v2")["version"])

    def model_config(self, model: str) -> dict[str, Any]:
        """Return a model's configuration as the running server completed it; raises :class:`TritonFailed`."""
        return self._get_json(f"/v2/models/{model}/config")

    def start(self) -> None:
        """Start the process and return at once; it is the head of a process group of its own."""
        if self._process is not None:
            raise TritonFailed(f"this Triton was started already (process {self._process.pid})")
        self._work = tempfile.TemporaryDirectory(prefix="spaghetti-triton-", dir=_folder_without_spaces())
        repository = _path_without_spaces(self.repository.absolute(), Path(self._work.name))
        backends = self.binary.lay_out_backends(Path(self._work.name))
        command = command_line(self.binary, self._name, repository, backends, self.profile, self.addresses, self._key)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.binary.environment},
                start_new_session=True,
            )

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Block until every model can be used.

        Raises :class:`TritonFailed` when the process dies, or is not ready after ``seconds`` (a Python backend that lacks a
        library makes Triton wait for ever without an error).
        """
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if not self.is_running():
                raise TritonFailed(f"Triton stopped while it started: {self.trouble()}")
            if time.monotonic() > deadline:
                raise TritonFailed(f"Triton was not ready after {seconds:.0f} s: {self.trouble()}")
            time.sleep(POLL_S)

    def is_ready(self) -> bool:
        """Ask the server whether all its models can be used; False when nobody answers, or another Triton on the same port does."""
        try:
            return self._get("/v2/health/ready")[0] == http.client.OK and self._get_json("/v2")["name"] == self._name
        except (OSError, http.client.HTTPException, TritonFailed):
            return False

    def is_running(self) -> bool:
        """Tell whether the process lives, without reaping it: until it is reaped its group's number stays its own."""
        return os.waitid(os.P_PID, self._running().pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def stop(self) -> None:
        """End the process and all that it started; blocks for 2 to 6 s as a rule. Does nothing when nothing runs."""
        process, self._process = self._process, None
        if process is not None:
            # Not Popen.terminate(), which reaps a process that is dead already.
            os.kill(process.pid, signal.SIGTERM)
            if not _exited(process.pid, TERM_PATIENCE_S):
                os.kill(process.pid, signal.SIGKILL)
                _exited(process.pid, KILL_PATIENCE_S)
            # A killed Triton may leave a stub behind. The head is dead but not reaped, so the group's number is still ours.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(KILL_PATIENCE_S)
            # Killed, or stopped while it started, it leaves 1 MB per Python instance.
            for region in SHARED_MEMORY.glob(f"{_region_prefix(self._name)}*"):
                region.unlink(missing_ok=True)
        if self._work is not None:
            self._work.cleanup()
            self._work = None

    def trouble(self) -> str:
        """Say what the log names as the cause of a failure, and where the log is."""
        return f"{cause(self.log.read_text(errors='replace'))} (log: {self.log})"

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise TritonFailed("this Triton was not started")
        return self._process

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self.addresses.http_port, timeout=HEALTH_TIMEOUT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _get_json(self, path: str) -> dict[str, Any]:
        try:
            status, body = self._get(path)
        except (OSError, http.client.HTTPException) as error:
            raise TritonFailed(f"Triton does not answer on {LOOPBACK}:{self.addresses.http_port} ({error})") from error
        if status != http.client.OK:
            raise TritonFailed(f"Triton answered {path} with {status}: {body[:200].decode(errors='replace')}")
        found: dict[str, Any] = json.loads(body)
        return found


def command_line(
    binary: TritonBinary,
    name: str,
    repository: Path,
    backends: Path,
    profile: Profile,
    addresses: Addresses,
    key: str | None = None,
) -> list[str]:
    """Return the command that serves ``repository`` with the configurations of ``profile``, as the server called ``name``.

    Triton takes keys on its command line alone, which other users of the machine can read: a lock against what comes over
    the network, not against them.
    """
    closed = f"{CLOSED}:closed={secrets.token_urlsafe(24)}"
    options: dict[str, object] = {
        "id": name,
        "model-repository": repository,
        "backend-directory": backends,
        "model-control-mode": "none",
        "exit-timeout-secs": EXIT_TIMEOUT_S,
        "grpc-address": addresses.host,
        "grpc-port": addresses.grpc_port,
        "grpc-http2-min-recv-ping-interval-without-data": SHORTEST_PING_INTERVAL_MS,
        "grpc-http2-max-pings-without-data": 0,
        "grpc-keepalive-permit-without-calls": 1,
        "grpc-max-connection-age": CONNECTION_AGE_MS,
        "grpc-max-connection-age-grace": CONNECTION_GRACE_MS,
        "grpc-restricted-protocol": closed,
        "http-address": LOOPBACK,
        "http-port": addresses.http_port,
        "http-restricted-api": closed,
        "allow-metrics": int(addresses.metrics_port is not None),
    }
    if addresses.metrics_port is not None:
        options |= {"metrics-address": addresses.metrics_host, "metrics-port": addresses.metrics_port}
    if profile != "tensorrt":  # which is what each model's config.pbtxt describes
        options["model-config-name"] = profile
    # The configurations are complete; letting Triton ask the models again would start every Python model twice.
    flags = ["--disable-auto-complete-config", *(f"--{option}={value}" for option, value in options.items())]
    for backend in binary.python_backends:
        flags.append(f"--backend-config={backend},shm-region-prefix-name={_region_prefix(name)}")
    if key is not None:
        flags.append(f"--grpc-restricted-protocol={PRINTERS}:{KEY_HEADER.removeprefix('triton-grpc-protocol-')}={key}")
    return [str(binary.path), *flags]


def _region_prefix(name: str) -> str:
    """Return how the names of a server's shared memory begin: so that it can be told from another Triton's and removed."""
    return f"{name}-"


def _folder_without_spaces() -> str | None:
    """Return a folder for temporary files when the usual one has a space in its name; see :func:`_path_without_spaces`."""
    return "/tmp" if any(character.isspace() for character in tempfile.gettempdir()) else None


def _path_without_spaces(path: Path, work: Path) -> Path:
    """Return ``path``, or a link to it in ``work``: Triton's Python stubs get paths unquoted and die of a space in one."""
    if not any(character.isspace() for character in str(path)):
        return path
    link = work / "models"
    link.symlink_to(path)
    return link


def free_port(host: str) -> int:
    """Return a TCP port of ``host`` that nobody listens on at this moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _exited(pid: int, seconds: float) -> bool:
    """Wait until the child has exited, at most ``seconds``; it is left to be reaped."""
    deadline = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
