"""From a gRPC status to one of our errors, with a sentence that blames the right thing: name, address, certificate, token, model.

gRPC knows most of it and says it in the middle of a long line. The words are those that grpcio, Triton, nginx and HAProxy were
seen to send.
"""

from __future__ import annotations

import re

import grpc

from octoprint_spaghetti.core.errors import (
    AnswerInvalid,
    DetectorError,
    ModelMissing,
    PictureRefused,
    ServerOverloaded,
    ServerRefused,
    ServerTooSlow,
    ServerUnreachable,
)
from octoprint_spaghetti.core.sentence import Sentence, say

#: A person reads a line; what a broken server says may be a page.
_LONGEST = 200
_OVERLOAD = ("exceeds maximum queue size", "request timeout expired", "rate limited")
_UNLOCKED_ONLY = "this protocol is restricted"
#: What grpcio itself says of bytes that are no message of the protocol.
_NO_MESSAGE = "exception deserializing response"
#: What grpcio puts before the cause: that all addresses failed, the last status, the address that is named anyway.
_PREAMBLE = re.compile(r"^connections to all backends failing; last error: [A-Z_]+: (?:ipv[46]:\S+: )?")


def translated(error: grpc.RpcError, address: str) -> DetectorError:
    """Return our error for what went wrong with a call to the server at ``address``."""
    code, whole = error.code(), " ".join((error.details() or "").split())
    details = shortened(_PREAMBLE.sub("", whole))
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED) or _UNLOCKED_ONLY in whole.lower():
        return ServerRefused(
            say("%(address)s refuses us (%(details)s); check the token in the settings.", address=address, details=details)
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ServerTooSlow(too_slow(address))
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED or says_overload(whole):
        return ServerOverloaded(too_much(address, details))
    if code is grpc.StatusCode.NOT_FOUND:
        return ModelMissing(
            say(
                "%(address)s does not have the model (%(details)s); check the model's name in the settings.",
                address=address,
                details=details,
            )
        )
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return PictureRefused(
            say(
                "%(address)s could not read the picture (%(details)s); look at the camera's picture, or lower its resolution.",
                address=address,
                details=details,
            )
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return AnswerInvalid(
            say("%(address)s is not an inference server (it does not know the Open Inference Protocol).", address=address)
        )
    if _NO_MESSAGE in whole.lower():
        return AnswerInvalid(
            say(
                "%(address)s answered something that is not of the Open Inference Protocol; check what runs there.",
                address=address,
            )
        )
    return ServerUnreachable(_connection(whole.lower(), details, address))


def _connection(whole: str, details: str, address: str) -> Sentence:
    """Return the sentence for a connection that did not come about; the first words that are found in ``whole`` say why."""
    if "certificate has expired" in whole:
        return say("The certificate of %(address)s has expired; renew it on the server.", address=address)
    if "certificate is not yet valid" in whole:
        return say("The certificate of %(address)s is not valid yet; check the clock of this computer.", address=address)
    if "hostname verification check" in whole:
        return say(
            "The certificate of %(address)s is for another name; enter the address that it names, or make one for this address.",
            address=address,
        )
    if "certificate_verify_failed" in whole:
        return say(
            "The certificate of %(address)s is not trusted; enter the file of the one that signed it in the settings.",
            address=address,
        )
    if "wrong_version_number" in whole:
        return say("%(address)s does not encrypt; check its port, or switch TLS off in the settings.", address=address)
    if "tls handshake" in whole or "ssl_" in whole or "handshake read failed" in whole:
        return say(
            "No encrypted connection to %(address)s (%(details)s); check TLS in the settings, and that the server runs.",
            address=address,
            details=details,
        )
    if "failed parsing http/2" in whole or "http1" in whole:
        return say(
            "%(address)s is not an inference server (it does not speak gRPC); check the port, and whether it wants TLS.",
            address=address,
        )
    if any(words in whole for words in ("errors resolving", "dns resolution failed", "lookup failed")):
        return say(
            "The name in %(address)s cannot be found; check the address, and the network of this computer.", address=address
        )
    return say(
        "No inference server answers at %(address)s (%(details)s); check the address, and that the server runs.",
        address=address,
        details=details,
    )


def says_overload(text: str) -> bool:
    """Return whether a server's words mean that it has too much to do."""
    return any(known in text.lower() for known in _OVERLOAD)


def too_much(address: str, details: str) -> Sentence:
    """Return the sentence for a server that has too much to do, and says so as ``details``."""
    return say(
        "%(address)s has too much to do (%(details)s); lengthen the interval or give it more power.",
        address=address,
        details=details,
    )


def too_slow(address: str) -> Sentence:
    """Return the sentence for an answer that did not come in time."""
    return say(
        "%(address)s did not answer before the picture's deadline; check the network, or that the server is not stuck.",
        address=address,
    )


def shortened(text: str) -> str:
    """Return foreign words on one line, and not too many of them."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
