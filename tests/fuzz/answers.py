"""What servers, and the detector's process, answer: bytes on the wire, up to what the judge makes of them."""

from __future__ import annotations

import dataclasses
import math
import socket
import struct
from contextlib import suppress

from google.protobuf.message import DecodeError
from hypothesis import strategies as st

from inference_server.oip import AnswerMalformed, infer_response, stream_response
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from octoprint_spaghetti.adapters.messages import Messages, MessagesBroken
from octoprint_spaghetti.adapters.triton_answer import read_answer
from octoprint_spaghetti.core import second_look
from octoprint_spaghetti.core.errors import AnswerInvalid
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Answer, Frame
from octoprint_spaghetti.testing import FakeDetector
from tests.fuzz.campaign import Target
from tests.fuzz.inputs import damaged, pieces
from tests.plugin.test_watch import Bench

#: Below this score no frame is suspicious, whatever the sensitivity.
_CALM = 0.15
_TYPES = {"FP32": "f", "INT32": "i", "UINT8": "B"}


def wire(**changed: tuple[str, list[int], bytes]) -> bytes:
    """Return a calm answer as bytes; ``changed`` outputs are given as type, shape and content."""
    outputs = {
        "boxes": ("FP32", [1, 2, 4], struct.pack("<8f", 0.1, 0.2, 0.3, 0.4, *[0.0] * 4)),
        "confidences": ("FP32", [1, 2], struct.pack("<2f", 0.05, 0.0)),
        "classes": ("INT32", [1, 2], bytes(8)),
        "frame_score": ("FP32", [1, 1], struct.pack("<f", 0.02)),
        "scene": ("FP32", [1, 3], struct.pack("<3f", 0.5, 0.5, 0.5)),
        "thumbnail": ("UINT8", [1, 24, 32], bytes(range(256)) * 3),
        "heatmap": ("UINT8", [1, 2, 3], bytes(6)),
        **changed,
    }
    response = pb.ModelInferResponse(model_name="spaghetti", id="1")
    for name, (kind, shape, content) in outputs.items():
        response.outputs.add(name=name, datatype=kind, shape=shape)
        response.raw_output_contents.append(content)
    return bytes(response.SerializeToString())


_SHAPES = st.lists(st.integers(-4, 30) | st.sampled_from([2**62, -(2**63)]), max_size=4)
_FLOATS = st.lists(st.floats(width=32) | st.floats(0.0, 1.0, width=32), max_size=12)


def _output(kind: str) -> st.SearchStrategy[tuple[str, list[int], bytes]]:
    content = (
        _FLOATS.map(lambda numbers: struct.pack(f"<{len(numbers)}f", *numbers)) if kind == "FP32" else st.binary(max_size=40)
    )
    return st.tuples(st.sampled_from([kind] * 8 + ["INT64", ""]), _SHAPES, content)


_RESHAPED = st.fixed_dictionaries(
    {},
    optional={
        "boxes": _output("FP32"),
        "confidences": _output("FP32"),
        "classes": _output("INT32"),
        "frame_score": _output("FP32"),
        "scene": _output("FP32"),
        "thumbnail": _output("UINT8"),
        "heatmap": _output("UINT8"),
    },
).map(lambda changed: wire(**changed))
_WIRE = damaged([wire()]) | _RESHAPED
_STREAMED = damaged([pb.ModelStreamInferResponse(infer_response=pb.ModelInferResponse.FromString(wire())).SerializeToString()])


def read(message: bytes) -> Answer | None:
    """Return what an answer's bytes say, None where they are refused; what is said keeps the contract."""
    try:
        answer = read_answer(pb.ModelInferResponse.FromString(message), "test")
    except (DecodeError, AnswerInvalid):
        return None
    shares = (answer.score, *dataclasses.astuple(answer.scene), *(seen.confidence for seen in answer.detections))
    assert all(math.isfinite(share) and 0.0 <= share <= 1.0 for share in shares)
    assert min(answer.heatmap.rows, answer.heatmap.columns) > 0
    assert answer.heatmap.rows * answer.heatmap.columns == len(answer.heatmap.cells)
    assert len(answer.thumbnail) == 24 * 32
    return answer


def one_answer(message: bytes) -> None:
    """An answer is what the contract says, or refused; the second look and its sum can be made of it."""
    answer = read(message)
    if answer is not None:
        roi = second_look.region(answer, (1280, 720))
        assert second_look.combined(answer, answer, roi or Box(0.1, 0.1, 0.5, 0.5)).score == answer.score


def one_of_a_stream(message: bytes) -> None:
    """A message of the stream is an answer, an error text, or refused."""
    with suppress(DecodeError):
        streamed = pb.ModelStreamInferResponse.FromString(message)
        one_answer(streamed.infer_response.SerializeToString())


def without_protobuf(message: bytes) -> None:
    """The benchmarks' own reader takes the same bytes, or refuses them."""
    with suppress(AnswerMalformed):
        infer_response(stream_response(message)[1])
    with suppress(AnswerMalformed):
        infer_response(message)


def from_a_process(stream: list[bytes]) -> None:
    """Messages of the detector's process are delivered whole, or it is given up."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        messages = Messages(ours)
        with suppress(MessagesBroken):
            for piece in stream:
                theirs.sendall(piece)
                message = messages.receive(0.0)
                while message is not None:
                    read(message)
                    message = messages.receive(0.0)


class Wired(FakeDetector):
    """Answers with what the bytes of a message say, one message after the other, from the beginning again at the end."""

    def __init__(self, messages: list[bytes]) -> None:
        """Answer with ``messages``; ``worst`` is the highest score that was taken."""
        super().__init__()
        self._messages = messages
        self.worst = 0.0

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Answer, or raise :class:`AnswerInvalid`."""
        self.looked.append(frame)
        answer = read(self._messages[len(self.looked) % len(self._messages)])
        if answer is None:
            raise AnswerInvalid("test answered something else.")
        self.worst = max(self.worst, answer.score, *(seen.confidence for seen in answer.detections), 0.0)
        return answer


def a_print(messages: list[bytes]) -> None:
    """A print of damaged answers is watched to its end; without a high score among them it is never paused."""
    detector = Wired(messages)
    bench = Bench(detector=detector)
    bench.print()
    bench.run(200.0)
    assert detector.looked
    assert bench.watch.status.as_json()
    if detector.worst < _CALM:
        assert bench.printer.pauses == 0
    bench.watch.end()


_FRAMED = damaged([struct.pack("!I", len(wire())) + wire(), struct.pack("!I", 3) + b"abc" + struct.pack("!I", 0), b"\xff" * 8])
TARGETS = (
    Target("answers", _WIRE, one_answer, 2.5),
    Target("streamed answers", _STREAMED, one_of_a_stream, 3.0),
    Target("answers read without protobuf", _WIRE | _STREAMED, without_protobuf, 2.0),
    Target("messages of the detector's process", pieces(_FRAMED), from_a_process, 4.0),
    Target("prints of damaged answers", st.lists(_WIRE, min_size=1, max_size=6), a_print, 0.1),
)
