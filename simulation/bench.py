"""How fast a day is replayed, and in how much memory: ``python -m simulation.bench [--hours 24] [--interval 1]``."""

from __future__ import annotations

import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from octoprint_spaghetti.adapters.trace_reader import recorded
from octoprint_spaghetti.adapters.traces import TraceFolder
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import ObicoPolicy, Policy, PrintEvent, SpaghettiPolicy
from octoprint_spaghetti.core.recording import Recording
from octoprint_spaghetti.core.replay import replay
from octoprint_spaghetti.core.words import Answer, Heatmap, Scene, Sighting

_MB = 1024.0  # of ru_maxrss, which counts kB on Linux


@click.command()
@click.option("--hours", default=24.0, show_default=True)
@click.option("--interval", default=1.0, show_default=True, help="Seconds between two frames.")
def main(hours: float, interval: float) -> None:
    """Write the trace of a long good print, replay it, and print seconds of the processor, and megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        count = int(hours * 3600.0 / interval)
        written = _timed(lambda: _write(Path(folder), count, interval))
        file = next(Path(folder).iterdir())
        recording = recorded(file)
        read = _timed(lambda: sum(1 for _ in recording.rows))
        before = _peak_mb()
        ours = _timed(lambda: _replay(recording, obico=False))
        both = _timed(lambda: _replay(recording, obico=True))
        figures = {
            "frames": count,
            "trace_mb": round(file.stat().st_size / 1e6, 2),
            "write_s": round(written, 2),
            "read_s": round(read, 2),
            "replay_s": round(ours, 2),
            "replay_both_s": round(both, 2),
            "memory_growth_mb": round(_peak_mb() - before, 1),
        }
    for name, value in figures.items():
        click.echo(f"{name:18} {value}")
    click.echo(json.dumps(figures))


def _write(folder: Path, count: int, interval: float) -> None:
    chance, picture = random.Random(0), bytes(range(256)) * 3
    traces = TraceFolder(folder, 1)
    traces.begin("a day", 0.0, 0.0)
    traces.tell(PrintEvent.EXTRUSION_BEGAN, 0.0)
    for number in range(count):
        answer = Answer(0.02 + 0.05 * chance.random(), (), Scene(0.5, 0.4, 0.4), Heatmap(0, 0, b""), picture, "bench")
        place = (200.0 * chance.random(), 200.0 * chance.random(), 0.2)
        traces.add(Sighting(number * interval, answer, 1 + number // 60, place))
    traces.end()


def _replay(recording: Recording, *, obico: bool) -> None:
    ours: Policy = SpaghettiPolicy(Patience(), recording.start)
    policies = [ours, ObicoPolicy()] if obico else [ours]
    replay(policies, recording, keep_timeline=False)


def _timed(work: Callable[[], object]) -> float:
    """Return the processor's seconds: what a machine that is busy with other things would add is not ours."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MB


if __name__ == "__main__":
    main()
