"""A real OctoPrint with its virtual printer, started from nothing in a folder of its own and stopped again.

The configuration silences wizards, update checks and everything else that needs the internet; what it is about is
the printer, the webcam and the plugin. Runs OctoPrint 1.11 and 2.0.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from types import TracebackType

#: OctoPrint answers after 2 to 4 s on a PC; a Raspberry Pi with a worn SD card takes tens of seconds.
START_PATIENCE_S = 120.0
#: SIGTERM to exit takes OctoPrint 2 to 4 s.
STOP_PATIENCE_S = 15.0
#: One API call; OctoPrint answers most in milliseconds, a test of the whole chain in seconds, on a busy machine in tens of them.
CALL_PATIENCE_S = 60.0
_POLL_S = 0.2
#: Lines of OctoPrint's log that an error message quotes.
_LOG_LINES = 15

#: Bundled plugins that talk to the internet or to the host; none has a part in a print.
_UNUSED_PLUGINS = (
    "announcements",
    "discovery",
    "pluginmanager",
    "softwareupdate",
    "file_check",
    "firmware_check",
    "pi_support",
    "errortracking",
    "tracking",
    "achievements",
)
#: Health checks that ask the internet.
_ASKING_CHECKS = ("octoprint_freshness", "python_eol")
_SEEN_WIZARDS = {"backup": None, "classicwebcam": 1, "corewizard": 4, "softwareupdate": 1, "tracking": None, "file_check": 1}
_HASH_PASSWORD = (
    "import sys; from octoprint.access.users import UserManager; print(UserManager.create_password_hash(sys.stdin.read()))"
)


class OctoPrintError(RuntimeError):
    """OctoPrint did not start or refused a request; the message says why and names the log."""


@dataclass(frozen=True)
class Login:
    """Who may use this OctoPrint; password and key are new for each run and never logged."""

    user: str = "demo"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9), repr=False)
    api_key: str = field(default_factory=lambda: secrets.token_hex(16).upper(), repr=False)


def free_port() -> int:
    """Return a loopback TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(
    port: int,
    camera_url: str,
    plugins: Mapping[str, Mapping[str, Any]],
    snapshot_timeout_s: int = 5,
) -> dict[str, Any]:
    """Return what OctoPrint's ``config.yaml`` holds.

    ``camera_url`` is the address below which ``/snapshot`` and ``/stream`` lie; ``plugins`` maps identifiers to settings.
    """
    return {
        "server": {
            "host": "127.0.0.1",
            "port": port,
            "firstRun": False,
            "ignoreIncompleteStartup": True,  # a start that was cut short must not put the next one into safe mode
            "onlineCheck": {"enabled": False},
            "pluginBlacklist": {"enabled": False},
            "pythonEolCheck": {"enabled": False},
            "ipCheck": {"enabled": False},
            "seenWizards": _SEEN_WIZARDS,
        },
        "serial": {"autoconnect": True, "port": "VIRTUAL", "baudrate": 115200},
        "webcam": {"defaultWebcam": "classic", "snapshotWebcam": "classic"},
        "plugins": {
            "_disabled": list(_UNUSED_PLUGINS),
            "classicwebcam": {
                "_config_version": 1,
                "stream": f"{camera_url}/stream",
                "snapshot": f"{camera_url}/snapshot",
                "snapshotTimeout": snapshot_timeout_s,
            },
            "health_check": {"disabled": list(_ASKING_CHECKS)},
            "tracking": {"enabled": False},
            "errortracking": {"enabled": False},
            "virtual_printer": {"enabled": True, "simulated_errors": []},
            **{name: dict(settings) for name, settings in plugins.items()},
        },
        "devel": {"cache": {"preemptive": False}, "webassets": {"bundle": False, "minify": False}},
    }


class OctoPrintServer:
    """One OctoPrint process; a context manager that starts it, waits until its printer is ready, and stops it."""

    #: Where the process is started; None: in this one's folder, whose packages Python then prefers to installed ones.
    folder: Path | None = None

    def __init__(
        self,
        python: Path,
        base: Path,
        camera_url: str,
        plugins: Mapping[str, Mapping[str, Any]],
        port: int | None = None,
        login: Login | None = None,
    ) -> None:
        """Prepare to run the OctoPrint installed for ``python``, all its files below ``base`` (made when missing)."""
        self.python = python
        self.base = base
        self.port = free_port() if port is None else port
        self.login = login or Login()
        self._camera_url = camera_url
        self._plugins = plugins
        self._process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment has no business on loopback
        self._session.headers["X-Api-Key"] = self.login.api_key

    def __enter__(self) -> OctoPrintServer:
        """Start, and stop again when it does not become ready."""
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    @property
    def url(self) -> str:
        """The address for a browser."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        """What OctoPrint printed; its own ``logs/octoprint.log`` lies below ``base`` too."""
        return self.base / "output.log"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Write the configuration and start the process; returns before it is ready."""
        self.base.mkdir(parents=True, exist_ok=True)
        # OctoPrint migrates the configuration on its first start: one that is there already belongs to an earlier start in
        # the same folder and is kept.
        config = self.base / "config.yaml"
        if not config.exists():
            config.write_text(json.dumps(self.configuration(), indent=2))  # JSON is YAML: no YAML library is needed here
        users = self.base / "users.yaml"
        users.touch(mode=0o600)
        users.write_text(json.dumps(self._users(), indent=2))
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.python), "-m", "octoprint", "serve", "--iknowwhatimdoing", "-b", str(self.base), "--host", "127.0.0.1"]
                + ["--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for the demonstration, which then stops OctoPrint in order
            )

    def configuration(self) -> dict[str, Any]:
        """Return what ``config.yaml`` holds at the first start; for a test that wants another OctoPrint."""
        return configuration(self.port, self._camera_url, self._plugins)

    def environment(self) -> dict[str, str]:
        """Return the environment of the process; for a test that wants another OctoPrint."""
        foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
        return {key: value for key, value in os.environ.items() if key not in foreign} | {"HOME": str(self.base), "NO_COLOR": "1"}

    def wait_ready(self, timeout_s: float = START_PATIENCE_S) -> None:
        """Wait until the virtual printer is connected; raises :class:`OctoPrintError` with the end of the log."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                raise OctoPrintError(f"OctoPrint ended while it started.\n{self._log_tail()}")
            try:
                if self.printer_state() == "Operational":
                    return
            except (requests.RequestException, OctoPrintError):
                pass  # not listening yet, or still loading its users
            time.sleep(_POLL_S)
        raise OctoPrintError(f"OctoPrint was not ready within {timeout_s:.0f} s.\n{self._log_tail()}")

    def stop(self) -> None:
        """End the process and whatever it started, first politely; harmless when it does not run."""
        process, self._process = self._process, None
        self._session.close()
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        try:
            os.killpg(process.pid, signal.SIGKILL)  # its own process group: nothing but OctoPrint's children
        except ProcessLookupError:
            return

    def api(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send one request with the API key; raises :class:`OctoPrintError` unless the answer is 2xx."""
        response = self._session.request(method, f"{self.url}{path}", timeout=CALL_PATIENCE_S, **arguments)
        if not response.ok:
            raise OctoPrintError(f"{method} {path} answered {response.status_code}: {response.text[:200].strip()}")
        return response

    def version(self) -> str:
        """Return OctoPrint's version, for example ``1.11.8``."""
        return str(self.api("GET", "/api/version").json()["server"])

    def printer_state(self) -> str:
        """Return the printer's state in OctoPrint's words: Operational, Printing, Pausing, Paused, Cancelling, ..."""
        return str(self.api("GET", "/api/job").json()["state"])

    def upload_and_print(self, name: str, gcode: str) -> None:
        """Upload ``gcode`` as the file ``name`` (ending in ``.gcode``) and print it at once."""
        self.api("POST", "/api/files/local", files={"file": (name, gcode)}, data={"print": "true"})

    def job(self, command: str, action: str | None = None) -> None:
        """Send a job command: ``cancel``, or ``pause`` with the action ``pause``, ``resume`` or ``toggle``."""
        self.api("POST", "/api/job", json={"command": command} if action is None else {"command": command, "action": action})

    def plugin_status(self, identifier: str = "spaghetti") -> dict[str, Any]:
        """Return the JSON that ``/plugin/<identifier>/status`` answers."""
        status = self.api("GET", f"/plugin/{identifier}/status").json()
        if not isinstance(status, dict):
            raise OctoPrintError(f"/plugin/{identifier}/status did not answer an object")
        return status

    def _users(self) -> dict[str, Any]:
        command = [str(self.python), "-c", _HASH_PASSWORD]
        try:
            hashed = subprocess.run(
                command, input=self.login.password, capture_output=True, text=True, timeout=START_PATIENCE_S, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            problem = f"there is no working OctoPrint for {self.python} ({error}); run scripts/demo, which installs it"
            raise OctoPrintError(problem) from error
        user = {"password": hashed.stdout.strip(), "active": True, "groups": ["admins", "users"], "permissions": []}
        return {"_version": 2, self.login.user: {**user, "apikey": self.login.api_key, "settings": {}, "roles": []}}

    def _log_tail(self) -> str:
        lines = self.log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:] if self.log_path.exists() else []
        return "\n".join([f"The end of {self.log_path}:", *lines])
