"""Call a gateway as a printer, as an attacker, and read its log."""

from __future__ import annotations

import time
from dataclasses import replace

import grpc

from inference_server.access_log import parsed
from inference_server.nginx import GatewayServer
from inference_server.tokens import TokenFile
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame
from tests.e2e.conftest import eventually
from tests.pictures import jpeg

SERVICE = "/inference.GRPCInferenceService/"
KEY = "a+key/that=only-the-gateway.knows"
ADDRESS = "127.0.0.1"
#: Seconds for what is no matter of time here: a busy machine holds answers, reloads and lines of a log back.
PATIENT_S, REREAD_S = 20.0, 30.0


def new_token(server: GatewayServer, printer: str) -> str:
    """Give a printer a token that counts at once."""
    token = TokenFile(server.gateway.home).add(printer, replace=True)
    server.reload()
    settled(server, token, known=True)
    return token


def settled(server: GatewayServer, token: str, *, known: bool) -> None:
    """Wait until all of nginx has read the tokens: for a moment after a reload its old workers still accept connections."""

    def all_agree() -> bool:
        return all((status_of(server, token) is not grpc.StatusCode.UNAUTHENTICATED) is known for _ in range(5))

    eventually(all_agree, REREAD_S, "the gateway has read its tokens")


def a_token_not_tried(server: GatewayServer, printer: str) -> str:
    """Give a printer a token and do not wait until it counts."""
    token = TokenFile(server.gateway.home).add(printer)
    server.reload()
    return token


def settings_for(server: GatewayServer, token: str, **changes: object) -> Settings:
    trusted = str(server.gateway.certificate_file)
    settings = Settings(servers=(server.target,), tls=True, certificate=trusted, token=token, deadline=PATIENT_S)
    return replace(settings, **changes)  # type: ignore[arg-type]


def frame(seed: int = 0) -> Frame:
    return Frame(jpeg(seed), time.monotonic(), "test")


def request(number: int = 0, size: int | None = None) -> pb.ModelInferRequest:
    picture = jpeg(number % 50) if size is None else bytes(size)
    asked = pb.ModelInferRequest(model_name="spaghetti", id=str(number), raw_input_contents=[picture])
    asked.inputs.add(name="JPEG", datatype="UINT8", shape=[1, len(picture)])
    return asked


def channel(server: GatewayServer) -> grpc.Channel:
    trusted = grpc.ssl_channel_credentials(server.gateway.certificate_file.read_bytes())
    return grpc.secure_channel(server.target, trusted, options=[("grpc.use_local_subchannel_pool", 1)])


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def status_of(server: GatewayServer, token: str, method: str = "ServerLive") -> grpc.StatusCode:
    """Call a method with an empty message and return the status."""
    with channel(server) as opened:
        try:
            opened.unary_unary(SERVICE + method)(b"", timeout=10.0, metadata=bearer(token))
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def calls_of(server: GatewayServer, printer: str) -> list:
    return [call for call in parsed(server.gateway.access_log.read_text().splitlines()) if call.printer == printer]
