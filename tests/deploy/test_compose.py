"""deploy/compose: one public port, nothing unpinned, nothing secret in the file, and commands that the programs know."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from inference_server.cli import VERBS

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
FILES = (COMPOSE / "compose.yaml", COMPOSE / "compose.gpu.yaml")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILES[0].read_text(encoding="utf-8"))["services"]
ALL = [service for file in FILES for service in yaml.safe_load(file.read_text(encoding="utf-8"))["services"].items()]
OURS = [service["command"] for _, service in ALL if service.get("command", [""])[0] == "spaghetti-server"]
NETWORKS: dict[str, dict[str, Any]] = yaml.safe_load(FILES[0].read_text(encoding="utf-8"))["networks"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_is_what_the_compose_specification_allows(file: Path) -> None:
    """A misspelt key is found by the specification's own schema."""
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_only_the_gateway_can_be_reached_from_the_network() -> None:
    """Every other published port is on this computer's own address."""
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    public = {name: port for name, ports in published.items() for port in ports if not port.startswith("127.0.0.1:")}
    assert public == {"gateway": "8443:8443"}


def test_triton_is_on_an_internal_network_alone() -> None:
    """It has no way out and no published port; on its network are the gateway and who reads its figures, and nobody else."""
    assert list(SERVICES["triton"]["networks"]) == ["model"]
    assert NETWORKS["model"]["internal"] is True
    assert {name for name, service in SERVICES.items() if "model" in service.get("networks", [])} == {
        "triton",
        "gateway",
        "prometheus",
    }


def test_the_gateway_calls_the_address_that_triton_has() -> None:
    """Fixed in one place and used in two others."""
    address = SERVICES["triton"]["networks"]["model"]["ipv4_address"]
    assert f"{address}:8001" in SERVICES["gateway"]["command"]
    assert f"{address}:8002" in (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")


def test_the_same_key_file_is_made_shown_and_asked_for() -> None:
    """Triton refuses who does not show it, so only the gateway can ask; it is no text of this file."""
    triton, gateway = SERVICES["triton"]["command"], SERVICES["gateway"]["command"]
    assert triton[triton.index("--key-file") + 1] == gateway[gateway.index("--triton-key-file") + 1] == "/key/triton"
    readers = {name for name, service in SERVICES.items() if any(v.startswith("key:") for v in service.get("volumes", []))}
    assert readers == {"key", "triton", "gateway"}


@pytest.mark.parametrize(("name", "service"), ALL, ids=[name for name, _ in ALL])
def test_no_image_changes_by_itself(name: str, service: dict[str, Any]) -> None:
    """Every image has the number of a version."""
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+(-[a-z]+)?", service["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_may_more_than_it_needs(name: str) -> None:
    """No capabilities, no new privileges, no host's network, no socket of the engine."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("security_opt") == ["no-new-privileges:true"] or name == "key"
    assert not service.get("privileged")
    assert service.get("network_mode") in (None, "none")
    assert not [volume for volume in service.get("volumes", []) if "docker.sock" in volume]


@pytest.mark.parametrize("dockerfile", ["Dockerfile.gateway", "Dockerfile.cpu"])
def test_what_is_built_runs_as_nobody_special_from_a_pinned_base(dockerfile: str) -> None:
    """The last user is not root, and the base image has a full version."""
    lines = (COMPOSE / dockerfile).read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert users[-1] == "1000:1000"
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in bases)
    ignored = (COMPOSE / f"{dockerfile}.dockerignore").read_text(encoding="utf-8").split()
    copied = {part for line in lines if line.startswith("COPY ") for part in line.split()[1:-1]}
    assert ignored[-1] != "*"
    assert copied <= {line[1:] for line in ignored if line.startswith("!")}


def test_the_dashboard_has_no_password_of_ours() -> None:
    """Compose stops with a sentence when nobody has chosen one."""
    assert SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_PASSWORD:?")


@pytest.mark.parametrize("words", OURS, ids=lambda words: " ".join(words[1:3]))
def test_our_programs_know_the_options_they_are_started_with(words: list[str]) -> None:
    """Each option of a spaghetti-server command is one of that verb's."""
    command: click.Command = importlib.import_module(VERBS[words[1]][0]).command
    if isinstance(command, click.Group):
        command = command.commands[words[2]]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known
