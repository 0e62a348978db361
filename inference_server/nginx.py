"""Run the gateway's nginx: prepare its folder, test its configuration, start, reload and stop it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from inference_server import certificate_log
from inference_server.certificate import Certificate, CertificateError, read
from inference_server.gateway import Gateway, GatewayError, render
from inference_server.tokens import TokenFile

#: Where Debian keeps it, which is not on a normal user's PATH.
USUAL_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
READY_TIMEOUT_S = 10.0
#: Longer than nginx lets open streams live after it was told to stop.
QUIT_PATIENCE_S = 8.0
KILL_PATIENCE_S = 5.0
POLL_S = 0.05
#: After this long new workers show what was reloaded.
RELOADED_S = 2.0
CHECK_TIMEOUT_S = 20.0
#: 130 bytes a call: with 200 printers two days of calls, and twice this on the disk.
LARGEST_LOG_BYTES = 1 << 30
_PID = Path("run") / "nginx.pid"


class NginxMissing(GatewayError):
    """There is no nginx on this machine."""


def find_nginx() -> Path:
    """Return the nginx program; raises :class:`NginxMissing`."""
    found = shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", ""), *USUAL_FOLDERS)))
    if found is None:
        raise NginxMissing("There is no nginx here; install it (Debian, Ubuntu: apt install nginx-light).")
    return Path(found)


def prepare(gateway: Gateway, binary: Path) -> None:
    """Write the configuration, for its owner alone, and let nginx test it; raises :class:`GatewayError` with its words."""
    try:
        read(gateway.certificate_file)
    except CertificateError as error:
        raise GatewayError(str(error)) from error
    for folder in ("run", "logs", "acme"):
        (gateway.home / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
    TokenFile(gateway.home).make()
    draft = gateway.conf.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(render(gateway), encoding="utf-8")
    draft.replace(gateway.conf)
    check(gateway.home, binary)


def check(home: Path, binary: Path) -> None:
    """Let nginx test the configuration in ``home``; raises :class:`GatewayError` with what it says."""
    command: list[str | Path] = [binary, "-e", "stderr", "-p", home, "-c", home / "nginx.conf", "-t", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise GatewayError(f"nginx refuses the configuration: {done.stderr.strip()}")


def reload(home: Path, binary: Path) -> bool:
    """Let the gateway of ``home`` read tokens and certificate again; returns whether one runs.

    Open streams end within 5 s. Raises :class:`GatewayError` when nginx would refuse what it is to read.
    """
    pid = running(home)
    if pid is None:
        return False
    check(home, binary)
    os.kill(pid, signal.SIGHUP)
    return True


def running(home: Path) -> int | None:
    """Return the process id of the nginx that serves ``home``, None when there is none."""
    try:
        pid = int((home / _PID).read_text(encoding="ascii"))
        # A pid file outlives a crash, and its number may belong to another program by now.
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(home / "nginx.conf").encode() in command else None


class GatewayServer:
    """One running gateway, stopped at the end of its ``with`` block."""

    def __init__(self, gateway: Gateway, *, binary: Path | None = None, log: Path | None = None) -> None:
        """Remember what to run; ``log`` gets what nginx says of itself (None: standard error).

        Raises :class:`NginxMissing`.
        """
        self.gateway = gateway
        self._binary = binary or find_nginx()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: tuple[float, ...] = ()
        self._certificate: Certificate | None = None
        self._look_at = 0.0

    def __enter__(self) -> GatewayServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def target(self) -> str:
        """Where printers call: host:port."""
        host = self.gateway.host
        return f"[{host}]:{self.gateway.port}" if ":" in host else f"{host}:{self.gateway.port}"

    @property
    def certificate(self) -> Certificate | None:
        """What printers were shown when :meth:`keep_house` looked last; None before."""
        return self._certificate

    def start(self) -> None:
        """Start nginx and block until it listens; raises :class:`GatewayError` when it does not."""
        other = running(self.gateway.home)
        if other is not None:
            raise GatewayError(
                f"A gateway of {self.gateway.home} runs already, its nginx as process {other}; stop it (kill {other}), or name "
                "another folder with --home."
            )
        prepare(self.gateway, self._binary)
        self._seen = self._changed_at()
        command: list[str | Path] = [self._binary, "-e", "stderr", "-p", self.gateway.home, "-c", self.gateway.conf]
        if self._log is None:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        else:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        self._wait_ready()

    def is_running(self) -> bool:
        """Tell whether nginx lives."""
        return self._process is not None and self._process.poll() is None

    def reload(self) -> None:
        """Let nginx read tokens and certificate again; raises :class:`GatewayError` when it would refuse them."""
        reload(self.gateway.home, self._binary)

    def keep_house(self) -> None:
        """Let nginx read what was changed (a renewed certificate, tokens), begin a new log when the old one is long, and note
        every minute when the certificate ends.

        Call it every second or so; raises :class:`GatewayError` when nginx would refuse what was changed, or shows no certificate.
        """
        changed = self._changed_at()
        if changed != self._seen:
            self._seen = changed
            self.reload()
            self._look_at = time.monotonic() + RELOADED_S
        log = self.gateway.access_log
        if self._process is not None and log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
            self._process.send_signal(signal.SIGUSR1)  # nginx opens its logs again
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + certificate_log.EVERY_S
            self._note_certificate()

    def stop(self) -> None:
        """End nginx: calls in progress are answered, streams are cut after 4 s. Does nothing when nothing runs."""
        process, self._process = self._process, None
        if process is None:
            return
        for number, patience in ((signal.SIGQUIT, QUIT_PATIENCE_S), (signal.SIGTERM, KILL_PATIENCE_S)):
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                return
        process.kill()
        process.wait(KILL_PATIENCE_S)

    def _note_certificate(self) -> None:
        try:
            self._certificate = certificate_log.served(self.gateway.host, self.gateway.port)
        except (OSError, CertificateError) as error:
            raise GatewayError(f"The gateway's own certificate cannot be looked at ({error}).") from error
        certificate_log.note(self.gateway.certificate_log, self._certificate, datetime.now(timezone.utc))

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_TIMEOUT_S
        while self._process is not None and self.is_running() and time.monotonic() < end:
            if running(self.gateway.home) == self._process.pid:  # nginx writes its pid file once it listens
                return
            time.sleep(POLL_S)
        alive = self.is_running()
        self.stop()
        raise GatewayError(f"nginx does not listen on {self.target}" + (" after 10 s." if alive else "; it ended, and said why."))

    def _changed_at(self) -> tuple[float, ...]:
        """Return when the files were changed that somebody else may change: an ACME client, another container, a secret's mount."""
        files = (self.gateway.certificate_file, self.gateway.key_file, TokenFile(self.gateway.home).path)
        return tuple(file.stat().st_mtime for file in files)
