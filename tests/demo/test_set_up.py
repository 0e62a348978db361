"""scripts/demo before the demonstration: what it says without setting anything up, and what a signal leaves behind."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.__main__ import main
from tests.demo.test_whole_run import processes_that_name

ROOT = Path(__file__).parents[2]
#: Making a virtual environment takes seconds, on a busy machine many.
PIP_S, END_S = 90.0, 20.0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout in which nothing was set up yet."""
    for name in ("scripts", "octoprint_spaghetti", "inference_server"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, tmp_path)
    return tmp_path


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script to its end."""
    return subprocess.run([checkout / "scripts/demo", *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--headless", "--help"]])
def test_help_comes_at_once(checkout: Path, arguments: list[str]) -> None:
    """It names every option of the demonstration, and sets nothing up."""
    done = run(checkout, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    options = {name for parameter in main.params for name in parameter.opts if name.startswith("--")}
    assert options <= set(re.findall(r"--[a-z-]+", done.stdout))
    assert not (checkout / ".venv").exists()


def test_a_version_that_is_none_is_refused_at_once(checkout: Path) -> None:
    """A path or an option in its place is named, and nothing is set up."""
    done = run(checkout, "--octoprint", "../elsewhere")
    assert done.returncode == 2
    assert "not '../elsewhere'" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform != "linux", reason="left-over processes are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_set_up_ends_pip_too(checkout: Path, number: signal.Signals) -> None:
    """A signal to the script alone ends all that it started, within seconds, and the status says which it was."""
    process = subprocess.Popen(
        [checkout / "scripts/demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        end = time.monotonic() + PIP_S
        while not any("pip" in command for command in processes_that_name(checkout)):
            assert process.poll() is None, "the set-up ended before pip began"
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(END_S) == 128 + number
        end = time.monotonic() + END_S
        while (left := processes_that_name(checkout)) and time.monotonic() < end:
            time.sleep(0.05)
        assert left == []
    finally:
        process.kill()
        process.communicate()
