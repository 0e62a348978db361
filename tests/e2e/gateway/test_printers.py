"""The gateway seen by printers: served with a token, told what is wrong without one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from inference_server.access_log import by_printer
from inference_server.gateway import REVOKED_STREAMS_S, STREAM
from inference_server.nginx import GatewayServer
from inference_server.tokens import TokenFile
from inference_server.triton import TritonServer
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from octoprint_spaghetti.adapters.triton import TritonDetector
from octoprint_spaghetti.core.errors import (
    ServerRefused,
    ServerUnreachable,
)
from octoprint_spaghetti.core.settings import Settings
from tests.e2e.conftest import eventually
from tests.e2e.gateway.calling import (
    ADDRESS,
    KEY,
    PATIENT_S,
    REREAD_S,
    SERVICE,
    bearer,
    calls_of,
    channel,
    frame,
    new_token,
    request,
    settled,
    status_of,
)
from tests.e2e.ports import free_port

#: What a busy machine may add; a stream that is not cut lasts for twenty seconds.
BUSY_S = 8.0


@pytest.mark.parametrize("transport", ["stream", "unary"])
def test_a_printer_with_its_token_is_served(
    gateway: GatewayServer, detector_for: Callable[..., TritonDetector], transport: str
) -> None:
    """The plugin's client, with the gateway's certificate and a token, gets the same answers either way."""
    token = new_token(gateway, f"served-{transport}")
    detector = detector_for(gateway, token, transport=transport)
    detector.check()
    assert [detector.look(frame(seed)).score for seed in (1, 2, 1)] == [
        pytest.approx(detector.look(frame(seed)).score) for seed in (1, 2, 1)
    ]
    calls = lambda: [call.call for call in calls_of(gateway, f"served-{transport}")]  # noqa: E731
    if transport == "unary":
        eventually(lambda: calls().count("ModelInfer") == 6, REREAD_S, "a line for each call")
    else:
        assert "ModelInfer" not in calls()  # a stream has its line when it ends


def test_without_streams_each_picture_is_a_call_and_none_is_lost(
    a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer, detector_for: Callable[..., TritonDetector]
) -> None:
    """A printer that would like a stream is told once that there are none, and goes on with calls."""
    server = a_gateway(locked_triton.target)
    detector = detector_for(server, new_token(server, "wants-stream"), transport="stream")
    for seed in range(5):
        assert 0.0 <= detector.look(frame(seed)).score <= 1.0
    wanted = [(STREAM, "12"), *[("ModelInfer", "0")] * 5]
    made = lambda: [(call.call, call.grpc) for call in calls_of(server, "wants-stream") if call.call.startswith("Model")]  # noqa: E731
    eventually(lambda: made() == wanted, REREAD_S, f"the log tells of {wanted}")


@pytest.mark.parametrize("transport", ["stream", "unary"])
@pytest.mark.parametrize("case", ["none", "wrong", "another's secret", "upper case", "half", "revoked"])
def test_who_has_no_valid_token_is_refused_with_a_sentence(
    gateway: GatewayServer, detector_for: Callable[..., TritonDetector], case: str, transport: str
) -> None:
    """Each is told to check the token, and never that the server is down or the print safe."""
    token, other = new_token(gateway, "victim"), new_token(gateway, "other")
    if case == "revoked":
        TokenFile(gateway.gateway.home).revoke("victim")
        gateway.reload()
        settled(gateway, token, known=False)
    tokens = {
        "none": "",
        "wrong": "victim." + "A" * 43,
        "another's secret": "victim." + other.split(".")[1],
        "upper case": token.upper(),
        "half": token[:30],
        "revoked": token,
    }
    with pytest.raises(ServerRefused, match="the token is missing, wrong or revoked.*check the token in the settings"):
        detector_for(gateway, tokens[case], transport=transport).look(frame())


def test_an_open_stream_of_a_revoked_token_is_cut(gateway: GatewayServer, detector_for: Callable[..., TritonDetector]) -> None:
    """It ends long before its own twenty seconds, even while it is used.

    The stream of another printer is cut with it, and that one loses no frame.
    """
    revoked, kept = new_token(gateway, "sold"), new_token(gateway, "kept")
    neighbour = detector_for(gateway, kept, transport="stream")
    neighbour.look(frame())
    with channel(gateway) as opened:
        stream = an_open_stream(opened, revoked)
        TokenFile(gateway.gateway.home).revoke("sold")
        gateway.reload()
        at = time.monotonic()
        with pytest.raises(grpc.RpcError):
            for _ in stream:
                assert 0.0 <= neighbour.look(frame()).score <= 1.0
        assert time.monotonic() - at <= REVOKED_STREAMS_S + BUSY_S
    for seed in range(3):
        neighbour.look(frame(seed))


def an_open_stream(opened: grpc.Channel, token: str) -> Iterator[pb.ModelStreamInferResponse]:
    """Open a stream that sends a frame every 0.2 s for 20 s, and return its answers after the first."""

    def frames() -> Iterator[pb.ModelInferRequest]:
        for number in range(100):
            yield request(number)
            time.sleep(0.2)

    call = opened.stream_stream(
        SERVICE + STREAM,
        request_serializer=pb.ModelInferRequest.SerializeToString,
        response_deserializer=pb.ModelStreamInferResponse.FromString,
    )
    stream = call(frames(), metadata=bearer(token), timeout=60.0)
    assert not next(stream).error_message
    return stream


def test_tokens_that_another_computer_wrote_count_too(
    a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer
) -> None:
    """Where the file is a mounted secret nobody can signal nginx; looking at it now and then is enough."""
    server = a_gateway(locked_triton.target)
    token = TokenFile(server.gateway.home).add("elsewhere")
    os.utime(server.gateway.home / "tokens.map", (time.time() + 5, time.time() + 5))
    server.keep_house()
    settled(server, token, known=True)


def test_a_stream_has_its_volume_and_no_frame_is_lost_when_it_is_used_up(
    a_gateway: Callable[..., GatewayServer], locked_triton: TritonServer, detector_for: Callable[..., TritonDetector]
) -> None:
    """nginx counts a stream's bytes: the one that is used up is cut, and the frame in it is asked for again at once."""
    server = a_gateway(locked_triton.target, streams=True, stream_volume="200k", calls_per_s=50)
    detector = detector_for(server, new_token(server, "long"), transport="stream")
    for seed in range(40):  # 29 kB each
        assert 0.0 <= detector.look(frame(seed)).score <= 1.0
    streams = lambda: [call for call in calls_of(server, "long") if call.call == STREAM and call.grpc != "8"]  # noqa: E731
    eventually(streams, REREAD_S, "the log tells of a stream")
    assert max(call.size for call in streams()) < 300_000


def test_triton_down_is_told_and_found_again(
    a_gateway: Callable[..., GatewayServer],
    start_triton: Callable[..., TritonServer],
    detector_for: Callable[..., TritonDetector],
) -> None:
    """The gateway says that it is Triton that does not answer; when it is back, so are the answers."""
    triton = start_triton()
    server = a_gateway(triton.target, triton_key="")
    detector = detector_for(server, new_token(server, "patient"), transport="unary")
    detector.look(frame())
    os.kill(triton.pid, signal.SIGKILL)
    triton.stop()
    with pytest.raises(ServerUnreachable, match="the gateway runs and Triton behind it does not answer"):
        detector.look(frame())
    again = start_triton(triton.addresses.grpc_port)
    assert 0.0 <= detector.look(frame()).score <= 1.0
    again.stop()


def test_the_log_names_the_printer_and_how_each_call_ended(gateway: GatewayServer) -> None:
    """One line a call, which spaghetti-server status reads; the outside sees no version of nginx."""
    token = new_token(gateway, "logged")
    assert status_of(gateway, token) is grpc.StatusCode.OK
    eventually(lambda: len(calls_of(gateway, "logged")) >= 2, REREAD_S, "both calls are in the log")
    use = by_printer(calls_of(gateway, "logged"))[0]
    assert (use.printer, use.limited, use.failed) == ("logged", 0, 0)
    assert abs(time.time() - use.last_at) < 60.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_the_program_runs_until_it_is_told_to_stop(
    nginx: Path, locked_triton: TritonServer, tmp_path: Path, hang_up_is_heard: None, number: signal.Signals
) -> None:
    """certificate, token, run: a printer is served by what the verbs set up; SIGTERM and a closed terminal leave no nginx behind."""
    home, port = tmp_path / "gateway", free_port(ADDRESS)
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text(KEY)
    verb = [sys.executable, "-m", "inference_server"]
    in_home = ["--home", str(home)]
    subprocess.run([*verb, "gateway", "certificate", "--name", ADDRESS, *in_home], check=True, capture_output=True)
    token = subprocess.run([*verb, "token", "add", "mk4", *in_home], check=True, capture_output=True, text=True).stdout.strip()
    serving = ["--port", str(port), "--triton", locked_triton.target, "--triton-key-file", str(tmp_path / "key"), "--json"]
    with subprocess.Popen([*verb, "gateway", "run", *serving, *in_home], stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert f'"target": "{ADDRESS}:{port}"' in program.stdout.readline()
            trusted = str(home / "tls" / "server.crt")
            detector = TritonDetector(
                Settings(servers=(f"{ADDRESS}:{port}",), tls=True, certificate=trusted, token=token, deadline=PATIENT_S)
            )
            assert 0.0 <= detector.look(frame()).score <= 1.0
            detector.close()
            revoked = subprocess.run([*verb, "token", "revoke", "mk4", *in_home], capture_output=True, text=True, check=True)
            assert revoked.stdout == "mk4 has no token any more.\n"  # and nothing of a gateway that does not run
        finally:
            program.send_signal(number)
        assert program.wait(60.0) == 0
    with socket.socket() as probe:
        assert probe.connect_ex((ADDRESS, port)) != 0
