"""Print what each fault looks like and costs, as tables and one JSON line: ``python -m tests.e2e.fault_table [NAME ...]``, four minutes.

With names, only the faults whose name has one of them in it. Ends with status 1 when a row is not as it must be.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import click
import pytest

from tests.e2e.faults.fault import Fault, Outcome
from tests.e2e.faults.stage import Stage
from tests.e2e.faults.table import FAULTS, ROW_S, Row, as_markdown, outcomes_of

ROOT = Path(__file__).parents[2]
STABLE, WITH_EDGE = "1.11.8", "2.0.0rc7"


def interpreter(version: str) -> Path | None:
    """Return the interpreter of an OctoPrint that scripts/test has set up, or None."""
    python = ROOT / ".venv" / f"octoprint-{version}" / "bin" / "python"
    return python if python.exists() else None


def rows(faults: list[Fault], outcomes: dict[str, Future[Outcome]]) -> Iterator[Row]:
    """Wait for the outcomes, in the order of the table."""
    for fault in faults:
        error = outcomes[fault.name].exception(ROW_S)
        if isinstance(error, pytest.skip.Exception):
            yield Row(fault, left_out=str(error))
        elif error is not None:
            yield Row(fault, Outcome("–", problem=f"{type(error).__name__}: {error}"))
        else:
            yield Row(fault, outcomes[fault.name].result())


@click.command()
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Let all faults happen to prints that are watched, or those with one of NAMES in their name."""
    faults = [fault for fault in FAULTS if not names or any(name in fault.name for name in names)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Stage(Path(folder), interpreter(STABLE), interpreter(WITH_EDGE)) as stage,
        outcomes_of(faults, stage) as outcomes,
    ):
        found = list(rows(faults, outcomes))
    click.echo(as_markdown(found))
    seen = {row.fault.name: dataclasses.asdict(row.outcome) for row in found if row.outcome is not None}
    click.echo(json.dumps(seen))
    sys.exit(any(row.outcome is not None and row.outcome.problem for row in found))


if __name__ == "__main__":
    main()
