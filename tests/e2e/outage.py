"""A small load of printers on two Triton replicas while one of the two fails and is repaired, and what each printer saw of it."""

from __future__ import annotations

import csv
import io
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from inference_server.triton import LOOPBACK, TritonServer
from octoprint_spaghetti.adapters.triton import TritonDetector
from octoprint_spaghetti.core.errors import DetectorError
from octoprint_spaghetti.core.preference import WayBack
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame
from tests.e2e.ports import free_port
from tests.pictures import jpeg

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
TRANSPORTS = ("stream", "unary")

INTERVAL_S = 1.0  # five times as often as a calm print is looked at
DEADLINE_S = 5.0
#: The plugin's own way back takes half a minute; its order of events is the same in two seconds.
WAY_BACK = WayBack(first_wait=1.0, longest_wait=8.0, between=0.5, probes=2, settled=60.0)
#: Who waits for a frozen replica to thaw is told by it from who goes to the other one.
HEALTHY_S, BROKEN_S, FROZEN_S, REPAIRED_S = 3.0, 8.0, 16.0, 10.0
READY_S = 90.0
#: The longest look that a printer may still be at when it is told to stop.
STOP_S = 40.0
#: On a busy machine a server that was frozen answers late once more, and is left alone for longer before the next return.
RETURN_S = 60.0


@dataclass(frozen=True)
class Look:
    """One frame: when its answer came or was given up (monotonic seconds), who answered, and what went wrong if nobody did."""

    at: float
    detector: str = ""
    problem: str = ""


@dataclass
class Printer:
    """One printer that looks every :data:`INTERVAL_S` from a thread of its own."""

    way: str
    detector: TritonDetector
    looks: list[Look] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        if self.thread is not None:
            self.thread.join(STOP_S)

    def look(self, seed: int) -> None:
        try:
            answer = self.detector.look(Frame(jpeg(seed % 50), 0.0, self.way))
        except DetectorError as error:
            self.looks.append(Look(time.monotonic(), problem=f"{type(error).__name__}: {error}"))
        else:
            self.looks.append(Look(time.monotonic(), answer.detector))

    def is_at(self, target: str) -> bool:
        """Tell whether the last frame was answered by this server."""
        return bool(self.looks) and self.looks[-1].detector == f"triton {target}"

    def is_answered(self) -> bool:
        """Tell whether the last frame was answered at all."""
        return bool(self.looks) and not self.looks[-1].problem

    def forget(self) -> None:
        """Begin with the last look: what was before is not the fault's."""
        del self.looks[:-1]

    def longest_gap(self) -> float:
        """Return the longest time between two answers, in seconds."""
        times = [look.at for look in self.looks if not look.problem]
        return max((after - before for before, after in zip(times, times[1:])), default=float("inf"))

    def _run(self) -> None:
        due, seed = time.monotonic(), 0
        while not self.stopping.wait(max(0.0, due - time.monotonic())):
            self.look(seed)
            due, seed = max(due + INTERVAL_S, time.monotonic()), seed + 1


@dataclass(frozen=True)
class Outage:
    """What was seen: all printers by their way to the servers, and for each balancer how often it chose the repaired replica."""

    fault: str
    printers: dict[str, list[Printer]]
    repaired_target: str
    chosen: dict[str, int]

    def problems(self, way: str) -> list[str]:
        return [look.problem for printer in self.printers[way] for look in printer.looks if look.problem]

    def gap(self, way: str) -> float:
        return max(printer.longest_gap() for printer in self.printers[way])


def find_haproxy() -> str | None:
    """Return HAProxy, which Debian keeps where a normal user's PATH does not look; None when it is not installed."""
    return shutil.which("haproxy", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))


@contextmanager
def haproxy(targets: tuple[str, str], folder: Path, *more: Path, **variables: str) -> Iterator[tuple[str, Path]]:
    """Run the shipped configuration in front of two replicas; yields its address and its socket for statistics.

    ``more`` are further configuration files, ``variables`` what they read from the environment.
    """
    listen, control = f"{LOOPBACK}:{free_port(LOOPBACK)}", folder / "haproxy.sock"
    environment = {
        "REPLICA_A": targets[0],
        "REPLICA_B": targets[1],
        "LISTEN": listen,
        "HAPROXY_SOCKET": str(control),
        **variables,
    }
    files = [argument for file in (CONFIGURATION, *more) for argument in ("-f", str(file))]
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(
            [find_haproxy() or "haproxy", "-db", *files], env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_for(lambda: process.poll() is None and state(control) == {"a": "UP", "b": "UP"}, 60.0, "haproxy sees both replicas")
        yield listen, control
    finally:
        process.kill()
        process.wait(10.0)


def statistics(control: Path) -> dict[str, dict[str, str]]:
    """Return HAProxy's own figures of each replica."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(control))
        connection.sendall(b"show stat\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
    return {row["svname"]: row for row in rows if row["pxname"] == "triton" and row["svname"] in ("a", "b")}


def state(control: Path) -> dict[str, str]:
    """Return what HAProxy thinks of each replica, such as UP; empty while it does not listen."""
    try:
        return {name: row["status"] for name, row in statistics(control).items()}
    except OSError:
        return {}


def wait_for(true: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something is true, at most ``seconds``; raise TimeoutError with ``what`` was waited for."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def kill(replica: TritonServer, start: Callable[[int], TritonServer]) -> TritonServer:
    """Let a replica crash, and start it again on its port after a while."""
    os.kill(replica.pid, signal.SIGKILL)
    time.sleep(BROKEN_S)
    replica.stop()
    return start(replica.addresses.grpc_port)


def restart(replica: TritonServer, start: Callable[[int], TritonServer]) -> TritonServer:
    """Stop a replica in good order, as a rolling restart does, and start it again on its port."""
    replica.stop()
    return start(replica.addresses.grpc_port)


def freeze(replica: TritonServer, start: Callable[[int], TritonServer]) -> TritonServer:
    """Let a replica hang, and thaw it again."""
    os.kill(replica.pid, signal.SIGSTOP)
    try:
        time.sleep(FROZEN_S)
    finally:
        os.kill(replica.pid, signal.SIGCONT)
    return replica


FAULTS = {"SIGKILL": kill, "SIGTERM": restart, "SIGSTOP": freeze}


def run(
    fault: str, start: Callable[[int], TritonServer], folder: Path, with_haproxy: bool, deadline_s: float = DEADLINE_S
) -> Outage:
    """Start two replicas and the printers, let the first replica fail as ``fault`` says, repair it, and watch what follows.

    A printer gives a frame up after ``deadline_s``.
    """
    with ExitStack() as stack:
        first, second = start(0), start(0)
        replicas = [first, second]
        stack.callback(lambda: _stop(replicas))
        servers: dict[str, tuple[str, ...]] = {}
        controls: dict[str, Path] = {}
        for transport in TRANSPORTS:
            servers[f"list {transport}"] = (first.target, second.target)
            servers[f"name {transport}"] = (f"ipv4:{first.target},{second.target}",)  # what a name with two addresses becomes
            if with_haproxy:
                place = folder / transport
                place.mkdir(parents=True)
                address, controls[f"haproxy {transport}"] = stack.enter_context(haproxy((first.target, second.target), place))
                servers[f"haproxy {transport}"] = (address,)
        printers = _printers(servers, deadline_s)
        everyone = [printer for group in printers.values() for printer in group]
        for printer in everyone:
            stack.callback(printer.detector.close)
            stack.callback(printer.stop)
            printer.start()
        listed = [printer for printer in everyone if printer.way.startswith("list")]

        def all_are_well() -> bool:
            return all(printer.is_at(first.target) for printer in listed) and all(printer.is_answered() for printer in everyone)

        time.sleep(HEALTHY_S)
        wait_for(all_are_well, READY_S, "all printers are served")
        for printer in everyone:
            printer.forget()
        replicas[0] = FAULTS[fault](first, start)
        before = {way: int(statistics(control)["a"]["lbtot"]) for way, control in controls.items()}

        def chosen() -> dict[str, int]:
            return {way: int(statistics(control)["a"]["lbtot"]) - before[way] for way, control in controls.items()}

        time.sleep(REPAIRED_S)
        with suppress(TimeoutError):
            wait_for(lambda: all(chosen().values()) and all(printer.is_at(first.target) for printer in listed), RETURN_S, "")
        for printer in everyone:
            printer.stopping.set()
        for printer in everyone:
            printer.stop()
        return Outage(fault, printers, first.target, chosen())


def _stop(replicas: list[TritonServer]) -> None:
    for replica in replicas:
        replica.stop()


def _printers(servers: dict[str, tuple[str, ...]], deadline_s: float) -> dict[str, list[Printer]]:
    """Make the printers of each way, two where they stream, that give a frame up after ``deadline_s``."""
    made = {}
    for way, addresses in servers.items():
        transport = way.split()[-1]
        settings = Settings(servers=addresses, transport=transport, deadline=deadline_s, interval=INTERVAL_S)
        made[way] = [Printer(way, TritonDetector(settings, WAY_BACK)) for _ in range(2 if transport == "stream" else 1)]
    return made
