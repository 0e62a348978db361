"""``spaghetti-server bench``: which benchmark, for how long. Each lives in its own module and is imported when it is asked for."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import click

from inference_server.cli import VerbMissing
from inference_server.model_files import DEFAULT_SIZE, SIZES, DamagedModel, Size, default_model
from inference_server.precision import byte_instructions, for_cpu
from inference_server.triton import TritonFailed, TritonMissing

#: Seconds for all measurements together, where nothing else is said: long enough for medians of a dozen windows.
DETECTOR_S, SERVED_S, AGAINST_S = 10.0, 75.0, 60.0
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("bench")
@click.option("--served", is_flag=True, help="The real Triton beside the same work in process: server CPU per frame.")
@click.option("--against", type=click.Choice(["darknet416"]), help="Beside a stand-in of Obico's server: frames per second.")
@click.option("--fleet", type=click.IntRange(1, 5000), metavar="PRINTERS", help="So many printers, one frame in 5 s each.")
@click.option("--minutes", default=5.0, show_default=True, type=click.FloatRange(0.05, 600.0), help="How long the fleet prints.")
@click.option("--no-gateway", is_flag=True, help="Let the fleet call Triton itself, without nginx, TLS and tokens.")
@click.option(
    "--model", type=_FILE, help="The detector; default: the shipped one, for servers in the precision that serve would choose."
)
@click.option("--size", type=click.Choice(SIZES), default=DEFAULT_SIZE, show_default=True, help="Of the shipped detectors.")
@click.option("--int8", type=_FILE, help="A quantised detector to measure beside it (detector alone).")
@click.option("--seconds", type=click.FloatRange(0.5, 3600.0), help="Time for all measurements together, without --fleet.")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document alone.")
@click.pass_context
def command(
    context: click.Context,
    served: bool,
    against: str | None,
    fleet: int | None,
    minutes: float,
    no_gateway: bool,
    model: Path | None,
    size: Size,
    int8: Path | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Measure the detector's speed on this machine; or the whole server, a peer, a fleet.

    Prints a table for people and, as the last line, one JSON document for programs.
    """
    if sum((served, against is not None, fleet is not None)) > 1:
        raise click.UsageError("--served, --against and --fleet are three benchmarks: run them one after the other.")
    try:
        chosen = model or for_cpu("auto", byte_instructions(), default_model(size=size)).path
        if served:
            from inference_server.benchmarks.served import run as run_served

            run_served(chosen, seconds or SERVED_S, as_json)
        elif against is not None:
            from inference_server.benchmarks.against import run as run_against

            run_against(chosen, seconds or AGAINST_S, as_json)
        elif fleet is not None:
            from inference_server.benchmarks.fleet import run as run_fleet

            run_fleet(chosen, fleet, minutes * 60.0, gateway=not no_gateway, as_json=as_json)
        else:
            _detector(context, model or default_model(size=size), int8, seconds or DETECTOR_S, as_json)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("inference_server"):
            raise
        raise VerbMissing("bench", str(error.name), "server" if served or against or fleet else "train") from error
    except (TritonFailed, TritonMissing, DamagedModel) as error:
        raise click.ClickException(str(error)) from error


def _detector(context: click.Context, model: Path, int8: Path | None, seconds: float, as_json: bool) -> None:
    from inference_server import bench

    shown = io.StringIO()
    with contextlib.redirect_stdout(shown) if as_json else contextlib.nullcontext():
        context.invoke(bench.command, model=model, int8=int8, seconds=seconds)
    if as_json:
        click.echo(shown.getvalue().splitlines()[-1])
