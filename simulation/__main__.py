"""``python -m simulation --data DATA``: a table for people, and one JSON document as the last line for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from inference_server.model_files import checksum, default_model
from octoprint_spaghetti.core.patience import Patience
from octoprint_spaghetti.core.sweep import positions
from octoprint_spaghetti.shell import remembering_detector_for
from simulation.figures import Delay, Rate, most_prints
from simulation.measured import Kind, measure, rendered
from simulation.study import MISSED_AFTER_S, Failure, Measured, delays, failures, false_pauses, good_prints
from simulation.watching import Watcher, obico, ours

#: Seeds of the rendered failures; the demonstration and the recorded traces use others or the same, nothing is tuned on them.
_SCENES = range(101, 117)
_SENSITIVITIES = Path(__file__).parents[1] / "octoprint_spaghetti" / "core" / "sensitivity.json"


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Folder with labels.jsonl."
)
@click.option("--hours", default=1000.0, show_default=True, type=click.FloatRange(10.0), help="Hours of good webcam prints.")
@click.option(
    "--memory", default=20.0, show_default=True, type=click.FloatRange(1.0, 3600.0), help="Memory of the noise, seconds."
)
@click.option("--seed", default=0, show_default=True)
@click.option("--brief", is_flag=True, help="Leave the sensitivities out, which take most of the time.")
@click.option("--write", is_flag=True, help="Write what the sensitivity means into the plugin (core/sensitivity.json).")
def main(data: Path, hours: float, memory: float, seed: int, brief: bool, write: bool) -> None:
    """Simulate good and failing prints, and compare the rules on them."""
    measured = _measured(data, memory)
    rules = [ours(Patience()), obico()]
    document = {
        "model": default_model().name,
        "model_sha256": checksum(default_model()),
        "seed": seed,
        "hours": hours,
        "memory_s": memory,
        "false_pauses": _good(measured, rules, hours, seed),
        "failures": _failing(measured, rules, seed),
    }
    document["sensitivities"] = [] if brief else _sensitivities(measured, hours, seed)
    if write and not brief:
        _SENSITIVITIES.write_text(json.dumps(_slider(document), indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(document))


def _measured(data: Path, memory: float) -> Measured:
    detector = remembering_detector_for(None)
    try:
        return Measured([*measure(data, detector), *rendered(_SCENES, detector)], memory)
    finally:
        detector.close()


def _good(measured: Measured, rules: Sequence[Watcher], hours: float, seed: int) -> dict[str, Any]:
    click.echo("false pauses per 1,000 h [95 % interval over prints], prints of which any was paused")
    found: dict[str, Any] = {}
    for kind, share in ((Kind.WEBCAM, 1.0), (Kind.PHOTO, 0.2), (Kind.HARD, 0.2)):
        rates = false_pauses(rules, good_prints(measured, kind, hours * share, seed), seed)
        found[kind.name.lower()] = {rule.name: asdict(one) for rule, one in zip(rules, rates)}
        for rule, one in zip(rules, rates):
            click.echo(f"  {kind.value:72} {rule.name:10} {_rate(one)}")
    return found


def _failing(measured: Measured, rules: Sequence[Watcher], seed: int) -> dict[str, Any]:
    click.echo(f"seconds from onset to pause, median and p95; share missed (no pause within {MISSED_AFTER_S:.0f} s)")
    found: dict[str, Any] = {}
    for kind in (Kind.RENDERED, Kind.TANGLE):
        figures = delays(rules, failures(measured, kind, seed), seed)
        found[kind.name.lower()] = {rule.name: asdict(one) for rule, one in zip(rules, figures)}
        for rule, one in zip(rules, figures):
            click.echo(f"  {kind.value:72} {rule.name:10} {_delay(one)}")
    return found


def _sensitivities(measured: Measured, hours: float, seed: int) -> list[dict[str, Any]]:
    """Return what each position of the slider means, over the same good webcam prints and the same failures."""
    watchers = [ours(Patience().at_sensitivity(position)) for position in positions()]
    rates = false_pauses(watchers, good_prints(measured, Kind.WEBCAM, hours, seed), seed)
    flawed = false_pauses(watchers, good_prints(measured, Kind.HARD, hours * 0.2, seed), seed)
    failing = [*failures(measured, Kind.RENDERED, seed), *_renumbered(failures(measured, Kind.TANGLE, seed))]
    figures = delays(watchers, failing, seed)
    click.echo(
        "sensitivity: false pauses per 1,000 h of good webcam prints; of flawed prints; onset to pause, median, p95, missed"
    )
    rows = []
    for position, good, bad, one in zip(positions(), rates, flawed, figures):
        click.echo(f"  {position:2.0f}  {_rate(good)}   {_rate(bad)}   {_delay(one)}")
        rows.append({"sensitivity": position, "good": asdict(good), "flawed": asdict(bad), "delay": asdict(one)})
    return rows


def _renumbered(failing: Sequence[Failure]) -> Iterator[Failure]:
    """Keep the real failures of two kinds apart."""
    return (replace(one, source=one.source + 10_000) for one in failing)


def _slider(document: dict[str, Any]) -> dict[str, Any]:
    """Return what the settings page shows beside the slider: rounded, and with where it comes from."""
    return {
        "model": document["model"],
        "model_sha256": document["model_sha256"],
        "command": f"python -m simulation --data DATA --seed {document['seed']} --write",
        "positions": [
            {
                "sensitivity": row["sensitivity"],
                "false_pauses_per_1000_h": round(row["good"]["per_1000_h"], 1),
                "interval": [round(row["good"]["low"], 1), round(row["good"]["high"], 1)],
                "prints": row["good"]["prints"],
                "prints_paused": row["good"]["paused_prints"],
                "false_pauses_per_1000_h_of_flawed_prints": round(row["flawed"]["per_1000_h"], 1),
                "seconds_to_pause": round(row["delay"]["median_s"]),
                "seconds_to_pause_p95": round(row["delay"]["p95_s"]),
                "missed": round(row["delay"]["missed"], 3),
            }
            for row in document["sensitivities"]
        ],
    }


def _rate(one: Rate) -> str:
    none = (
        f"; none of {one.prints}: at most {100 * most_prints(one.prints):.0f} % of such prints" if not one.paused_prints else ""
    )
    return f"{one.per_1000_h:7.1f} [{one.low:.1f}, {one.high:.1f}]  {one.paused_prints} of {one.prints}{none}"


def _delay(one: Delay) -> str:
    return f"{one.median_s:5.0f} {one.p95_s:5.0f}   missed {one.missed:.2f} [{one.missed_low:.2f}, {one.missed_high:.2f}] of {one.failures}"


if __name__ == "__main__":
    main()
