"""Whom a printer trusts, and how a certificate is renewed."""

from __future__ import annotations

import http.client
import os
import ssl
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from inference_server import certificate
from inference_server.nginx import GatewayServer
from inference_server.triton import TritonServer
from octoprint_spaghetti.adapters.triton import TritonDetector
from octoprint_spaghetti.core.errors import (
    ServerUnreachable,
)
from tests.e2e.conftest import eventually
from tests.e2e.gateway.calling import (
    ADDRESS,
    REREAD_S,
    SERVICE,
    a_token_not_tried,
    frame,
)
from tests.e2e.ports import free_port


@pytest.mark.parametrize(
    ("case", "said"), [("expired", "has expired"), ("of another name", "is for another name"), ("not trusted", "is not trusted")]
)
def test_a_certificate_that_does_not_hold_is_told(
    a_gateway: Callable[..., GatewayServer],
    gateway: GatewayServer,
    locked_triton: TritonServer,
    detector_for: Callable[..., TritonDetector],
    tmp_path: Path,
    case: str,
    said: str,
) -> None:
    """The plugin sends no token and no picture to a server it cannot verify, and says that it is the certificate."""
    file, key = tmp_path / "other.crt", tmp_path / "other.key"
    long_ago = datetime.now(timezone.utc) - timedelta(days=40)
    if case == "expired":
        certificate.make((ADDRESS,), file, key, days=30, now=long_ago)
    else:
        certificate.make(("192.0.2.7",) if case == "of another name" else (ADDRESS,), file, key)
    server = a_gateway(locked_triton.target, certificate=file, key=key)
    trusted = gateway.gateway.certificate_file if case == "not trusted" else file
    token = a_token_not_tried(server, "careful")
    with pytest.raises(ServerUnreachable, match=f"The certificate of .* {said}"):
        detector_for(server, token, certificate=str(trusted), transport="unary").look(frame())
    assert server.gateway.access_log.read_text() == ""


def test_a_renewed_certificate_is_served_without_a_restart(
    a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer
) -> None:
    """Replacing the file is enough, as every ACME client does it."""
    server = a_gateway(locked_triton.target)
    before = served_certificate(server)
    made = certificate.make((ADDRESS,), server.gateway.certificate_file, server.gateway.key_file)
    os.utime(server.gateway.certificate_file, (time.time() + 5, time.time() + 5))  # also where clocks are coarse
    assert made.names == (ADDRESS,)
    server.keep_house()
    eventually(lambda: served_certificate(server) != before, REREAD_S, "the new certificate is served")


def served_certificate(server: GatewayServer) -> str:
    return ssl.get_server_certificate((ADDRESS, server.gateway.port), timeout=10.0)


def test_certificate_challenges_are_answered_over_plain_http_and_nothing_else(
    a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer
) -> None:
    """An ACME client's file is found below .well-known; every other path is 404."""
    server = a_gateway(locked_triton.target, acme_port=free_port(ADDRESS))
    challenge = server.gateway.home / "acme" / ".well-known" / "acme-challenge" / "abc"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("proof")
    for folder in (server.gateway.home, *server.gateway.home.parents):  # pytest's folders are their owner's alone
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    answers = {}
    for path in ("/.well-known/acme-challenge/abc", "/.well-known/acme-challenge/../../tokens.map", "/", SERVICE + "ServerLive"):
        plain = http.client.HTTPConnection(ADDRESS, server.gateway.acme_port or 0, timeout=10.0)
        plain.request("GET", path)
        answer = plain.getresponse()
        answers[path] = (answer.status, answer.read() if answer.status == http.client.OK else b"")
        plain.close()
    assert answers.pop("/.well-known/acme-challenge/abc") == (200, b"proof")
    assert {status for status, _ in answers.values()} <= {400, 404}
