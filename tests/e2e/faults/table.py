"""All faults, several at a time, and the table of what was seen of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.faults import camera_faults, computer_faults, gateway_faults, message_faults, octoprint_faults, server_faults
from tests.e2e.faults.fault import CALM, Fault, Outcome, withstand
from tests.e2e.faults.octoprint_bench import shared_octoprint
from tests.e2e.faults.server_faults import octoprint_at_a_victim
from tests.e2e.faults.stage import Stage

GROUPS: Mapping[str, tuple[Fault, ...]] = {
    "The server and the way to it": server_faults.FAULTS,
    "The gateway": gateway_faults.FAULTS,
    "The camera": camera_faults.FAULTS,
    "The printer's own computer": computer_faults.FAULTS,
    "OctoPrint": octoprint_faults.FAULTS,
    "Messages": message_faults.FAULTS,
}
FAULTS: tuple[Fault, ...] = tuple(fault for group in GROUPS.values() for fault in group)
#: Rows wait most of the time, for a print to be called blind after ten seconds.
AT_ONCE = 10
#: Those in the one OctoPrint follow each other beside the rest.
TAKE_TURNS = (shared_octoprint, octoprint_at_a_victim)
#: Whatever happens, a row has ended by then: its own bounds together.
ROW_S = 600.0
#: Addresses and folders are other ones each time.
_ADDRESS, _FOLDER = re.compile(r"127\.0\.0\.1:\d+"), re.compile(r"(?<=rights of )/\S+?(?=\.( |$))")
_THOUGHT = re.compile(r"^Spaghetti in .*?failing at 0\.\d\d\.")


@contextmanager
def outcomes_of(faults: Iterable[Fault], stage: Stage) -> Iterator[dict[str, Future[Outcome]]]:
    """Let the faults happen, several at a time; give their outcomes to come, by the fault's name."""
    chosen = sorted(faults, key=lambda fault: -fault.within_s - fault.again_s)  # so that the long ones do not end last
    with ThreadPoolExecutor(AT_ONCE) as pool, ThreadPoolExecutor(1) as turns:
        lanes = {fault.name: turns if fault.open in TAKE_TURNS else pool for fault in chosen}
        yield {fault.name: lanes[fault.name].submit(withstand, fault, stage) for fault in chosen}


@dataclass(frozen=True)
class Row:
    """A fault and what was seen of it; ``left_out`` says why nothing was."""

    fault: Fault
    outcome: Outcome | None = None
    left_out: str = ""


def as_markdown(rows: Iterable[Row]) -> str:
    """Return the table; figures are of this one run."""
    found = {row.fault.name: row for row in rows}
    lines = []
    for group, faults in GROUPS.items():
        lines += [f"### {group}", "", *_HEAD, *(_line(found[fault.name]) for fault in faults if fault.name in found), ""]
    return "\n".join(lines)


_HEAD = (
    "| fault | injected how | in | lamp | what a person reads | said after | frames lost | unseen for | green for | again after | print |",
    "| --- | --- | --- | --- | --- | --: | --: | --: | --: | --: | --- |",
)


def _line(row: Row) -> str:
    fault, seen = row.fault, row.outcome
    if seen is None:
        return f"| {fault.name} | {fault.injected} | – | – | left out: {row.left_out} | – | – | – | – | – | – |"
    again = "–" if seen.again_s is None else f"{seen.again_s:.1f} s"
    said = "–" if fault.says == CALM else f"{seen.said_s:.1f} s"
    cells = (fault.name, fault.injected, seen.where, seen.lamp, seen.problem or _readable(seen.sentence), said, str(seen.lost))
    return f"| {' | '.join(cells)} | {seen.unseen_s:.1f} s | {seen.green_s:.1f} s | {again} | {_print(seen)} |"


def _print(seen: Outcome) -> str:
    return {"": "untouched", "Operational": "ended"}.get(seen.touched, seen.touched.lower())


def _readable(sentence: str) -> str:
    """Return a sentence for a page of the documentation, without what is another one each time."""
    said = _THOUGHT.sub("", sentence).strip() or "(as ever)"
    return _FOLDER.sub("FOLDER", _ADDRESS.sub("HOST:PORT", said)).replace("|", "\\|")
