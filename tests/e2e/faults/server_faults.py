"""What may become of the inference server and of the way to it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from inference_server.triton import TritonServer
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from tests.e2e.faults.bench import PATIENT_S, Bench, WatchBench, watch_bench
from tests.e2e.faults.fault import CALM, Fault
from tests.e2e.faults.octoprint_bench import shared_octoprint
from tests.e2e.faults.stage import Stage

#: Slow, and yet in time: a link over a phone.
SLUGGISH_S = 0.8
SLOW_S = 4.0
#: A frame is some tens of kilobytes; the first packets get through, as where a tunnel swallows the large ones.
FIRST_BYTES = 4_000
#: Nothing is behind it, on no machine.
NO_SUCH_NAME = "no-such-host.invalid:8001"
LOST_BY_MODEL = "heatmap"


def watched(**changes: Any) -> Callable[[Stage], AbstractContextManager[Bench]]:
    """Return what opens a watch without fallback, with ``changes`` to its settings."""

    @contextmanager
    def opened(stage: Stage) -> Iterator[Bench]:
        with watch_bench(stage.folder("watch"), stage.triton.target, **changes) as bench:
            yield bench

    return opened


@dataclass
class Victim:
    """A Triton that may be broken, and what starts another one on its port."""

    start: Callable[..., TritonServer]
    server: TritonServer

    def again(self) -> None:
        """Start it anew, where it was."""
        self.server.stop()
        self.server = self.start(port=self.server.addresses.grpc_port)


@contextmanager
def octoprint_at_a_victim(stage: Stage) -> Iterator[Bench]:
    """Lead the shared OctoPrint to a Triton that may be broken, and back."""
    with shared_octoprint(stage) as bench:
        bench.beside = Victim(stage.start_triton, stage.start_triton())
        bench.wire.lead_to(bench.beside.server.target)
        try:
            yield bench
        finally:
            bench.wire.lead_home()
            bench.beside.server.stop()


@contextmanager
def _killed(bench: Bench) -> Iterator[None]:
    os.kill(bench.beside.server.pid, signal.SIGKILL)
    yield
    bench.beside.again()


@contextmanager
def _ended(bench: Bench) -> Iterator[None]:
    bench.beside.server.stop()
    yield
    bench.beside.again()


@contextmanager
def _stopped(bench: Bench) -> Iterator[None]:
    os.kill(bench.beside.server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(bench.beside.server.pid, signal.SIGCONT)


def bent(bend: Callable[[Any], None]) -> Callable[[Bench], AbstractContextManager[float | None]]:
    """Return what bends the wire to the server, and straightens it."""

    @contextmanager
    def injected(bench: Bench) -> Iterator[None]:
        bend(bench.wire)
        yield
        bench.wire.heal()

    return injected


def _delay(seconds: float) -> Callable[[Any], None]:
    def bend(wire: Any) -> None:
        wire.delay_s = seconds

    return bend


def _led_to(target: Callable[[Stage], str]) -> tuple[Any, Any]:
    """Return what opens a watch, and what leads it from the good Triton to another server and back."""

    @contextmanager
    def opened(stage: Stage) -> Iterator[Bench]:
        other = target(stage)
        with watch_bench(stage.folder("watch"), stage.triton.target) as bench:
            bench.beside = other
            yield bench

    return opened, _led_aside


@contextmanager
def _led_aside(bench: Bench) -> Iterator[None]:
    bench.wire.lead_to(bench.beside)
    yield
    bench.wire.lead_home()


def _older_model(stage: Stage) -> str:
    """Start a Triton whose model of our name is of another version: it lacks an output."""
    repository = stage.folder("older") / "repository"
    shutil.copytree(stage.repository, repository)
    ensemble = repository / "spaghetti" / "config.pbtxt"
    ensemble.write_text(_without_output(ensemble.read_text(), LOST_BY_MODEL))
    return stage.start_triton(repository).target


def _without_output(config: str, name: str) -> str:
    """Return an ensemble's configuration without one output, and without the line that fills it."""
    less, found = re.subn(rf',?\n[^\n]*"{name}"[^\n]*', "", config)
    if not found:
        raise ValueError(f"no output {name} in {config}")
    return less


class _Speaks(grpc.GenericRpcHandler):
    """A server that answers every call with the same bytes, or with a status and words."""

    def __init__(self, answer: bytes, code: grpc.StatusCode | None = None, words: str = "") -> None:
        self._answer, self._code, self._words = answer, code, words

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        if details.method.endswith("/ModelStreamInfer"):
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._once)

    def _stream(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for _ in requests:
            yield self._once(b"", context)

    def _once(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        if self._code is not None:
            context.abort(self._code, self._words)
        return self._answer


def _speaking(answer: bytes = b"", code: grpc.StatusCode | None = None, words: str = "") -> Callable[[Stage], str]:
    def start(stage: Stage) -> str:
        server = grpc.server(ThreadPoolExecutor(4), handlers=[_Speaks(answer, code, words)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        stage.at_end(lambda: server.stop(0))
        return f"127.0.0.1:{port}"

    return start


def _nonsense() -> bytes:
    """Return an answer in the protocol's words whose numbers cannot be: a score of two, a heatmap of no shape."""
    response = pb.ModelInferResponse(model_name="spaghetti")
    for name, kind in (("frame_score", "FP32"), ("scene", "FP32"), ("heatmap", "UINT8"), ("thumbnail", "UINT8")):
        response.outputs.add(name=name, datatype=kind, shape=[1])
        response.raw_output_contents.append(b"\0\0\0\x40")
    return response.SerializeToString()


@contextmanager
def _with_a_web_server(stage: Stage) -> Iterator[Bench]:
    with watch_bench(stage.folder("watch"), stage.triton.target) as bench:
        bench.beside = bench.camera.url.removeprefix("http://")
        yield bench


def saved(**changes: Any) -> Callable[[Bench], AbstractContextManager[float | None]]:
    """Return what saves settings in mid-print, and then the old ones again."""

    @contextmanager
    def injected(bench: Bench) -> Iterator[None]:
        assert isinstance(bench, WatchBench)
        before = {name: getattr(bench.settings, name) for name in changes}
        bench.configure(**changes)
        yield
        bench.configure(**before)

    return injected


@contextmanager
def _two_servers(stage: Stage) -> Iterator[Bench]:
    """Watch with two servers: the first behind the wire, the second beside it."""
    with watch_bench(stage.folder("watch"), stage.triton.target, deadline=PATIENT_S) as bench:
        bench.configure(servers=(bench.wire.address, stage.triton.target))
        yield bench


_OLDER = _led_to(_older_model)
_BYTES = _led_to(_speaking(bytes(range(255, 0, -1))))
_NONSENSE = _led_to(_speaking(_nonsense()))
_FULL = _led_to(_speaking(code=grpc.StatusCode.UNAVAILABLE, words="[request id: 1] Exceeds maximum queue size"))
_REFUSING = _led_to(_speaking(code=grpc.StatusCode.INVALID_ARGUMENT, words="cannot decode the JPEG: broken data stream"))
_ANSWERS_NOT = r"No inference server answers at .*check the address, and that the server runs"
_LATE = r"did not answer before the picture's deadline; check the network"

FAULTS = (
    Fault(
        "Triton: SIGKILL",
        "signal to the real process, started again later",
        octoprint_at_a_victim,
        _killed,
        "blind",
        _ANSWERS_NOT,
    ),
    Fault("Triton: SIGTERM", "stopped in good order, started again later", octoprint_at_a_victim, _ended, "blind", _ANSWERS_NOT),
    Fault("Triton: SIGSTOP", "signal; SIGCONT later", octoprint_at_a_victim, _stopped, "blind", _LATE),
    Fault(
        "server slow, but in time",
        f"proxy holds answers back for {SLUGGISH_S} s",
        watched(deadline=PATIENT_S),
        bent(_delay(SLUGGISH_S)),
        "watching",
        CALM,
        most_lost=0,
    ),
    Fault(
        "server slower than the deadline",
        f"proxy holds answers back for {SLOW_S:.0f} s",
        watched(),
        bent(_delay(SLOW_S)),
        "blind",
        _LATE,
    ),
    Fault(
        "model of another version",
        f"a real Triton whose `spaghetti` has no output `{LOST_BY_MODEL}`",
        *_OLDER,
        "blind",
        rf"not the model this plugin knows \(no {LOST_BY_MODEL}\); check the model's name and version",
    ),
    Fault(
        "unknown model", "another name saved in mid-print", watched(), saved(model="lasagne"), "blind", "check the model's name"
    ),
    Fault(
        "server answers random bytes",
        "a gRPC server that sends no message",
        *_BYTES,
        "blind",
        "answered something that is not of the Open Inference Protocol",
    ),
    Fault("server answers impossible numbers", "a gRPC server", *_NONSENSE, "blind", "answered something that is not the model"),
    Fault(
        "server refuses every picture", "a gRPC server", *_REFUSING, "blind", "could not read the picture .*; look at the camera"
    ),
    Fault("server overloaded", "a gRPC server that says so", *_FULL, "blind", "too much to do .*; lengthen the interval"),
    Fault(
        "a web server at the address", "proxy leads to one", _with_a_web_server, _led_aside, "blind", "is not an inference server"
    ),
    Fault("port closed", "nothing listens", watched(), bent(lambda wire: wire.refuse()), "blind", _ANSWERS_NOT),
    Fault(
        "address unreachable (drop)",
        "a listening socket whose backlog is full",
        watched(),
        bent(lambda wire: wire.drop()),
        "blind",
        _ANSWERS_NOT + "|" + _LATE,
    ),
    Fault("black hole", "proxy accepts and passes nothing on", watched(), bent(lambda wire: wire.freeze()), "blind", _LATE),
    Fault(
        "stall in mid-frame",
        f"proxy forwards {FIRST_BYTES} bytes of the frame, then nothing",
        watched(),
        bent(lambda wire: wire.stall_after(FIRST_BYTES)),
        "blind",
        _LATE,
    ),
    Fault(
        "connection reset in mid-frame",
        f"proxy forwards {FIRST_BYTES} bytes, then resets, every time",
        watched(),
        bent(lambda wire: wire.cut_after(FIRST_BYTES)),
        "blind",
        _ANSWERS_NOT,
    ),
    Fault(
        "DNS gone",
        "a name that does not exist, saved in mid-print",
        watched(),
        saved(servers=(NO_SUCH_NAME,)),
        "blind",
        "The name in .* cannot be found; check the address",
    ),
    Fault(
        "first of two servers gone",
        "nothing listens at the first address",
        _two_servers,
        bent(lambda wire: wire.refuse()),
        "watching",
        CALM,
        most_lost=0,
    ),
)
