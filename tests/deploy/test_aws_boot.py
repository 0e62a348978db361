"""The boot script of an AWS instance, run here with stand-ins for every program that would change the machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "aws" / "boot"
#: Each writes down how it was called; pip fails when a file says so.
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >>"{place}/calls"
case "$(basename "$0") $*" in
  "curl "*instance-id) echo i-0123456789abcdef0 ;;
  "python3 -m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/pip" && cp "$0" "$3/bin/python" ;;
  "pip "*) [ ! -e "{place}/pip-fails" ] ;;
  "aws ecr "*) echo password ;;
esac
"""
PROGRAMS = ("apt-get", "aws", "chown", "curl", "docker", "python3", "systemctl", "useradd")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a folder that is the root of a machine: /opt, /etc and /var below it, and the stand-ins."""
    for folder in ("bin", "etc/systemd/system", "opt/spaghetti/source/deploy/aws", "var/lib/spaghetti"):
        (tmp_path / folder).mkdir(parents=True)
    for program in PROGRAMS:
        file = tmp_path / "bin" / program
        file.write_text(STAND_IN.format(place=tmp_path))
        file.chmod(0o755)
    here = tmp_path / "opt/spaghetti/source/deploy/aws"
    (here / "boot").write_text(
        SCRIPT.read_text()
        .replace("/opt/spaghetti", f"{tmp_path}/opt/spaghetti")
        .replace("/etc/", f"{tmp_path}/etc/")
        .replace("/var/lib/spaghetti", f"{tmp_path}/var/lib/spaghetti")
    )
    (here / "units").symlink_to(SCRIPT.parent / "units")
    return tmp_path


def boot(machine: Path, runtime: str, image: str = "", model: str = "") -> tuple[int, list[str]]:
    """Run the script and return its exit status and the programs that it called, in order."""
    (machine / "etc/spaghetti.env").write_text(
        f"AWS_DEFAULT_REGION=us-east-1\nSTACK=spaghetti\nRUNTIME={runtime}\nALLOCATION=eipalloc-1\n"
        f"BUCKET=my-bucket\nMODEL_KEY={model}\nIMAGE={image}\n"
    )
    environment = {"PATH": f"{machine / 'bin'}:{os.environ['PATH']}"}
    script = machine / "opt/spaghetti/source/deploy/aws/boot"
    done = subprocess.run(["sh", script], env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, (machine / "calls").read_text().replace(str(machine), "").splitlines()


def position(calls: list[str], words: str) -> int:
    """Return where the one call is that contains ``words``."""
    found = [number for number, call in enumerate(calls) if words in call]
    assert len(found) == 1, f"{words}: {len(found)} times in {calls}"
    return found[0]


def test_the_address_is_taken_once_the_detector_answers(machine: Path) -> None:
    """Installed, started, asked, and only then does the old address lead here and the deployment end well."""
    status, calls = boot(machine, "cpu")
    assert status == 0
    order = [
        position(calls, "pip install --quiet /opt/spaghetti/source[server,gateway]"),
        position(calls, "systemctl enable --now spaghetti-triton.service spaghetti-gateway.service spaghetti-sync.timer"),
        position(calls, "deploy/aws/ready 127.0.0.1:8001"),
        position(calls, "aws ec2 associate-address --allocation-id eipalloc-1 --instance-id i-0123456789abcdef0"),
        position(calls, "--status SUCCESS"),
    ]
    assert order == sorted(order)
    assert not [call for call in calls if call.startswith("docker")]
    unit = (machine / "etc/systemd/system/spaghetti-triton.service").read_text()
    assert "--profile cpu" in unit


def test_a_failure_ends_the_deployment_at_once(machine: Path) -> None:
    """Whoever deploys is told in a minute and not after the 45 that the template waits."""
    (machine / "pip-fails").touch()
    status, calls = boot(machine, "cpu")
    assert status != 0
    assert position(calls, "--status FAILURE") == len(calls) - 1
    assert not [call for call in calls if "associate-address" in call]


def test_a_gpus_image_is_built_from_the_archive(machine: Path) -> None:
    """Without an image in ECR the Dockerfile is built, and systemd runs the container."""
    status, calls = boot(machine, "gpu")
    assert status == 0
    position(calls, "docker build --quiet --file /opt/spaghetti/source/Dockerfile.triton --tag spaghetti-triton")
    assert "docker run" in (machine / "etc/systemd/system/spaghetti-triton.service").read_text()
    assert not [call for call in calls if "aws ecr" in call]


def test_a_gpus_image_is_pulled_from_ecr(machine: Path) -> None:
    """With one it is pulled, by a password that stands in no command line."""
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/spaghetti-triton:0.1.0-gpu"
    status, calls = boot(machine, "gpu", image=image)
    assert status == 0
    login = position(calls, "docker login --username AWS --password-stdin 123456789012.dkr.ecr.us-east-1.amazonaws.com")
    assert login < position(calls, f"docker pull --quiet {image}") < position(calls, f"docker tag {image} spaghetti-triton")
    assert not [call for call in calls if call.startswith("docker") and "password" in call.replace("--password-stdin", "")]


def test_a_model_of_ones_own_comes_with_its_checksum(machine: Path) -> None:
    """The server checks the file against the .sha256 beside it."""
    status, calls = boot(machine, "cpu", model="models/mine.onnx")
    assert status == 0
    position(calls, "aws s3 cp s3://my-bucket/models/mine.onnx /opt/spaghetti/model/mine.onnx")
    position(calls, "aws s3 cp s3://my-bucket/models/mine.onnx.sha256 /opt/spaghetti/model/mine.onnx.sha256")
    given = (machine / "opt/spaghetti/model.env").read_text().replace(str(machine), "")
    assert given == "MODEL=--model=/opt/spaghetti/model/mine.onnx\n"
