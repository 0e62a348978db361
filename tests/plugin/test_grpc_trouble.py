"""What gRPC says in the middle of a long line, told in a sentence that blames the right thing."""

from __future__ import annotations

import grpc
import pytest

from octoprint_spaghetti.adapters.grpc_trouble import translated
from octoprint_spaghetti.core.errors import AnswerInvalid, PictureRefused, ServerOverloaded, ServerRefused, ServerUnreachable

FAILING = "connections to all backends failing; last error: UNKNOWN: ipv4:192.0.2.7:8001: "
TLS = FAILING + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:"


class Trouble(grpc.RpcError):
    """An error as grpcio raises it."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__()
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


def said(details: str, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> str:
    return str(translated(Trouble(code, details), "192.0.2.7:8001"))


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        pytest.param(TLS + "CERTIFICATE_VERIFY_FAILED: certificate has expired: OK", "has expired; renew it", id="expired"),
        pytest.param(TLS + "CERTIFICATE_VERIFY_FAILED: certificate is not yet valid: OK", "check the clock", id="not yet valid"),
        pytest.param(
            TLS + "CERTIFICATE_VERIFY_FAILED: self signed certificate: OK", "is not trusted; enter the file", id="unknown"
        ),
        pytest.param(
            FAILING + "Custom verification check failed with error: UNAUTHENTICATED: Hostname Verification Check failed.",
            "is for another name",
            id="another name",
        ),
        pytest.param(TLS + "WRONG_VERSION_NUMBER: Invalid certificate verification context: OK", "does not encrypt", id="no TLS"),
        pytest.param(
            FAILING + "Handshake read failed (Socket closed)", "No encrypted connection .*server runs", id="hung up in TLS"
        ),
        pytest.param(
            FAILING + "Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame, got frame type 79)",
            "does not speak gRPC.*check the port",
            id="a web server",
        ),
        pytest.param(
            "errors resolving gpu.invalid:8001: [field:hostname lookup error:address lookup failed for gpu.invalid:8001: "
            "Domain name not found]",
            "The name in .* cannot be found",
            id="no such name",
        ),
        pytest.param(
            FAILING + "tcp handshaker shutdown", r"No inference server answers at \S+ \(tcp handshaker shutdown\)", id="dropped"
        ),
        pytest.param(
            FAILING + "Failed to connect to remote host: Connection refused",
            r"\(Failed to connect to remote host: Connection refused\); check the address",
            id="refused",
        ),
    ],
)
def test_a_connection_that_does_not_come_about_is_called_by_its_cause(details: str, sentence: str) -> None:
    """Certificate, encryption, port, name and address are told apart, and each sentence says what to do."""
    error = translated(Trouble(grpc.StatusCode.UNAVAILABLE, details), "192.0.2.7:8001")
    assert isinstance(error, ServerUnreachable)
    with pytest.raises(ServerUnreachable, match=sentence):
        raise error


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "the token is missing, wrong or revoked", ServerRefused),
        (grpc.StatusCode.UNAVAILABLE, "This protocol is restricted, expecting header 'triton-grpc-protocol-x'", ServerRefused),
        (grpc.StatusCode.UNAVAILABLE, "[request id: 1] Exceeds maximum queue size", ServerOverloaded),
        (grpc.StatusCode.INVALID_ARGUMENT, "unexpected shape", PictureRefused),
        (grpc.StatusCode.INTERNAL, "Exception deserializing response!", AnswerInvalid),
        (grpc.StatusCode.UNIMPLEMENTED, "", AnswerInvalid),
        (grpc.StatusCode.UNAVAILABLE, "", ServerUnreachable),
    ],
)
def test_each_status_is_the_kind_of_error_that_the_client_acts_on(
    code: grpc.StatusCode, details: str, kind: type[Exception]
) -> None:
    """Refusals and overload are not tried again, a refused picture is given up alone, the rest goes to the next server."""
    assert type(translated(Trouble(code, details), "192.0.2.7:8001")) is kind


def test_a_page_of_foreign_words_becomes_a_line() -> None:
    """What a broken server sends fits into a message; its cause is found in all of it."""
    sentence = said("x" * 5000 + " certificate has expired")
    assert sentence == "The certificate of 192.0.2.7:8001 has expired; renew it on the server."
    assert len(said("several\nlines " * 1000)) < 400
