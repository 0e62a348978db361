"""Simulated printers against a gRPC server that answers, sheds, hangs and lies as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from types import SimpleNamespace

import grpc
import numpy as np
import pytest

from inference_server import oip
from inference_server.benchmarks import printers
from inference_server.benchmarks.printers import Line, Load, Sent, by_the_clock, closed_loop, fate_of
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb

CODE = grpc.StatusCode


def good_answer() -> bytes:
    answer = pb.ModelInferResponse(raw_output_contents=[np.float32([[0.5]]).tobytes()])
    answer.outputs.add(name="frame_score", datatype="FP32", shape=[1, 1])
    return answer.SerializeToString()


@dataclass
class Server:
    """``trouble`` (code, words) is what every call, or each ``trouble_every``-th, gets instead of an answer; ``seen`` their headers."""

    address: str = ""
    trouble: tuple[grpc.StatusCode, str] | None = None
    trouble_every: int = 1
    answer: bytes = field(default_factory=good_answer)
    slow_s: float = 0.0
    seen: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)  # lets those that are slow go, so that the server can stop

    def infer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer a single call."""
        self.seen.append(dict(context.invocation_metadata()))
        if self.slow_s:
            self.released.wait(self.slow_s)
        if self.trouble and len(self.seen) % self.trouble_every == 0:
            context.abort(*self.trouble)
        return self.answer

    def stream(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Answer the messages of a stream, with trouble in words alone, as Triton does."""
        for _ in requests:
            self.seen.append(dict(context.invocation_metadata()))
            good = pb.ModelStreamInferResponse(infer_response=pb.ModelInferResponse.FromString(self.answer))
            bad = pb.ModelStreamInferResponse(error_message=self.trouble[1] if self.trouble else "")
            yield (bad if self.trouble else good).SerializeToString()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a running server on loopback; on a busy machine its answers may take long, and no frame is late by that."""
    monkeypatch.setattr(printers, "DEADLINE_S", 60.0)
    behaviour = Server()
    methods = {
        "ModelInfer": grpc.unary_unary_rpc_method_handler(behaviour.infer),
        "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(behaviour.stream),
    }
    running = grpc.server(futures.ThreadPoolExecutor(8))
    running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(oip.SERVICE.strip("/"), methods),))
    behaviour.address = f"127.0.0.1:{running.add_insecure_port('127.0.0.1:0')}"
    running.start()
    yield behaviour
    behaviour.released.set()
    running.stop(None).wait(10)


@pytest.fixture
def time_by_calls(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a hundredth of a second pass with each call that the server gets, and none otherwise."""
    monkeypatch.setattr(printers, "time", SimpleNamespace(monotonic=lambda: 0.01 * len(server.seen)))


@pytest.mark.parametrize(
    ("code", "words", "fate"),
    [
        (CODE.UNAVAILABLE, "[request id: 7] Exceeds maximum queue size", "shed"),
        (CODE.UNAVAILABLE, "Request timeout expired", "shed"),
        (CODE.RESOURCE_EXHAUSTED, "rate limited by the gateway", "shed"),
        (CODE.UNAVAILABLE, "failed to connect to all addresses", "down"),
        (CODE.UNAVAILABLE, None, "down"),
        (CODE.NOT_FOUND, "Request for unknown model", "down"),
        (CODE.INTERNAL, "RST_STREAM", "down"),
        (CODE.DEADLINE_EXCEEDED, "Deadline Exceeded", "late"),
        (CODE.UNAUTHENTICATED, "the token is missing, wrong or revoked", "refused"),
        (CODE.INVALID_ARGUMENT, "not a JPEG", "refused"),
    ],
)
def test_overload_and_an_outage_are_told_apart(code: grpc.StatusCode, words: str | None, fate: str) -> None:
    """Both may be UNAVAILABLE; the words decide."""
    assert fate_of(code, words) == fate


@pytest.mark.usefixtures("time_by_calls")
@pytest.mark.parametrize("transport", ["unary", "stream"])
def test_each_printer_asks_again_when_it_has_its_answer(server: Server, transport: str) -> None:
    """All that was sent was answered, by every printer, until the time was up."""
    load = closed_loop(Line(server.address), 4, [b"jpeg"], 0.3, transport)  # type: ignore[arg-type]
    assert set(load.fates()) == {"answered"}
    assert len(load.frames) > 8
    assert load.answered_per_s == pytest.approx(len(load.frames) / load.seconds)


@pytest.mark.usefixtures("time_by_calls")
@pytest.mark.parametrize("transport", ["unary", "stream"])
def test_a_frame_that_was_shed_counts_as_shed(server: Server, transport: str) -> None:
    """A stream has only words for it."""
    server.trouble = (CODE.UNAVAILABLE, "Exceeds maximum queue size")
    assert set(closed_loop(Line(server.address), 2, [b"jpeg"], 0.2, transport).fates()) == {"shed"}  # type: ignore[arg-type]


@pytest.mark.usefixtures("time_by_calls")
def test_an_answer_without_a_score_is_no_answer(server: Server) -> None:
    """Whatever answers, it is not our detector."""
    server.answer = pb.ModelInferResponse(model_name="another").SerializeToString()
    assert set(closed_loop(Line(server.address), 1, [b"jpeg"], 0.2).fates()) == {"refused"}


def test_frames_come_by_the_clock_whatever_the_server_does(server: Server) -> None:
    """Four printers, five frames each, though an answer takes longer than the time between two."""
    server.slow_s = 0.2
    load = by_the_clock(Line(server.address), 4, [b"jpeg"], 0.5, 0.1, lambda: None)
    assert load.fates() == {"answered": 20}
    assert load.took_ms(1.0) > 200
    due = sorted(frame.due_s for frame in load.frames)
    assert due[0] >= 0.0
    assert due[-1] < 0.5


def test_a_server_that_hangs_loses_frames_at_the_deadline(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame without an answer in time is late, and nobody waits longer for it."""
    monkeypatch.setattr(printers, "DEADLINE_S", 0.2)
    monkeypatch.setattr(printers, "RESERVED_S", 0.1)
    server.slow_s = 60.0
    assert set(by_the_clock(Line(server.address), 2, [b"jpeg"], 0.1, 0.1, lambda: None).fates()) == {"late"}


def test_a_frame_that_was_refused_is_asked_once_more(server: Server) -> None:
    """As the plugin does; one refusal of every two calls costs no frame."""
    server.trouble_every = 2
    server.trouble = (CODE.UNAVAILABLE, "Exceeds maximum queue size")
    loads = [
        by_the_clock(Line(server.address), 1, [b"jpeg"], 0.1, 0.1, lambda: None) for _ in range(5)
    ]  # one frame after another
    assert [load.fates() for load in loads] == [{"answered": 1}] * 5
    assert [load.asked_twice for load in loads] == [0, 1, 1, 1, 1]
    server.trouble_every = 1
    load = by_the_clock(Line(server.address), 1, [b"jpeg"], 0.5, 0.1, lambda: None)
    assert load.fates() == {"shed": 5}
    assert load.asked_twice == 5


def test_nobody_there_is_down() -> None:
    """A port where nothing listens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(printers, "DEADLINE_S", 60.0)
        assert set(by_the_clock(Line("127.0.0.1:9"), 1, [b"jpeg"], 0.1, 0.1, lambda: None).fates()) == {"down"}


def test_each_printer_shows_its_own_token(server: Server) -> None:
    """As the gateway wants it."""
    closed_loop(Line(server.address, tokens=["a.1", "b.2"]), 2, [b"jpeg"], 0.1)
    assert {headers["authorization"] for headers in server.seen} == {"Bearer a.1", "Bearer b.2"}


def test_tokens_are_in_no_repr() -> None:
    """Nobody finds them in a log."""
    assert "secret" not in repr(Line("127.0.0.1:1", tokens=["secret"]))


def test_times_are_those_of_the_answers() -> None:
    """What was shed at once makes no server fast."""
    frames = [Sent(0.0, seconds, "answered") for seconds in (0.1, 0.2, 0.3, 0.4)] + [Sent(0.0, 0.001, "shed")] * 10
    load = Load(2.0, frames)
    assert load.took_ms(0.5) == pytest.approx(300)
    assert load.took_ms(1.0) == pytest.approx(400)
    assert load.answered_per_s == 2.0
    assert np.isnan(Load(1.0, []).took_ms(0.5))
