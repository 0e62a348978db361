"""Frames per second of the whole server, beside a stand-in of Obico's on the same machine, with the same JPEG files.

Both are asked over loopback by clients that ask again as soon as they have an answer, in turns, in several rounds of one
run. The peer's network is larger by a factor of 17 and finds what it finds; this compares what the servers cost, not what they see.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from inference_server.benchmarks.printers import Line, closed_loop, median
from inference_server.benchmarks.processes import cpu_s
from inference_server.benchmarks.served import READY_S, frames
from inference_server.repository import assemble, usable_cores
from inference_server.triton import LOOPBACK, TritonServer, free_port

ROUNDS = 3
PEER = "stand-in of Obico (Flask, 29 GFLOP)"
#: As many as keep either server busy: ours answers many at once, the peer one after the other.
OUR_CLIENTS, THEIR_CLIENTS = 32, 4
#: The peer gets twice the time of ours, for at 8 frames/s it would otherwise be counted in too few.
THEIR_SHARE = 2 / 3
START_TIMEOUT_S = 60.0
POLL_S = 0.1
CALL_TIMEOUT_S = 60.0


class PeerFailed(RuntimeError):
    """The stand-in did not start or did not answer; the message says what it printed."""


@dataclass(frozen=True)
class Against:
    """Frames per second and CPU milliseconds per frame of both servers, medians over the rounds, and the ratios of the two.

    On a machine that others use, a server gets a part of the cores; ``cpu_ratio`` does not depend on how large a part.
    """

    model: str
    cores: int
    picture_bytes: int
    rounds: int
    ours_per_s: float
    theirs_per_s: float
    ratio: float
    ours_cpu_ms: float
    theirs_cpu_ms: float
    cpu_ratio: float
    ours_p50_ms: float
    theirs_p50_ms: float


@dataclass(frozen=True)
class Window:
    """What one server did in one window: answers per second, CPU milliseconds per answer, the median wait."""

    per_s: float
    cpu_ms: float
    p50_ms: float


def measure(model: Path, seconds: float) -> Against:
    """Serve ``model`` and the stand-in on this machine and ask both in turns for ``seconds`` in all; blocks."""
    jpegs = frames()
    their_s = seconds / ROUNDS * THEIR_SHARE
    our_s = seconds / ROUNDS - their_s
    ours: list[Window] = []
    theirs: list[Window] = []
    with tempfile.TemporaryDirectory(prefix="spaghetti-bench-") as folder, peer(Path(folder)) as (pid, port):
        repository = assemble(Path(folder) / "repository", profile="cpu", model=model)
        with TritonServer(repository, log=Path(folder) / "triton.log") as server:
            server.wait_ready(READY_S)
            ask_us(server, jpegs, 1.0)
            for _ in range(ROUNDS):
                ours.append(ask_us(server, jpegs, our_s))
                theirs.append(ask_peer(pid, port, jpegs, their_s))
    return compare(model.stem, ours, theirs, sum(map(len, jpegs)) // len(jpegs))


def compare(model: str, ours: Sequence[Window], theirs: Sequence[Window], picture_bytes: int) -> Against:
    """Return medians and ratios of the windows of both."""
    our_rate, their_rate = (median([window.per_s for window in windows]) for windows in (ours, theirs))
    our_cpu, their_cpu = (median([window.cpu_ms for window in windows]) for windows in (ours, theirs))
    return Against(
        model=model,
        cores=usable_cores(),
        picture_bytes=picture_bytes,
        rounds=len(ours),
        ours_per_s=round(our_rate, 1),
        theirs_per_s=round(their_rate, 2),
        ratio=round(our_rate / their_rate, 1),
        ours_cpu_ms=round(our_cpu, 2),
        theirs_cpu_ms=round(their_cpu, 1),
        cpu_ratio=round(their_cpu / our_cpu, 1),
        ours_p50_ms=round(median([window.p50_ms for window in ours]), 1),
        theirs_p50_ms=round(median([window.p50_ms for window in theirs]), 1),
    )


def run(model: Path, seconds: float, as_json: bool) -> None:
    """Measure and print; a package that is missing is a sentence."""
    try:
        found = measure(model, seconds)
    except PeerFailed as error:
        raise click.ClickException(str(error)) from error
    if not as_json:
        click.echo(
            f"{found.model}, {found.cores} cores, rendered 720p frames of {found.picture_bytes // 1000} kB, "
            f"medians of {found.rounds} rounds"
        )
        click.echo(f"{'':36}{'clients':>8}{'frames/s':>10}{'CPU ms':>9}{'p50 ms':>9}")
        click.echo(_line("this server (Triton)", OUR_CLIENTS, found.ours_per_s, found.ours_cpu_ms, found.ours_p50_ms))
        click.echo(_line(PEER, THEIR_CLIENTS, found.theirs_per_s, found.theirs_cpu_ms, found.theirs_p50_ms))
        click.echo(f"{'ratio':36}{'':8}{found.ratio:10.1f}{found.cpu_ratio:9.1f}")
    click.echo(json.dumps({"bench": "against", "peer": "darknet416", **asdict(found)}))


def _line(name: str, clients: int, per_s: float, cpu_ms: float, p50_ms: float) -> str:
    return f"{name:36}{clients:8}{per_s:10.1f}{cpu_ms:9.1f}{p50_ms:9.0f}"


@contextmanager
def peer(folder: Path) -> Iterator[tuple[int, int]]:
    """Run the stand-in in a process of its own and yield that and its port on loopback; raises :class:`PeerFailed`."""
    try:
        from inference_server.benchmarks.darknet import write_network
    except ModuleNotFoundError as error:
        raise PeerFailed(f"The stand-in needs {error.name}: run pip install flask onnx") from error
    model, port = write_network(folder / "darknet416.onnx"), free_port(LOOPBACK)
    command = [sys.executable, "-m", "inference_server.benchmarks.darknet", str(model), str(port)]
    with (folder / "peer.log").open("w+b") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait_for(process, port, folder / "peer.log")
            yield process.pid, port
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def ask_us(server: TritonServer, jpegs: Sequence[bytes], seconds: float) -> Window:
    """Ask our server with streams in closed loop, as printers do by default."""
    before = cpu_s(server.pid)
    load = closed_loop(Line(server.target), OUR_CLIENTS, jpegs, seconds, "stream")
    answers = load.fates().get("answered", 0) + OUR_CLIENTS  # the first of each connected before the clock counted
    return Window(load.answered_per_s, (cpu_s(server.pid) - before) / answers * 1e3, load.took_ms(0.5))


def ask_peer(pid: int, port: int, jpegs: Sequence[bytes], seconds: float) -> Window:
    """Ask the stand-in with several clients in closed loop."""
    times: list[float] = []
    before, started = cpu_s(pid), time.monotonic()

    def keep_asking(first: int) -> None:
        turn = first
        while time.monotonic() < started + seconds:
            times.append(_ask_once(port, jpegs[turn % len(jpegs)]))
            turn += 1

    clients = [threading.Thread(target=keep_asking, args=(first,)) for first in range(THEIR_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(seconds + CALL_TIMEOUT_S)
    answers = max(1, len(times))
    return Window(len(times) / (time.monotonic() - started), (cpu_s(pid) - before) / answers * 1e3, median(times))


def _ask_once(port: int, jpeg: bytes) -> float:
    started = time.monotonic()
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=CALL_TIMEOUT_S)
    try:
        connection.request("POST", "/p/", jpeg, {"Content-Type": "image/jpeg"})
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise PeerFailed(f"The stand-in answered {response.status}: {body[:200].decode(errors='replace')}")
        json.loads(body)
    finally:
        connection.close()
    return (time.monotonic() - started) * 1e3


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            _ask_once(port, frames()[0])
        except OSError:
            time.sleep(POLL_S)
        else:
            return
    raise PeerFailed(f"The stand-in does not answer: {log.read_text(errors='replace')[-500:]}")
