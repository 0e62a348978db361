"""Print after print on real parts, at a fast clock in the judge: does memory, do threads, descriptors or processes grow?"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from demo.octoprint_server import OctoPrintError
from inference_server.triton import TritonFailed, TritonMissing
from tests.soak.chart import write_chart
from tests.soak.clock import fastest
from tests.soak.report import show
from tests.soak.stage import find_octoprint, has_edge, set_up
from tests.soak.story import FILES, perform

_ROOT = Path(__file__).parents[2]


@click.command(help=__doc__)
@click.option("--minutes", type=click.FloatRange(1.0, 1440.0), help="How long it lasts; else as long as the hours take.")
@click.option(
    "--hours-simulated",
    default=6.0,
    show_default=True,
    type=click.FloatRange(0.1, 240.0),
    help="Printing as the judge counts it.",
)
@click.option("--bound", default=12.0, show_default=True, help="Memory may be shown to grow by so many MB an hour of wall time.")
@click.option("--chart", type=click.Path(dir_okay=False, path_type=Path), help="Write a chart (.png) too.")
@click.option("--samples", type=click.Path(dir_okay=False, path_type=Path), help="Write the samples at rest (.json) too.")
@click.option(
    "--python", type=click.Path(exists=True, path_type=Path), help="Interpreter of another OctoPrint with the plugin and [edge]."
)
@click.option("--first-port", default=0, help="Listen on this port of loopback and the three after it; 0: on any free ones.")
def main(
    minutes: float | None,
    hours_simulated: float,
    bound: float,
    chart: Path | None,
    samples: Path | None,
    python: Path | None,
    first_port: int,
) -> None:
    """Soak, and print a table and, as the last line, one JSON document; the status is 1 when something grew or did not happen."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # either ends whatever was started
    speed = fastest()
    minutes = minutes or 60.0 * hours_simulated / speed
    python = python or find_octoprint(_ROOT)
    if python is None or not has_edge(python):
        raise click.ClickException("No OctoPrint with the extra [edge] below .venv; run scripts/test once, which makes one.")
    ports = range(first_port, first_port + 4 if first_port else 0)
    say = Console(stderr=True, highlight=False, markup=False).print
    with contextlib.ExitStack() as held:
        work = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="spaghetti-soak-")))
        try:
            stage = held.enter_context(set_up(python, work, FILES, minutes, speed, say, ports))
        except (OctoPrintError, TritonFailed, TritonMissing, OSError) as error:
            raise click.ClickException(str(error)) from error
        report = perform(stage, 60.0 * minutes, speed, bound, say)
    show(report, stage.recording, Console(width=160))
    if samples is not None:
        taken = {name: [vars(one) for one in taken] for name, taken in stage.recording.at_rest.items()}
        samples.write_text(json.dumps({**taken, "names of OctoPrint's threads": stage.recording.threads}))
    if chart is not None:
        write_chart(stage.recording.all, chart)
    click.echo(json.dumps(report.as_json()))
    sys.exit(not report.passed)


if __name__ == "__main__":
    main()
