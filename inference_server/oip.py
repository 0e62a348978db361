"""One frame's question and answer in the Open Inference Protocol, as bytes: what our own checks and benchmarks ask a server with.

Two messages with a handful of fields need no protobuf library, and the thousand questions of a benchmark none that
costs more than the network. The field numbers are those of ``protos/spaghetti_inference.proto``, which tells their meaning.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_server.contract import ENSEMBLE, JPEG

if TYPE_CHECKING:
    from numpy.typing import NDArray

SERVICE = "/inference.GRPCInferenceService/"
INFER = SERVICE + "ModelInfer"
STREAM_INFER = SERVICE + "ModelStreamInfer"

_TYPES: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "INT32": np.dtype("<i4"), "UINT8": np.dtype("u1")}
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


class AnswerMalformed(ValueError):
    """What came back is no answer of this protocol."""


def infer_request(jpeg: bytes, request_id: str = "", model: str = ENSEMBLE) -> bytes:
    """Return the ModelInferRequest that asks ``model`` about one JPEG file."""
    shape = _varint(1) + _varint(len(jpeg))
    tensor = _field(1, JPEG.encode()) + _field(2, b"UINT8") + _field(3, shape)
    return _field(1, model.encode()) + _field(3, request_id.encode()) + _field(5, tensor) + _field(7, jpeg)


def infer_response(message: bytes) -> dict[str, NDArray[Any]]:
    """Return the outputs of a ModelInferResponse by name; raises :class:`AnswerMalformed`."""
    try:
        fields = list(_fields(message))
        tensors = [_tensor(value) for number, value in fields if number == 5]
        contents = [value for number, value in fields if number == 6]
        return {
            name: np.frombuffer(raw, _TYPES[kind]).reshape(shape)
            for (name, kind, shape), raw in zip(tensors, contents, strict=True)
        }
    except (IndexError, KeyError, struct.error, ValueError) as error:
        raise AnswerMalformed(f"an answer of {len(message)} bytes that cannot be read ({error})") from error


def stream_response(message: bytes) -> tuple[str, bytes]:
    """Return (error, ModelInferResponse) of a ModelStreamInferResponse; the error is empty when all is well."""
    try:
        found = dict(_fields(message))
    except IndexError as error:
        raise AnswerMalformed(f"a message of {len(message)} bytes that was cut off") from error
    return found.get(1, b"").decode(errors="replace"), found.get(2, b"")


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at ``at``, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (field number, bytes) of each field that holds bytes; numbers are of no interest here."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == _BYTES:
            length, at = _read_varint(data, at)
            if at + length > len(data):
                raise AnswerMalformed(f"a field of {length} bytes in a message that ends after {len(data) - at}")
            yield key >> 3, data[at : at + length]
            at += length
        elif kind == _VARINT:
            _, at = _read_varint(data, at)
        elif kind in (_FIXED_64, _FIXED_32):
            at += 8 if kind == _FIXED_64 else 4
        else:
            raise AnswerMalformed(f"a field of the unknown kind {kind}")


def _tensor(data: bytes) -> tuple[str, str, tuple[int, ...]]:
    """Return name, type and shape of an InferOutputTensor."""
    found = dict(_fields(data))
    shape, at = [], 0
    while at < len(found.get(3, b"")):
        side, at = _read_varint(found[3], at)
        shape.append(side)
    return found[1].decode(), found[2].decode(), tuple(shape)
