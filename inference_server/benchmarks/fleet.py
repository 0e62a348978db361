"""A fleet of simulated printers in front of gateway and Triton: an ordinary day, twice what the machine can do, and the time after.

Every printer has a connection, a token and a rhythm of its own, and sends by the clock: a server that falls behind gets no
mercy from clients that wait for it. Clients and servers share the machine; the clients' own CPU is told.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from inference_server.benchmarks.printers import DEADLINE_S, Line, Load, by_the_clock, closed_loop, median
from inference_server.benchmarks.processes import cpu_s, memory_mb
from inference_server.benchmarks.served import READY_S, frames
from inference_server.repository import assemble, usable_cores
from inference_server.triton import LOOPBACK, TritonServer, free_port

INTERVAL_S = 5.0
#: Printers that find out what the machine can do, and for how long they try.
PROBING_PRINTERS, PROBING_AT_MOST_S = 32, 5.0
OVERLOAD = 2.0
OVERLOAD_AT_MOST_S = 30.0
#: Six rounds of frames.
AFTER_AT_MOST_S = 6 * INTERVAL_S
#: None of these three takes more of the time than this, measured by the ordinary phase.
SHARE = 0.5
MEMORY_EVERY_S = 5.0
#: Columns of the table.
FATES = (("answered", 10), ("shed", 7), ("late", 6), ("down", 6), ("refused", 9))
TIMES_HEAD = f"{'twice':>7}{'p50 ms':>8}{'p99 ms':>8}{'longest':>9}"


class FleetFailed(RuntimeError):
    """The fleet cannot be set up; the message says what is missing."""


@dataclass(frozen=True)
class Phase:
    """What became of the frames of one phase, ``asked_twice`` of them at the second try; times in ms, of the answered ones."""

    seconds: float
    offered_per_s: float
    frames: int
    fates: dict[str, int]
    asked_twice: int
    p50_ms: float
    p99_ms: float
    longest_ms: float

    @property
    def lost(self) -> int:
        """Return how many frames have no answer."""
        return self.frames - self.fates.get("answered", 0)


@dataclass(frozen=True)
class Usage:
    """What the servers used in the ordinary phase.

    Memory is sampled; its beginning and end are medians of the second and the last fifth, ``memory_tenths_mb`` those of each tenth.
    """

    server_cores: float
    clients_cores: float
    memory_begin_mb: float
    memory_end_mb: float
    memory_most_mb: float
    memory_tenths_mb: list[float]


@dataclass(frozen=True)
class Fleet:
    """The whole run; ``capacity_per_s`` is what clients that ask again at once got before the overload."""

    model: str
    printers: int
    gateway: bool
    cores: int
    picture_bytes: int
    deadline_ms: float
    ordinary: Phase
    usage: Usage
    capacity_per_s: float
    overload: Phase
    after: Phase


@dataclass
class Watch:
    """Samples memory now and then while the fleet prints."""

    heads: tuple[int, ...]
    samples_mb: list[float] = field(default_factory=list)
    _next: float = 0.0

    def look(self) -> None:
        """Take a sample when it is time."""
        if time.monotonic() >= self._next:
            self.samples_mb.append(memory_mb(*self.heads))
            self._next = time.monotonic() + MEMORY_EVERY_S


def measure(model: Path, printers: int, seconds: float, gateway: bool) -> Fleet:
    """Run the three phases, ``seconds`` of them ordinary; raises :class:`FleetFailed` and what the servers raise."""
    jpegs = frames()
    with (
        tempfile.TemporaryDirectory(prefix="spaghetti-fleet-") as folder,
        _servers(model, Path(folder), printers, gateway) as (
            line,
            heads,
        ),
    ):
        closed_loop(line, 8 if printers >= 8 else printers, jpegs, 1.0)
        watch, cpu, own_cpu = Watch(heads), cpu_s(*heads), time.process_time()
        ordinary = by_the_clock(line, printers, jpegs, seconds, INTERVAL_S, watch.look)
        usage = _usage(watch, cpu_s(*heads) - cpu, time.process_time() - own_cpu, seconds)
        probing_s, overload_s, after_s = (
            min(most_s, SHARE * seconds) for most_s in (PROBING_AT_MOST_S, OVERLOAD_AT_MOST_S, AFTER_AT_MOST_S)
        )
        capacity = closed_loop(line, min(printers, PROBING_PRINTERS), jpegs, probing_s).answered_per_s
        interval_s = printers / (OVERLOAD * capacity)
        overload = by_the_clock(line, printers, jpegs, overload_s, interval_s, _nothing)
        after = by_the_clock(line, printers, jpegs, after_s, INTERVAL_S, _nothing)
    return Fleet(
        model=model.stem,
        printers=printers,
        gateway=gateway,
        cores=usable_cores(),
        picture_bytes=sum(map(len, jpegs)) // len(jpegs),
        deadline_ms=DEADLINE_S * 1e3,
        ordinary=_phase(ordinary, printers / INTERVAL_S),
        usage=usage,
        capacity_per_s=round(capacity, 1),
        overload=_phase(overload, OVERLOAD * capacity),
        after=_phase(after, printers / INTERVAL_S),
    )


def report(found: Fleet) -> str:
    """Return a table for people and, as its last line, one JSON document."""
    way = "nginx (TLS, a token each) and Triton" if found.gateway else "Triton"
    lines = [
        f"{found.printers} printers, one frame in {INTERVAL_S:.0f} s each, rendered 720p frames of {found.picture_bytes // 1000} kB, "
        f"through {way}, {found.cores} cores",
        f"{'':12}{'s':>6}{'offered/s':>11}{'frames':>8}" + "".join(f"{fate:>{width}}" for fate, width in FATES) + TIMES_HEAD,
        *(
            _line(name, phase)
            for name, phase in (("ordinary", found.ordinary), ("overload", found.overload), ("after", found.after))
        ),
        f"capacity {found.capacity_per_s:.0f} frames/s; servers {found.usage.server_cores:.2f} cores and clients "
        f"{found.usage.clients_cores:.2f} in the ordinary phase; memory {found.usage.memory_begin_mb:.0f} MB at its beginning, "
        f"{found.usage.memory_end_mb:.0f} at its end, {found.usage.memory_most_mb:.0f} at most",
        json.dumps({"bench": "fleet", **asdict(found)}),
    ]
    return "\n".join(lines)


def run(model: Path, printers: int, seconds: float, gateway: bool, as_json: bool) -> None:
    """Measure and print; a part that is missing is a sentence."""
    try:
        text = report(measure(model, printers, seconds, gateway))
    except FleetFailed as error:
        raise click.ClickException(str(error)) from error
    click.echo(text.splitlines()[-1] if as_json else text)


def _line(name: str, phase: Phase) -> str:
    fates = "".join(f"{phase.fates.get(fate, 0):{width}}" for fate, width in FATES)
    times = f"{phase.asked_twice:7}{phase.p50_ms:8.0f}{phase.p99_ms:8.0f}{phase.longest_ms:9.0f}"
    return f"{name:12}{phase.seconds:6.0f}{phase.offered_per_s:11.1f}{phase.frames:8}{fates}{times}"


@contextmanager
def _servers(model: Path, folder: Path, printers: int, gateway: bool) -> Iterator[tuple[Line, tuple[int, ...]]]:
    """Start what the fleet calls; yields how to call it and the processes that do the work."""
    key = secrets.token_urlsafe(24) if gateway else None
    repository = assemble(folder / "repository", profile="cpu", model=model)
    with ExitStack() as stack:
        triton = stack.enter_context(TritonServer(repository, log=folder / "triton.log", key=key))
        triton.wait_ready(READY_S)
        if key is None:
            yield Line(triton.target), (triton.pid,)
        else:
            line, nginx = stack.enter_context(_gateway(folder / "gateway", triton.target, key, printers))
            yield line, (triton.pid, nginx)


@contextmanager
def _gateway(home: Path, target: str, key: str, printers: int) -> Iterator[tuple[Line, int]]:
    """Run the gateway in front of ``target`` with a token for each printer; yields how to call it and nginx's process."""
    try:
        from inference_server import certificate
        from inference_server.gateway import Gateway, GatewayError
        from inference_server.nginx import GatewayServer, running
        from inference_server.tokens import TokenFile
    except ModuleNotFoundError as error:
        raise FleetFailed(
            f"The gateway needs {error.name}: pip install 'octoprint-spaghetti[gateway]', or --no-gateway."
        ) from error
    gateway = Gateway(home, port=free_port(LOOPBACK), triton=(target,), triton_key=key)
    certificate.make((LOOPBACK,), gateway.certificate_file, gateway.key_file)
    tokens = [TokenFile(home).add(f"printer-{number}") for number in range(printers)]
    try:
        with GatewayServer(gateway, log=home / "nginx.log") as server:
            yield Line(server.target, gateway.certificate_file.read_bytes(), tokens), running(home) or 0
    except GatewayError as error:
        raise FleetFailed(f"{error} (--no-gateway does without.)") from error


def _phase(load: Load, offered_per_s: float) -> Phase:
    return Phase(
        seconds=round(load.seconds, 1),
        offered_per_s=round(offered_per_s, 1),
        frames=len(load.frames),
        fates=load.fates(),
        asked_twice=load.asked_twice,
        p50_ms=round(load.took_ms(0.5), 1),
        p99_ms=round(load.took_ms(0.99), 1),
        longest_ms=round(load.took_ms(1.0), 1),
    )


def _usage(watch: Watch, server_cpu_s: float, own_cpu_s: float, seconds: float) -> Usage:
    fifth, tenth = max(1, len(watch.samples_mb) // 5), max(1, len(watch.samples_mb) // 10)
    return Usage(
        server_cores=round(server_cpu_s / seconds, 2),
        clients_cores=round(own_cpu_s / seconds, 2),
        memory_begin_mb=round(median(watch.samples_mb[fifth : 2 * fifth] or watch.samples_mb), 1),
        memory_end_mb=round(median(watch.samples_mb[-fifth:]), 1),
        memory_most_mb=round(max(watch.samples_mb, default=0.0), 1),
        memory_tenths_mb=[round(median(watch.samples_mb[at : at + tenth]), 1) for at in range(0, len(watch.samples_mb), tenth)],
    )


def _nothing() -> None:
    """Do nothing while the fleet prints."""
