"""Three minutes of prints, failures and outages on real parts: nothing is left behind by any of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inference_server.triton import TritonMissing, find_triton

ROOT = Path(__file__).parents[2]
MINUTES = 3.0
#: In minutes OctoPrint is still warming up, by a megabyte or two, which is a slope of tens of MB an hour; a frame kept with each
#: look would be one of hundreds. ``scripts/soak`` runs for as long as it takes to say more.
BOUND_MB_PER_HOUR = 150.0
#: A busy machine takes longer for the eleven prints that are the least.
PATIENCE_S = 1200.0
#: OctoPrint, Triton and the camera are ended in order.
END_S = 60.0


@pytest.mark.timeout(PATIENCE_S + END_S + 30.0)
def test_nothing_grows_from_print_to_print() -> None:
    """After good, failing, blind and cut-off prints there are as many threads, descriptors and processes as before them.

    Memory grows by no more than a process that warms up does.
    """
    pytest.importorskip("scipy", reason="scipy is not installed; run scripts/test")
    from tests.soak.stage import find_octoprint

    try:
        find_triton()
    except TritonMissing as missing:
        pytest.skip(str(missing))
    if find_octoprint(ROOT) is None:
        pytest.skip("no OctoPrint with the extra [edge] in .venv; run scripts/test")
    command = [sys.executable, "-m", "tests.soak", "--minutes", str(MINUTES), "--bound", str(BOUND_MB_PER_HOUR)]
    status, said, told = run_in_order(command)
    assert status == 0, said[-6000:] + told[-2000:]
    report = json.loads(said.splitlines()[-1])
    assert report["passed"]
    assert sum(report["prints"].values()) >= 11
    assert report["answers"] > 100
    judged = {(one["process"], one["what"]) for one in report["judgements"]}
    assert judged >= {
        (process, what) for process in ("octoprint", "triton") for what in ("memory", "threads", "descriptors", "children")
    }


def run_in_order(command: list[str]) -> tuple[int, str, str]:
    """Run a command and return its status and output. One that takes too long, or that nobody waits for any more, ends its own parts.

    ``subprocess.run`` would kill it, and what it started would go on.
    """
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said, told = process.communicate(timeout=PATIENCE_S)
        except BaseException:
            process.terminate()
            process.communicate(timeout=END_S)
            raise
        return process.returncode, said, told
