"""What may become of the gateway before the server, of its certificate and of the printer's token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from inference_server import certificate
from inference_server.gateway import Gateway
from inference_server.nginx import GatewayServer, NginxMissing, find_nginx
from inference_server.tokens import TokenFile
from tests.e2e.faults.bench import Bench, watch_bench
from tests.e2e.faults.fault import Fault
from tests.e2e.faults.stage import Stage
from tests.e2e.faults.wire import LOOPBACK, Wire
from tests.e2e.ports import free_port

PRINTER = "left"
#: Certificates that the printer trusts, as one that was renewed, or put into the wrong place, would be.
TRUSTED = ("good", "expired", "elsewhere")


@dataclass
class Guarded:
    """A real nginx with a certificate and a token, before a real Triton that can be taken from it."""

    home: Path
    gateway: Gateway
    behind: Wire
    server: GatewayServer

    def start(self, named: str = "good") -> None:
        """Start nginx with one of the certificates."""
        file, key = self.certificate(named)
        gateway = replace(self.gateway, certificate=file, key=key)
        self.server = GatewayServer(gateway, binary=find_nginx(), log=self.home / "error.log")
        self.server.start()

    def certificate(self, named: str) -> tuple[Path, Path]:
        """Return the files of a certificate and its key, made when it is first asked for."""
        file, key = self.home / f"{named}.crt", self.home / f"{named}.key"
        if not file.exists():
            began = datetime.now(timezone.utc) - timedelta(days=40 if named == "expired" else 0)
            names = (f"{named}.invalid",) if named == "elsewhere" else (f"{named}.invalid", LOOPBACK)
            certificate.make(names, file, key, days=30, now=began)
        return file, key


@contextmanager
def guarded(stage: Stage) -> Iterator[Bench]:
    """Watch through a gateway."""
    try:
        nginx = find_nginx()
    except NginxMissing as missing:
        pytest.skip(str(missing))
    home = stage.folder("gateway")
    with Wire(stage.triton.target) as behind:
        gateway = Gateway(
            home, port=free_port(LOOPBACK), triton=(behind.address,), streams=True, calls_per_s=100, burst=200, triton_key=""
        )
        guard = Guarded(home, gateway, behind, GatewayServer(gateway, binary=nginx))
        token = TokenFile(home).add(PRINTER)
        trusted = home / "trusted.pem"
        trusted.write_text("".join(guard.certificate(name)[0].read_text() for name in TRUSTED))
        guard.start()
        settings: dict[str, Any] = {"servers": (guard.server.target,), "tls": True, "certificate": str(trusted), "token": token}
        try:
            with watch_bench(stage.folder("watch"), guard.server.target, **settings) as bench:
                bench.beside = guard
                yield bench
        finally:
            guard.server.stop()


@contextmanager
def _down(bench: Bench) -> Iterator[None]:
    bench.beside.server.stop()
    yield
    bench.beside.start()


@contextmanager
def _nothing_behind(bench: Bench) -> Iterator[None]:
    bench.beside.behind.refuse()
    yield
    bench.beside.behind.heal()


@contextmanager
def _revoked(bench: Bench) -> Iterator[None]:
    tokens = TokenFile(bench.beside.home)
    kept = tokens.path.read_bytes()
    tokens.revoke(PRINTER)
    bench.beside.server.reload()
    yield
    tokens.path.write_bytes(kept)
    bench.beside.server.reload()


def _with_certificate(named: str) -> Callable[[Bench], AbstractContextManager[float | None]]:
    """Return what restarts the gateway with a bad certificate, and then with the good one."""

    @contextmanager
    def injected(bench: Bench) -> Iterator[None]:
        bench.beside.server.stop()
        bench.beside.start(named)
        yield
        bench.beside.server.stop()
        bench.beside.start()

    return injected


FAULTS = (
    Fault("gateway down", "nginx stopped, started again", guarded, _down, "blind", "No inference server answers"),
    Fault(
        "gateway up, Triton behind it down",
        "nothing listens behind nginx",
        guarded,
        _nothing_behind,
        "blind",
        "the gateway runs and Triton behind it does not answer",
    ),
    Fault(
        "token revoked",
        "taken out of nginx's list; put back",
        guarded,
        _revoked,
        "blind",
        "refuses us .*check the token in the settings",
    ),
    Fault(
        "certificate expired",
        "nginx restarted with a certificate of last month",
        guarded,
        _with_certificate("expired"),
        "blind",
        "certificate .*expired",
    ),
    Fault(
        "certificate of another name",
        "nginx restarted with one for another address",
        guarded,
        _with_certificate("elsewhere"),
        "blind",
        "certificate .*another name",
    ),
    Fault(
        "certificate not trusted",
        "nginx restarted with one that nobody vouches for",
        guarded,
        _with_certificate("unknown"),
        "blind",
        "certificate .*not trusted",
    ),
)
