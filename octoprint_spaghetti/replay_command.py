"""``spaghetti replay``: when would a print have been paused, by whose rule, under which numbers?"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from octoprint_spaghetti.adapters.video import Pick
from octoprint_spaghetti.core.errors import SpaghettiError
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.policies import ObicoPolicy, Policy, SpaghettiPolicy
from octoprint_spaghetti.core.recording import Recording, Row, Seen
from octoprint_spaghetti.core.replay import Outcome, replay
from octoprint_spaghetti.core.sweep import Setting, recommended, sweep
from octoprint_spaghetti.recordings import Reading, changed_patience, open_recording
from octoprint_spaghetti.replay_chart import write_chart
from octoprint_spaghetti.replay_text import sweep_table, timeline, verdict
from octoprint_spaghetti.shell import Server, Unusable, remembering_detector_for, server_options

POLICIES = ("spaghetti", "obico")
_PROGRESS_EVERY_S = 3.0


@click.command("replay")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--interval", default=5.0, show_default=True, type=click.FloatRange(0.1, 3600.0), help="Seconds between two pictures."
)
@click.option("--nth", default=1, show_default=True, type=click.IntRange(1), help="Of a video, take each N-th frame.")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 3600.0),
    help="Of a video, take a frame each so many seconds of its own clock, and keep that clock (for a video in real time).",
)
@click.option(
    "--policy", type=click.Choice((*POLICIES, "all")), default="spaghetti", show_default=True, help="Whose rule decides."
)
@click.option(
    "--set",
    "changes",
    metavar="NAME=VALUE",
    multiple=True,
    help="Another value for a number of the judge, such as failing_at=0.6 or scene_gate=off.",
)
@click.option("--one-look", is_flag=True, help="Do not look again, enlarged, at what is suspected.")
@click.option("--sweep", "sweeps", is_flag=True, help="Try every sensitivity and recommend one.")
@click.option(
    "--failed-at",
    type=int,
    metavar="FRAME",
    help="For --sweep: the first frame that shows the failure. Without it the print is taken to have gone well.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.option("--chart", type=click.Path(dir_okay=False, path_type=Path), help="Write a chart (.png; needs matplotlib).")
@click.option("--fresh", is_flag=True, help="Look again at pictures that were looked at before.")
@server_options
def replay_command(
    path: Path,
    interval: float,
    nth: int,
    every: float | None,
    policy: str,
    server: Server | None,
    changes: tuple[str, ...],
    one_look: bool,
    sweeps: bool,
    failed_at: int | None,
    as_json: bool,
    chart: Path | None,
    fresh: bool,
) -> None:
    """Say when a print would have been paused.

    PATH is a folder of time-ordered pictures, a video or time-lapse, or the trace of a watched print. Frames are numbered by
    the digits at the end of their names, or by their place. Pictures are looked at once and remembered; a folder or a
    video is taken to be of a print that already extrudes, and is replayed to the first pause; a trace tells what came after.
    """
    if sweeps and (policy != "spaghetti" or chart is not None):
        raise click.UsageError("--sweep tries our own rule and writes no chart; leave --policy and --chart out.")
    try:
        patience = changed_patience(changes)
        recording = _recording(
            path, Reading(interval, Pick(nth, every), _problem, _Progress().looked, not one_look), server, fresh
        )
        if not any(isinstance(row, Seen) for row in recording.rows):
            raise Unusable(f"{path} holds nothing that could be looked at.")
        if sweeps:
            _sweep(patience, recording, failed_at, as_json)
            return
        outcomes = replay(_policies(policy, patience, recording), recording)
        if chart is not None:
            write_chart(outcomes, chart)
    except SpaghettiError as error:
        raise Unusable(str(error)) from error
    _say(outcomes, policy, as_json)


def _recording(path: Path, reading: Reading, server: Server | None, fresh: bool) -> Recording:
    detector = remembering_detector_for(server, fresh=fresh)
    try:
        return open_recording(path, detector, reading)
    except OSError as error:
        raise Unusable(f"{path} cannot be read ({error.strerror}).") from error
    finally:
        detector.close()


class _Progress:
    """Says on a terminal how many pictures were looked at, once it takes longer than a person waits without asking."""

    def __init__(self) -> None:
        self._count, self._said_at = 0, time.monotonic()

    def looked(self) -> None:
        """Count a picture; say so at most once in a while."""
        self._count += 1
        if sys.stderr.isatty() and time.monotonic() - self._said_at >= _PROGRESS_EVERY_S:
            self._said_at = time.monotonic()
            click.echo(f"looked at {self._count} pictures ...", err=True)


def _problem(sentence: str) -> None:
    click.echo(f"left out: {sentence}", err=True)


def _policies(name: str, patience: Patience, recording: Recording) -> list[Policy]:
    rules: dict[str, Policy] = {"spaghetti": SpaghettiPolicy(patience, recording.start), "obico": ObicoPolicy()}
    return list(rules.values()) if name == "all" else [rules[name]]


def _say(outcomes: Sequence[Outcome], policy: str, as_json: bool) -> None:
    if as_json:
        documents = [outcome.as_json() for outcome in outcomes]
        click.echo(json.dumps(documents if policy == "all" else documents[0]))
        return
    for outcome in outcomes:
        click.echo("\n".join(timeline(outcome)))
    for outcome in outcomes:
        click.echo(verdict(outcome))


def _sweep(patience: Patience, recording: Recording, failed_at: int | None, as_json: bool) -> None:
    settings = sweep(patience, recording)
    best = recommended(settings, None if failed_at is None else _second_of(failed_at, recording.rows))
    if as_json:
        click.echo(json.dumps(_sweep_json(settings, best)))
        return
    click.echo("\n".join(sweep_table(settings)))
    taken = "that went well" if failed_at is None else f"whose failure shows from frame {failed_at} on"
    if best is None:
        click.echo(f"No sensitivity is right for a print {taken}.")
    else:
        click.echo(f"Recommended for a print {taken}: sensitivity {best.sensitivity:.0f}.")


def _sweep_json(settings: Sequence[Setting], best: Setting | None) -> dict[str, Any]:
    tried = []
    for one in settings:
        document = one.outcome.as_json()
        del document["timeline"]
        tried.append({"sensitivity": one.sensitivity, "failing_at": round(one.failing_at, 4), **document})
    return {"sweep": tried, "recommended": None if best is None else best.sensitivity}


def _second_of(frame: int, rows: Iterable[Row]) -> float:
    """Return when a frame (or the first after it) was, in seconds since the first; raises :class:`Unusable`."""
    first: float | None = None
    for row in rows:
        if isinstance(row, Seen):
            first = row.at if first is None else first
            if row.number >= frame:
                return row.at - first
    raise Unusable(f"There is no frame {frame} in this print.")
