"""What a training run is made of: its knobs and the files that go in. A run goes on only with what it was begun with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from inference_server.detector.labels import data_hash
from inference_server.model_files import checksum

#: Knobs that may change when a run goes on: how long it is, and how much of the machine it has.
MAY_CHANGE = frozenset({"steps", "minutes", "threads", "loaders", "check_every"})


def made_of(config: Mapping[str, Any], data: Path, init: Path | None, pseudo: Path | None) -> dict[str, Any]:
    """Return the facts of a run: ``config``, and the sha256 of each file that goes in, beside its name; None where none is given."""
    facts: dict[str, Any] = {"config": config, "data_sha256": data_hash(data)}
    for what, file in (("init", init), ("pseudo", pseudo)):
        facts[what] = file.name if file else None
        facts[f"{what}_sha256"] = checksum(file) if file else None
    return facts


def refuse_another_run(run: Path, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise click.UsageError where the facts ``now`` differ from those that ``run`` was ``begun`` with.

    What an older run did not write down is not compared.
    """
    old, new = _compared(begun), _compared(now)
    changed = [f"{name} was {old[name]} and is {new[name]}" for name in old if name in new and old[name] != new[name]]
    if changed:
        raise click.UsageError(
            f"{run} was begun with other settings: {'; '.join(changed)}. Give it those again, or name another folder with --run."
        )


def _compared(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return by name, such as ``seed``, ``mix.pseudo`` or ``init``, what may not change; the first runs had no ``recipe`` around some."""
    knobs = dict(facts["config"])
    knobs |= knobs.pop("recipe", {})
    for group in [name for name, value in knobs.items() if isinstance(value, Mapping)]:
        knobs |= {f"{group}.{name}": value for name, value in knobs.pop(group).items()}
    files = {what: _shown(facts[f"{what}_sha256"]) for what in ("data", "init", "pseudo") if f"{what}_sha256" in facts}
    return {name: value for name, value in knobs.items() if name not in MAY_CHANGE} | files


def _shown(sha256: str | None) -> str:
    return f"the file {sha256[:12]}..." if sha256 else "no file"
