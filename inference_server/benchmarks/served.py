"""The real Triton beside its floor: server CPU per frame at several numbers of clients, and what the same work costs in process.

All ways take turns, in several rounds of one run, and the medians are compared: on a machine that does other things
meanwhile ratios hold where absolute times do not. The clients' own CPU is not counted.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from inference_server.benchmarks.floor import cpu_ms_per_frame
from inference_server.benchmarks.printers import Line, Load, Transport, closed_loop, median
from inference_server.benchmarks.processes import cpu_s
from inference_server.repository import assemble, usable_cores
from inference_server.scene import Scene
from inference_server.triton import TritonServer

#: Clients in closed loop, and how they ask.
WAYS: tuple[tuple[int, Transport], ...] = ((1, "unary"), (8, "unary"), (64, "unary"), (8, "stream"), (64, "stream"))
ROUNDS = 3
READY_S = 60.0
#: Of a rendered print of 40 frames that comes off in frame 16: good ones and failing ones.
FRAMES, FAILURE_AT, LOOKED_AT = 40, 16, (2, 8, 14, 18, 24, 36)


@dataclass(frozen=True)
class Row:
    """One way to ask, medians over the rounds: ``server_ms`` CPU per frame, ``ratio`` to the floor on all cores."""

    clients: int
    transport: Transport
    server_ms: float
    ratio: float
    frames_per_s: float
    p50_ms: float
    shed: int


@dataclass(frozen=True)
class Served:
    """The whole comparison; ``floor_ms`` is CPU per frame in process with one worker, ``floor_all_ms`` with one per core."""

    model: str
    triton: str
    cores: int
    picture_bytes: int
    floor_ms: float
    floor_all_ms: float
    rows: Sequence[Row]


def frames() -> list[bytes]:
    """Return rendered 720p JPEGs of one print."""
    scene = Scene(1, frames=FRAMES, failure_at=FAILURE_AT)
    return [scene.jpeg(index) for index in LOOKED_AT]


def measure(model: Path, seconds: float) -> Served:
    """Serve ``model`` on this machine's CPU and compare, for about ``seconds`` in all; raises TritonFailed and its like."""
    jpegs, slot_s = frames(), seconds / (ROUNDS * (len(WAYS) + 2))
    cores = usable_cores()
    with tempfile.TemporaryDirectory(prefix="spaghetti-bench-") as folder, _pool(cores) as pool:
        repository = assemble(Path(folder) / "repository", profile="cpu", model=model)
        with TritonServer(repository, log=Path(folder) / "triton.log") as server:
            server.wait_ready(READY_S)
            line = Line(server.target)
            closed_loop(line, 8, jpegs, slot_s)  # every instance has seen a frame
            lone: list[float] = []
            full: list[float] = []
            asked: list[list[tuple[float, Load]]] = [[] for _ in WAYS]
            for _ in range(ROUNDS):
                lone.append(cpu_ms_per_frame(pool, 1, model, jpegs, slot_s))
                full.append(cpu_ms_per_frame(pool, cores, model, jpegs, slot_s))
                for found, (clients, transport) in zip(asked, WAYS, strict=True):
                    found.append(_ask(server, line, clients, jpegs, slot_s, transport))
            version = server.version
    rows = [_row(way, found, median(full)) for way, found in zip(WAYS, asked, strict=True)]
    size = sum(map(len, jpegs)) // len(jpegs)
    return Served(model.stem, version, cores, size, round(median(lone), 3), round(median(full), 3), rows)


def report(found: Served) -> str:
    """Return a table for people and, as its last line, one JSON document."""
    lines = [
        f"{found.model}, Triton {found.triton}, profile cpu, {found.cores} cores, rendered 720p frames of "
        f"{found.picture_bytes // 1000} kB, medians of {ROUNDS} rounds",
        f"in process: {found.floor_ms:.2f} ms CPU per frame with one worker, {found.floor_all_ms:.2f} with one per core",
        f"{'clients':>8}{'transport':>11}{'server CPU ms':>15}{'ratio':>8}{'frames/s':>10}{'p50 ms':>9}{'shed':>6}",
        *(
            f"{row.clients:8}{row.transport:>11}{row.server_ms:15.2f}{row.ratio:8.2f}{row.frames_per_s:10.0f}{row.p50_ms:9.1f}{row.shed:6}"
            for row in found.rows
        ),
        json.dumps({"bench": "served", **asdict(found)}),
    ]
    return "\n".join(lines)


def run(model: Path, seconds: float, as_json: bool) -> None:
    """Measure and print."""
    text = report(measure(model, seconds))
    click.echo(text.splitlines()[-1] if as_json else text)


def _pool(workers: int) -> ProcessPoolExecutor:
    # Fresh processes: a fork of one that speaks gRPC may hang.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _ask(
    server: TritonServer, line: Line, clients: int, jpegs: Sequence[bytes], seconds: float, transport: Transport
) -> tuple[float, Load]:
    """Return (server CPU milliseconds per answer, what became of the frames)."""
    before = cpu_s(server.pid)
    load = closed_loop(line, clients, jpegs, seconds, transport)
    answers = max(1, load.fates().get("answered", 0)) + clients  # the first of each connected before the clock counted
    return (cpu_s(server.pid) - before) / answers * 1e3, load


def _row(way: tuple[int, Transport], found: Sequence[tuple[float, Load]], floor_ms: float) -> Row:
    server_ms = median([milliseconds for milliseconds, _ in found])
    loads = [load for _, load in found]
    return Row(
        clients=way[0],
        transport=way[1],
        server_ms=round(server_ms, 3),
        ratio=round(server_ms / floor_ms, 3),
        frames_per_s=round(median([load.answered_per_s for load in loads]), 1),
        p50_ms=round(median([load.took_ms(0.5) for load in loads]), 2),
        shed=sum(load.fates().get("shed", 0) for load in loads),
    )
