"""``spaghetti-server status``: what the server does just now, and for which printers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table

from inference_server import certificate_log
from inference_server.access_log import Use, by_printer, recent
from inference_server.certificate import warning
from inference_server.gateway import Gateway
from inference_server.gateway_verbs import home_option
from inference_server.tokens import TokenError, TokenFile
from inference_server.triton_metrics import Load, MetricsMissing, fetch, load, snapshot

#: Printers send a frame every 5 s, or every 60 s at the least: one that was heard in this time is not quiet.
WINDOW_S = 120.0


@dataclass(frozen=True)
class Report:
    """One look: the server's load since the last one, and what the printers did in the last ``window_s`` (None: no gateway here).

    ``strangers`` counts calls without a valid token; ``certificate_days`` are the whole days until the gateway's certificate ends, as
    the gateway noted last (None: it did not).
    """

    load: Load
    window_s: float
    printers: tuple[Use, ...] | None
    silent: tuple[str, ...]
    strangers: int
    certificate_days: int | None = None


def looks(url: str, home: Path, seconds: float) -> Iterator[Report]:
    """Yield a report every ``seconds``, for ever; blocks in between. Raises :class:`MetricsMissing` or :class:`TokenError`."""
    before = snapshot(fetch(url), time.monotonic())
    while True:
        time.sleep(seconds)
        after = snapshot(fetch(url), time.monotonic())
        yield report(load(before, after), home, time.time())
        before = after


def report(measured: Load, home: Path, now: float) -> Report:
    """Add to the server's load what the gateway in ``home`` knows of its printers; ``now`` is Unix time in seconds."""
    if not home.is_dir():
        return Report(measured, WINDOW_S, None, (), 0)
    calls = recent(Gateway(home).access_log, now - WINDOW_S)
    printers = tuple(by_printer(calls))
    heard = {use.printer for use in printers}
    silent = tuple(token.printer for token in TokenFile(home).tokens() if token.printer not in heard)
    strangers = sum(call.printer is None for call in calls)
    return Report(measured, WINDOW_S, printers, silent, strangers, days_left(Gateway(home), now))


def days_left(gateway: Gateway, now: float) -> int | None:
    """Return the whole days from ``now`` (Unix seconds) until the certificate ends that the gateway noted last; None without a note."""
    ends = certificate_log.last(gateway.certificate_log)
    return None if ends is None else (ends - datetime.fromtimestamp(now, timezone.utc)).days


@click.command()
@click.option("--triton", "url", default="http://127.0.0.1:8002/metrics", show_default=True, help="Where Triton's metrics are.")
@click.option("--watch", is_flag=True, help="Look again and again until Ctrl-C.")
@click.option("--seconds", default=2.0, show_default=True, type=click.FloatRange(0.1, 60.0), help="Time that one look takes in.")
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a look.")
def command(url: str, watch: bool, seconds: float, home: Path, as_json: bool) -> None:
    """Show the load of the running server, and its printers when the gateway runs here too."""
    reports = looks(url, home, seconds)
    try:
        if as_json:
            for found in reports:
                click.echo(json.dumps(asdict(found)))
                if not watch:
                    return
        elif not watch:
            Console().print(tables(next(reports), time.time()))
        else:
            with Live(auto_refresh=False) as screen:
                for found in reports:
                    screen.update(tables(found, time.time()), refresh=True)
    except KeyboardInterrupt:
        return
    except (MetricsMissing, TokenError) as error:
        raise click.ClickException(str(error)) from error


def tables(found: Report, now: float) -> RenderableType:
    """Return the report as tables for a terminal."""
    parts: list[RenderableType] = [_headline(found.load), _stages(found.load)]
    if found.printers is None:
        parts.append("Printers by name are known where the gateway runs.")
    else:
        parts += [_printers(found, now), _tail(found)]
    return Group(*parts)


def _headline(measured: Load) -> str:
    said = f"{measured.frames_per_s:.1f} frames/s answered in {_ms(measured.frame_ms)}, {measured.refused_per_s:.1f}/s refused"
    said += f", {measured.failed_per_s:.1f}/s failed" if measured.failed_per_s else ""
    return said if measured.gpu is None else f"{said}, GPU {100 * measured.gpu:.0f} %"


def _stages(measured: Load) -> Table:
    table = Table("stage", *(_right("frames/s"), _right("in queue"), _right("at work"), _right("per batch"), _right("waiting")))
    for stage in measured.stages:
        batch = "-" if stage.batch is None else f"{stage.batch:.1f}"
        figures = (f"{stage.frames_per_s:.1f}", _ms(stage.queue_ms), _ms(stage.compute_ms), batch, str(stage.pending))
        table.add_row(stage.name, *figures)
    return table


def _printers(found: Report, now: float) -> Table:
    table = Table("printer", *(_right(name) for name in ("calls/s", "kB/s", "limited", "failed", "slowest", "last heard")))
    for use in found.printers or ():
        table.add_row(
            use.printer,
            f"{use.calls / found.window_s:.2f}",
            f"{use.received_bytes / found.window_s / 1000:.1f}",
            str(use.limited),
            str(use.failed),
            f"{use.slowest_s:.2f} s",
            f"{max(0.0, now - use.last_at):.0f} s ago",
        )
    return table


def _tail(found: Report) -> str:
    lines = [f"Over the last {found.window_s:.0f} s."]
    if found.silent:
        lines.append(f"Not heard in that time: {', '.join(found.silent)}.")
    if found.strangers:
        lines.append(f"{found.strangers} calls had no valid token.")
    if found.certificate_days is not None:
        said = warning(found.certificate_days)
        lines.append(f"Warning: {said}" if said else f"The certificate is good for {found.certificate_days} days.")
    return " ".join(lines)


def _right(name: str) -> Column:
    return Column(name, justify="right")


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
