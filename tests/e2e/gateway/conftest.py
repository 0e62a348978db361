"""A real Triton that only the gateway may ask, and gateways in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inference_server import certificate
from inference_server.gateway import Gateway
from inference_server.model_files import default_model
from inference_server.nginx import GatewayServer, NginxMissing, find_nginx
from inference_server.repository import assemble
from inference_server.triton import TritonServer
from inference_server.triton_binary import TritonMissing, find_triton
from octoprint_spaghetti.adapters.triton import TritonDetector
from tests.e2e.gateway.calling import (
    ADDRESS,
    KEY,
    settings_for,
)
from tests.e2e.ports import free_port


@pytest.fixture(scope="module")
def nginx() -> Path:
    """Return the nginx program, or skip."""
    try:
        return find_nginx()
    except NginxMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def locked_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """Return a Triton on loopback that answers to who knows the key."""
    try:
        binary = find_triton()
    except TritonMissing as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("locked")
    # Two instances: with one, Triton 2.51 lets each frame that has to wait wait for half a second.
    repository = assemble(folder / "repository", profile="cpu", model=default_model(size="nano"), cores=2)
    server = TritonServer(repository, log=folder / "triton.log", binary=binary, key=KEY, metrics_port=free_port(ADDRESS))
    with server:
        server.wait_ready(90.0)
        yield server


@pytest.fixture(scope="module")
def a_gateway(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., GatewayServer]]:
    """Return a function that starts a gateway with a certificate of its own; all are stopped at the end."""
    started: list[GatewayServer] = []

    def start(triton: str, **options: object) -> GatewayServer:
        home = tmp_path_factory.mktemp("gateway")
        given = Gateway(home, port=free_port(ADDRESS), triton=(triton,), triton_key=KEY)
        gateway = replace(given, **options)  # type: ignore[arg-type]
        if not gateway.certificate_file.exists():
            certificate.make((ADDRESS,), gateway.certificate_file, gateway.key_file)
        server = GatewayServer(gateway, binary=nginx, log=home / "error.log")
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def gateway(a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer) -> GatewayServer:
    """Return a gateway as it is set up by default, but generous, with streams."""
    return a_gateway(locked_triton.target, streams=True, calls_per_s=100, burst=200)


@pytest.fixture
def detector_for() -> Iterator[Callable[..., TritonDetector]]:
    """Return a function that makes the plugin's own client for a gateway; all hang up at the end."""
    opened: list[TritonDetector] = []

    def make(server: GatewayServer, token: str, **changes: object) -> TritonDetector:
        opened.append(TritonDetector(settings_for(server, token, **changes)))
        return opened[-1]

    yield make
    for detector in opened:
        detector.close()
