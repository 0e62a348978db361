"""``spaghetti`` for a shell: look at pictures with the detector, on this computer or on a server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from octoprint_spaghetti import __version__
from octoprint_spaghetti.checking import Checked, check_picture, find_pictures, told_of_skipped, write_boxed
from octoprint_spaghetti.core.errors import SpaghettiError
from octoprint_spaghetti.doctor_command import doctor_command
from octoprint_spaghetti.replay_command import replay_command
from octoprint_spaghetti.shell import Server, Unusable, detector_for, server_options


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Watch 3D prints for spaghetti."""


@main.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--local", is_flag=True, help="Look on this computer (the default; needs the extra [edge]).")
@click.option(
    "--model", type=click.Path(exists=True, dir_okay=False), help="An ONNX file for --local instead of the shipped one."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document per picture and line.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write boxed copies into this folder.")
@server_options
def check_command(
    paths: tuple[Path, ...], server: Server | None, local: bool, model: str | None, as_json: bool, out: Path | None
) -> None:
    """Look at pictures, or at all pictures in folders.

    Boxes are left, top, right, bottom in fractions of the picture. The exit status is 1 when a picture could not be
    looked at, 2 when nothing could, or when the server went away.
    """
    if server and local:
        raise click.UsageError("Choose --server or --local, not both.")
    if server and model:
        raise click.UsageError("Choose --server or --model, not both; a server looks with its own model.")
    try:
        detector = detector_for(server, model)
    except SpaghettiError as error:
        raise Unusable(str(error)) from error
    looked = failed = 0
    skipped: list[Path] = []
    try:
        for file in find_pictures(paths, skipped.append):
            checked = check_picture(file, detector)
            looked += checked.answer is not None
            failed += checked.answer is None
            click.echo(json.dumps(checked.as_json()) if as_json else _line(checked))
            if out is not None and checked.answer is not None:
                _write_boxed(checked, out)
    except SpaghettiError as error:
        raise Unusable(str(error)) from error
    finally:
        detector.close()
    if skipped:
        click.echo(told_of_skipped(skipped), err=True)
    if not looked and not failed:
        raise Unusable("There is no picture to look at.")
    sys.exit(0 if not failed else 1 if looked else 2)


main.add_command(replay_command)
main.add_command(doctor_command)


def _write_boxed(checked: Checked, out: Path) -> None:
    try:
        write_boxed(checked, out)
    except OSError as error:
        raise Unusable(f"{out} cannot be written ({error.strerror}).") from error


def _line(checked: Checked) -> str:
    if checked.answer is None:
        return f"  ?    {checked.file}: {checked.problem}"
    return f"{checked.answer.score:5.2f}  {checked.file}  {len(checked.answer.detections)} boxes  {checked.ms:.0f} ms"
