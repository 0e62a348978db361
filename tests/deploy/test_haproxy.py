"""HAProxy's configuration: accepted by HAProxy, and asking Triton the question that the text says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import grpc
import pytest

from inference_server.certificate import make
from inference_server.triton import LOOPBACK, TritonServer, free_port
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from octoprint_spaghetti.adapters.triton import TritonDetector
from octoprint_spaghetti.core.errors import ServerUnreachable
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame
from tests.e2e.conftest import model_repository, start_triton, triton
from tests.e2e.outage import find_haproxy, haproxy
from tests.pictures import jpeg

__all__ = ["model_repository", "start_triton", "triton"]  # fixtures of the end-to-end tests, used here too

FOLDER = Path(__file__).parents[2] / "deploy" / "haproxy"
MAIN, TLS = FOLDER / "haproxy.cfg", FOLDER / "tls.cfg"


def check(*files: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    program = find_haproxy()
    if program is None:
        pytest.skip("haproxy is not installed; scripts/test installs it on Debian")
    arguments = [argument for file in files for argument in ("-f", str(file))]
    replicas = {"REPLICA_A": "192.0.2.11:8001", "REPLICA_B": "192.0.2.12:8001"}
    return subprocess.run(
        [program, "-c", *arguments], env={**os.environ, **replicas, **environment}, capture_output=True, text=True, check=False
    )


def test_haproxy_accepts_the_configuration() -> None:
    """As it is, with the addresses of two replicas."""
    done = check(MAIN)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_haproxy_accepts_tls_in_front(tmp_path: Path) -> None:
    """With a certificate, printers on the own network can be served encrypted."""
    done = check(MAIN, TLS, SITE_PEM=str(site(tmp_path)))
    assert done.returncode == 0, done.stderr


def site(folder: Path) -> Path:
    """Make a certificate for this machine and return the file that holds it with its key."""
    make((LOOPBACK,), folder / "site.crt", folder / "site.key")
    (folder / "site.pem").write_bytes((folder / "site.crt").read_bytes() + (folder / "site.key").read_bytes())
    return folder / "site.pem"


@pytest.mark.e2e
@pytest.mark.parametrize("transport", ("stream", "unary"))
def test_a_printer_is_served_encrypted(triton: TritonServer, transport: str, tmp_path: Path) -> None:  # noqa: F811
    """The plugin verifies the certificate and gets its answer; what no printer asks for is not let through, nor is plain text."""
    if find_haproxy() is None:
        pytest.skip("haproxy is not installed; scripts/test installs it on Debian")
    address = f"{LOOPBACK}:{free_port(LOOPBACK)}"
    variables = {"SITE_PEM": str(site(tmp_path)), "LISTEN_TLS": address}
    with haproxy((triton.target, triton.target), tmp_path, TLS, **variables):
        settings = Settings(
            servers=(address,), tls=True, certificate=str(tmp_path / "site.crt"), transport=transport, deadline=30.0
        )
        detector = TritonDetector(settings)
        try:
            assert detector.look(Frame(jpeg(1), 0.0, "test")).detector == f"triton {address}"
        finally:
            detector.close()
        credentials = grpc.ssl_channel_credentials((tmp_path / "site.crt").read_bytes())
        with grpc.secure_channel(address, credentials) as channel, pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")(b"", timeout=30.0)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        plain = TritonDetector(Settings(servers=(address,), deadline=30.0))
        try:
            with pytest.raises(ServerUnreachable):
                plain.look(Frame(jpeg(1), 0.0, "test"))
        finally:
            plain.close()


def test_a_misspelt_word_is_noticed(tmp_path: Path) -> None:
    """The checks above can fail."""
    broken = tmp_path / "haproxy.cfg"
    broken.write_text(MAIN.read_text().replace("redispatch", "redispath"))
    assert check(broken).returncode != 0


def test_without_tls_it_listens_on_this_machine_alone() -> None:
    """The plain port is for the gateway beside it; what printers reach is encrypted."""
    binds = re.findall(r"^ *bind (.*)$", MAIN.read_text(), re.MULTILINE)
    assert binds == ['"${LISTEN-127.0.0.1:8001}" proto h2']
    assert " ssl " in re.findall(r"^ *bind (.*)$", TLS.read_text(), re.MULTILINE)[0]


def test_the_check_is_the_question_whether_triton_is_ready() -> None:
    """The bytes are HTTP/2 of a gRPC call with an empty request; the expected ones are the message that says ready."""
    sent = [bytes.fromhex(text) for text in re.findall(r"tcp-check send-binary (\S+)", MAIN.read_text())]
    assert sent[0] == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
    path = b"/inference.GRPCInferenceService/ServerReady"
    headers = (b"\x83\x86" + text(b"\x04", path) + text(b"\x01", b"triton") + text(b"\x0f\x10", b"application/grpc")) + text(
        text(b"\x00", b"te"), b"trailers"
    )  # HPACK: indexed POST and http, then literals
    assert sent[1] == frame(1, 4, 1, headers)
    assert sent[2] == frame(0, 1, 1, message(pb.ServerReadyRequest().SerializeToString()))
    expected = re.findall(r"tcp-check expect min-recv 0 binary (\S+)", MAIN.read_text())
    ready = message(pb.ServerReadyResponse(ready=True).SerializeToString())
    assert [bytes.fromhex(found) for found in expected] == [ready]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return an HTTP/2 frame (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def text(before: bytes, value: bytes) -> bytes:
    """Return a literal of HPACK that is shorter than 127 bytes (RFC 7541, 5.2)."""
    return before + bytes((len(value),)) + value


def message(payload: bytes) -> bytes:
    """Return a gRPC message: not compressed, its length, its bytes."""
    return b"\0" + len(payload).to_bytes(4, "big") + payload
