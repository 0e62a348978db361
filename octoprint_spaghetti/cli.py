"""``spaghetti`` for a shell: look at pictures with the detector, on this computer or on a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from octoprint_spaghetti import __version__
from octoprint_spaghetti.checking import Checked, check_picture, find_pictures, write_boxed
from octoprint_spaghetti.core.errors import SpaghettiError
from octoprint_spaghetti.core.replay import Outcome, obico_policy, replay, spaghetti_policy
from octoprint_spaghetti.core.settings import Settings, check
from octoprint_spaghetti.core.words import Sighting
from octoprint_spaghetti.parts import build_detector
from octoprint_spaghetti.ports import Detector
from octoprint_spaghetti.recordings import changed_patience, sightings, traced


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Watch 3D prints for spaghetti."""


@main.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--server", metavar="HOST:PORT", help="Ask this inference server (gRPC); --local otherwise.")
@click.option("--local", is_flag=True, help="Look on this computer (the default; needs the extra [edge]).")
@click.option(
    "--model", type=click.Path(exists=True, dir_okay=False), help="An ONNX file for --local instead of the shipped one."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document per picture and line.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write boxed copies into this folder.")
def check_command(
    paths: tuple[Path, ...], server: str | None, local: bool, model: str | None, as_json: bool, out: Path | None
) -> None:
    """Look at pictures, or at all pictures in folders.

    Boxes are left, top, right, bottom in fractions of the picture. The exit status is 1 when a picture could not be
    looked at, 2 when nothing could.
    """
    if server and local:
        raise click.UsageError("Choose --server or --local, not both.")
    try:
        detector = _detector(server, model)
    except SpaghettiError as error:
        raise _Unusable(str(error)) from error
    looked = failed = 0
    try:
        for file in find_pictures(paths):
            checked = check_picture(file, detector)
            looked += checked.answer is not None
            failed += checked.answer is None
            click.echo(json.dumps(checked.as_json()) if as_json else _line(checked))
            if out is not None and checked.answer is not None:
                write_boxed(checked, out)
    except SpaghettiError as error:
        raise _Unusable(str(error)) from error
    except OSError as error:
        raise _Unusable(f"{out} cannot be written ({error.strerror}).") from error
    finally:
        detector.close()
    if not looked and not failed:
        raise _Unusable("There is no picture to look at.")
    sys.exit(0 if not failed else 1 if looked else 2)


@main.command("replay")
@click.argument("recording", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--interval", default=5.0, show_default=True, type=click.FloatRange(0.1, 3600.0), help="Seconds between two pictures."
)
@click.option(
    "--policy", type=click.Choice(("spaghetti", "obico")), default="spaghetti", show_default=True, help="Whose rule decides."
)
@click.option("--server", metavar="HOST:PORT", help="Ask this inference server (gRPC) instead of this computer.")
@click.option(
    "--set",
    "changes",
    metavar="NAME=VALUE",
    multiple=True,
    help="Another value for a number of the judge, such as failing_at=0.6.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def replay_command(
    recording: Path, interval: float, policy: str, server: str | None, changes: tuple[str, ...], as_json: bool
) -> None:
    """Say when a print would have been paused, from a folder of time-ordered pictures or the trace of a watched print.

    Frames are numbered by the digits at the end of their names, or by their place. The first picture of a folder is
    taken to be of a print that already extrudes.
    """
    try:
        patience = changed_patience(changes)
        frames = traced(recording) if recording.is_file() else _looked_at(recording, server, interval)
    except SpaghettiError as error:
        raise _Unusable(str(error)) from error
    if not frames:
        raise _Unusable(f"{recording} holds nothing that could be looked at.")
    rule = spaghetti_policy(patience, frames[0][1].at) if policy == "spaghetti" else obico_policy()
    outcome = replay(policy, rule, frames)
    click.echo(json.dumps(outcome.as_json()) if as_json else "\n".join(_told(outcome)))


def _looked_at(folder: Path, server: str | None, interval: float) -> list[tuple[int, Sighting]]:
    detector = _detector(server, None)
    try:
        frames, problems = sightings(folder, detector, interval)
    finally:
        detector.close()
    for problem in problems:
        click.echo(f"left out: {problem}", err=True)
    return frames


def _told(outcome: Outcome) -> Iterator[str]:
    for moment in outcome.timeline:
        bar = "#" * round(40 * min(1.0, moment.evidence))
        numbers = f"score {moment.score:.2f}  evidence {moment.evidence:.2f}"
        yield f"{moment.frame:6} {moment.at:7.0f} s  {numbers}  {moment.verdict.value:10} {bar}"
    paused = outcome.paused
    yield "Never paused." if paused is None else f"Paused at frame {paused.frame}, {paused.at:.0f} s after the first."


def _detector(server: str | None, model: str | None) -> Detector:
    servers = check("servers", server) if server else ()
    return build_detector(
        Settings(detector="server" if server else "local", servers=servers, transport="unary", local_model=model or "")
    )


class _Unusable(click.ClickException):
    exit_code = 2


def _line(checked: Checked) -> str:
    if checked.answer is None:
        return f"  ?    {checked.file}: {checked.problem}"
    return f"{checked.answer.score:5.2f}  {checked.file}  {len(checked.answer.detections)} boxes  {checked.ms:.0f} ms"
