"""The gateway that may face the internet, seen by those who should get nothing from it."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from inference_server.nginx import GatewayServer
from inference_server.tokens import TokenFile
from inference_server.triton import TritonServer
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from octoprint_spaghetti.adapters.triton import TritonDetector
from octoprint_spaghetti.core.errors import (
    PictureRefused,
    ServerOverloaded,
    ServerRefused,
    ServerUnreachable,
)
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame
from octoprint_spaghetti.unhurried import Unhurried
from tests.e2e.conftest import eventually
from tests.e2e.gateway.calling import (
    ADDRESS,
    KEY,
    REREAD_S,
    SERVICE,
    bearer,
    calls_of,
    channel,
    frame,
    new_token,
    request,
    status_of,
)

#: What an attacker would like to call; none of it is a printer's business.
FORBIDDEN = (
    "RepositoryIndex",
    "RepositoryModelLoad",
    "RepositoryModelUnload",
    "SystemSharedMemoryRegister",
    "SystemSharedMemoryStatus",
    "CudaSharedMemoryRegister",
    "LogSettings",
    "TraceSetting",
    "ModelConfig",
    "ModelStatistics",
    "ServerMetadata",
    "ModelInfer/",
)


@pytest.mark.parametrize("method", FORBIDDEN)
def test_a_method_that_printers_do_not_need_is_not_let_through(gateway: GatewayServer, method: str) -> None:
    """With a token it is PERMISSION_DENIED, without one UNAUTHENTICATED; Triton hears of neither."""
    token = new_token(gateway, "curious")
    assert status_of(gateway, token, method) is grpc.StatusCode.PERMISSION_DENIED
    assert status_of(gateway, "", method) is grpc.StatusCode.UNAUTHENTICATED


def test_no_other_door_of_triton_opens_at_the_gateway(gateway: GatewayServer) -> None:
    """Neither HTTP's paths nor metrics nor another gRPC service are passed on, also not to a printer with a token."""
    token = new_token(gateway, "curious")
    trusting = ssl.create_default_context(cafile=str(gateway.gateway.certificate_file))
    for path in ("/v2/health/ready", "/v2/repository/index", "/metrics", "/", "/grpc.health.v1.Health/Check"):
        https = http.client.HTTPSConnection(ADDRESS, gateway.gateway.port, context=trusting, timeout=10.0)
        https.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = https.getresponse()
        assert (answer.status, answer.getheader("grpc-status"), answer.read()) == (204, "7", b"")
        https.close()


def test_a_picture_of_40_mb_is_refused_and_told(
    gateway: GatewayServer, locked_triton: TritonServer, detector_for: Callable[..., TritonDetector]
) -> None:
    """It is refused once, by the gateway and with a sentence that says why, and the next picture is answered."""
    detector = detector_for(gateway, new_token(gateway, "big"), transport="unary")
    with pytest.raises(PictureRefused, match="larger than the gateway takes"):
        detector.look(Frame(bytes(40 << 20), time.monotonic(), "test"))
    assert 0.0 <= detector.look(frame()).score <= 1.0
    refused = lambda: [call for call in calls_of(gateway, "big") if call.grpc == "3"]  # noqa: E731
    eventually(refused, REREAD_S, "the log tells of the refusal")
    assert len(refused()) == 1  # how much of it was on its way by then is for the speed of both to say


def test_a_stream_that_sends_40_mb_is_cut(
    a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer, detector_for: Callable[..., TritonDetector]
) -> None:
    """One message of that size ends the stream, and the picture's second way, a single call, is refused with the reason."""
    server = a_gateway(locked_triton.target, streams=True)
    detector = detector_for(server, new_token(server, "big"), transport="stream")
    with pytest.raises(PictureRefused, match="larger than the gateway takes"):
        detector.look(Frame(bytes(40 << 20), time.monotonic(), "test"))
    assert 0.0 <= detector.look(frame()).score <= 1.0


def test_a_flood_from_one_printer_is_limited_while_another_is_served(
    a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer, detector_for: Callable[..., TritonDetector]
) -> None:
    """With default limits the flooding printer gets its share and RESOURCE_EXHAUSTED; the calm one loses no frame meanwhile."""
    server = a_gateway(locked_triton.target)
    flooding, calm = new_token(server, "flooding"), new_token(server, "calm")
    codes: list[grpc.StatusCode] = []
    stop = threading.Event()

    def flood() -> None:
        with channel(server) as opened:
            call = opened.unary_unary(SERVICE + "ModelInfer", request_serializer=pb.ModelInferRequest.SerializeToString)
            while not stop.is_set():
                futures = [call.future(request(number), timeout=10.0, metadata=bearer(flooding)) for number in range(40)]
                codes.extend(future.code() for future in futures)
                stop.wait(0.2)  # 200 a second: more of this client would take the processor and not the server

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        detector = detector_for(server, calm, transport="unary")
        for seed in range(10):
            assert 0.0 <= detector.look(frame(seed)).score <= 1.0
            time.sleep(0.2)
    finally:
        stop.set()
        thread.join(30.0)
    assert 0 < codes.count(grpc.StatusCode.OK) < codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED)
    told = detector_for(server, flooding, transport="unary")
    with pytest.raises(ServerOverloaded, match="rate limited by the gateway.*lengthen the interval"):
        for _ in range(200):
            told.check()


def test_a_shell_looks_at_a_whole_folder_at_the_rate_that_a_gateway_has(
    a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer, detector_for: Callable[..., TritonDetector]
) -> None:
    """Forty pictures at 5 a second and 20 at once: the plugin's client is refused, the shell's waits and is not."""
    server = a_gateway(locked_triton.target)
    hasty = detector_for(server, new_token(server, "hasty"), transport="unary")
    with pytest.raises(ServerOverloaded):
        for _ in range(200):
            hasty.check()
    shell = Unhurried(detector_for(server, new_token(server, "shell"), transport="unary"))
    assert all(0.0 <= shell.look(frame(seed)).score <= 1.0 for seed in range(40))


def test_a_new_token_is_no_new_allowance(a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer) -> None:
    """Limits belong to the printer: replacing its token does not reset them."""
    server = a_gateway(locked_triton.target, calls_per_s=1, burst=3)
    TokenFile(server.gateway.home).add("greedy")
    first = new_token(server, "greedy")
    used_up_at = time.monotonic()

    def used_up() -> bool:
        nonlocal used_up_at
        used_up_at = time.monotonic()
        return status_of(server, first) is grpc.StatusCode.RESOURCE_EXHAUSTED

    eventually(used_up, REREAD_S, "the limit")
    second = TokenFile(server.gateway.home).add("greedy", replace=True)
    server.reload()
    codes: list[grpc.StatusCode] = []

    def known() -> bool:
        codes.append(status_of(server, second))
        return len(codes) >= 8 and grpc.StatusCode.UNAUTHENTICATED not in codes[-5:]

    eventually(known, REREAD_S, "the gateway has read its tokens")
    assert codes.count(grpc.StatusCode.OK) <= 1 + (time.monotonic() - used_up_at)  # one call a second


def test_plain_text_on_the_tls_port_gets_nothing(gateway: GatewayServer, detector_for: Callable[..., TritonDetector]) -> None:
    """A printer without TLS is told to check the address, HTTP gets 400, and neither reaches Triton."""
    token = new_token(gateway, "plain")
    with pytest.raises(ServerUnreachable, match="check"):
        detector_for(gateway, token, tls=False, transport="unary").look(frame())
    plain = http.client.HTTPConnection(ADDRESS, gateway.gateway.port, timeout=10.0)
    plain.request("POST", SERVICE + "ServerLive", headers={"Authorization": f"Bearer {token}"})
    assert plain.getresponse().status == http.client.BAD_REQUEST
    plain.close()
    assert [call.grpc for call in calls_of(gateway, "plain") if call.call == "ModelInfer"] == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")  # asking for it is the point
def test_old_tls_is_refused(gateway: GatewayServer) -> None:
    """TLS 1.1 and older end in the handshake."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection((ADDRESS, gateway.gateway.port), timeout=10.0) as raw, pytest.raises((ssl.SSLError, OSError)):
        old.wrap_socket(raw)


def test_triton_is_reachable_through_the_gateway_alone(locked_triton: TritonServer) -> None:
    """All its ports are on loopback, and who reaches that one too is refused without the gateway's key."""
    assert listening_addresses(locked_triton.pid) == {ADDRESS}
    detector = TritonDetector(Settings(servers=(locked_triton.target,), transport="unary"))
    try:
        with pytest.raises(ServerRefused, match="This protocol is restricted"):
            detector.look(frame())
    finally:
        detector.close()


def listening_addresses(pid: int) -> set[str]:
    """Return where a process listens for TCP, from Linux's own tables."""
    opened = [entry.readlink().name for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()]
    sockets = {name[8:-1] for name in opened if name.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                found.add(kernel_address(fields[1].split(":")[0]))
    return found


def kernel_address(words: str) -> str:
    """Return an address of /proc/net as people write it: there it stands in 32-bit words, each the wrong way round."""
    packed = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    address = ipaddress.ip_address(packed)
    return str(getattr(address, "ipv4_mapped", None) or address)


def test_no_token_and_no_key_is_in_a_log_or_a_process_list(
    gateway: GatewayServer, detector_for: Callable[..., TritonDetector]
) -> None:
    """Not of calls that were answered, and not of those that were refused."""
    token = new_token(gateway, "secretive")
    detector_for(gateway, token, transport="unary").look(frame())
    wrong = token[:-2] + "zz"
    with pytest.raises(ServerRefused):
        detector_for(gateway, wrong, transport="unary").look(frame())
    eventually(
        lambda: [call for call in calls_of(gateway, "secretive") if call.call == "ModelInfer"], REREAD_S, "the call's line"
    )
    said = gateway.gateway.access_log.read_text() + (gateway.gateway.home / "error.log").read_text()
    assert "printer=secretive" in said
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    stored = (gateway.gateway.home / "tokens.map").read_text()
    for secret in (token.split(".")[1], wrong.split(".")[1]):
        assert secret not in said + processes + stored
    nginx_lines = [line for line in processes.splitlines() if "nginx" in line]
    assert nginx_lines
    assert not [line for line in nginx_lines if KEY in line]
