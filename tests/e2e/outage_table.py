"""Print what each kind of outage costs, as a table and one JSON line: ``python -m tests.e2e.outage_table``, a minute and a half."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inference_server.model_files import default_model
from inference_server.repository import assemble
from inference_server.triton import TritonServer
from tests.e2e.outage import DEADLINE_S, FAULTS, INTERVAL_S, READY_S, find_haproxy, run


def main() -> None:
    """Let one of two replicas fail in each way in turn, under the load of a few printers."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        repository = assemble(place / "repository", profile="cpu", model=default_model(), cores=1)

        def start(port: int) -> TritonServer:
            server = TritonServer(repository, log=place / "triton.log", grpc_port=port)
            server.start()
            server.wait_ready(READY_S)
            return server

        for fault in FAULTS:
            outage = run(fault, start, place / fault, with_haproxy=find_haproxy() is not None)
            for way, printers in outage.printers.items():
                frames = sum(len(printer.looks) for printer in printers)
                lost = len(outage.problems(way))
                found.append({"fault": fault, "way": way, "frames": frames, "lost": lost, "gap_s": round(outage.gap(way), 1)})
    table = Table("fault", "way", "frames", "lost", "longest gap, s")
    for row in found:
        table.add_row(*(str(value) for value in row.values()))
    console = Console()
    console.print(table)
    console.print(f"One frame every {INTERVAL_S:.0f} s and printer, deadline {DEADLINE_S:.0f} s.")
    click.echo(json.dumps(found))


if __name__ == "__main__":
    main()
