"""``spaghetti doctor``: answers to the most frequent questions about an installation, and a bundle to send along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.doctor import Patient, findings, write_bundle
from octoprint_spaghetti.shell import Unusable

_MARKS = {True: "ok ", False: "BAD", None: " - "}


@click.command("doctor")
@click.option(
    "--basedir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("~/.octoprint"),
    show_default=True,
    help="OctoPrint's folder, with config.yaml in it.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the bundle (zip, without secrets) here.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def doctor_command(basedir: Path, out: Path | None, as_json: bool) -> None:
    """Look an installation over, also while OctoPrint does not run.

    The button in the settings knows more: it tries camera and server. The exit status is 1 when something is bad.
    """
    basedir = basedir.expanduser()
    settings, refused = Settings.read(_stored(basedir / "config.yaml"))
    patient = Patient(settings, basedir / "data" / "spaghetti", tuple(sorted((basedir / "logs").glob("octoprint.log"))))
    found = findings(patient)
    if out is not None:
        try:
            with out.open("wb") as stream:
                write_bundle(patient, stream)
        except OSError as error:
            raise Unusable(f"{out} cannot be written ({error.strerror}).") from error
    problems = [str(problem) for problem in refused]
    if as_json:
        click.echo(json.dumps({"findings": [answer.as_json() for answer in found], "refused": problems}))
    else:
        for answer in found:
            click.echo(f"[{_MARKS[answer.well]}] {answer.question}\n      {answer.answer}")
        for problem in problems:
            click.echo(f"[BAD] A stored setting is not usable, its default is taken: {problem}")
        if out is not None:
            click.echo(f"Written: {out}")
    if problems or any(answer.well is False for answer in found):
        raise SystemExit(1)


def _stored(config: Path) -> dict[str, Any]:
    """Return what OctoPrint has stored of our settings; raises :class:`Unusable` when there is no such file."""
    try:
        import yaml
    except ImportError as error:
        raise Unusable("PyYAML is missing; run this with OctoPrint's own Python.") from error
    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise Unusable(f"{config} cannot be read ({error.strerror}); name OctoPrint's folder with --basedir.") from error
    except yaml.YAMLError as error:
        raise Unusable(f"{config} is no YAML ({' '.join(str(error).split())[:200]}).") from error
    stored = ((content.get("plugins") or {}).get("spaghetti") or {}) if isinstance(content, dict) else {}
    return stored if isinstance(stored, dict) else {}
