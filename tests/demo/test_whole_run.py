"""The demonstration as a process: what it leaves behind when it is stopped, and how it refuses what it cannot play."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start the demonstration in this environment."""
    command = [sys.executable, "-m", "demo", "--headless", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def processes_that_name(folder: Path) -> list[str]:
    """Return the command lines of all processes that have to do with a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if str(folder) in command and str(os.getpid()) != entry.parent.name:
            found.append(command)
    return found


def ports_named_in(text: str) -> list[int]:
    """Return the loopback ports that a text mentions."""
    return [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", text)]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """Return a folder for one run; everything that still runs in it afterwards fails the test."""
    if not (ROOT / ".venv" / "octoprint-1.11.8" / "bin" / "python").exists():
        pytest.skip("no OctoPrint 1.11.8 in .venv; run scripts/test")
    if sys.platform != "linux":
        pytest.skip("left-over processes are looked up in /proc")
    yield tmp_path / "work"
    assert processes_that_name(tmp_path / "work") == []


@pytest.mark.e2e
@pytest.mark.parametrize(
    "moment, number",
    [("starting OctoPrint", signal.SIGINT), ("printer Printing", signal.SIGINT), ("printer Printing", signal.SIGTERM)],
)
def test_whatever_ends_it_nothing_stays(work: Path, moment: str, number: signal.Signals):
    """Ctrl-C and SIGTERM, early or late, end every process, close every port and exit with 128 + signal."""
    process = start("--work", str(work))
    said = ""
    assert process.stderr is not None
    for line in process.stderr:
        said += line
        if moment in line:
            break
    assert moment in said
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said + rest
    for port in ports_named_in(said):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.e2e
def test_a_run_that_is_too_short_says_so_and_fails(work: Path):
    """A run that ends before the failure exits with 1, and its last line is the document that says what happened."""
    process = start("--work", str(work), "--seconds", "20")
    out, said = process.communicate(timeout=150)
    assert process.returncode == 1, said
    document = json.loads(out.splitlines()[-1])
    assert (document["paused"], document["ended_as_it_should"], document["problem"]) == (False, False, None)
    assert document["answers"] > 0
    assert document["octoprint_version"] == "1.11.8"


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--frames", "/nowhere"], "/nowhere is not a folder"),
        (["--interval", "0"], "is not in the range"),
        (["--octoprint", "0.0.1"], "scripts/demo --octoprint 0.0.1 installs it"),
    ],
)
def test_what_cannot_be_played_is_named(arguments: list[str], sentence: str):
    """Wrong options end with status 2 and a sentence that says what is wrong."""
    process = start(*arguments)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert sentence in re.sub(r"\s+", " ", said)
