"""The wire: our client, the real Triton, and an independent client that knows the protocol."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import tritonclient.grpc as independent
from tritonclient.grpc import service_pb2

from inference_server.triton import TritonServer
from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as ours
from octoprint_spaghetti.adapters.triton import TritonDetector
from octoprint_spaghetti.core.errors import (
    DetectorError,
    ModelMissing,
    PictureRefused,
    ServerOverloaded,
    ServerRefused,
    ServerTooSlow,
    ServerUnreachable,
)
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Frame
from tests.e2e.ports import free_port
from tests.pictures import jpeg

TRANSPORTS = ("stream", "unary")
#: A deadline for frames that are not to be late: each attempt gets a share of it, and a busy machine holds answers back.
PATIENT_S = 20.0


def frame(seed: int = 0) -> Frame:
    return Frame(jpeg(seed), time.monotonic(), "test")


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def detector(triton: TritonServer, transport: str) -> Iterator[TritonDetector]:
    detector = TritonDetector(Settings(servers=(triton.target,), transport=transport, deadline=PATIENT_S))
    yield detector
    detector.close()


@pytest.fixture
def own_triton(start_triton: Callable[..., TritonServer]) -> Iterator[TritonServer]:
    """Return a Triton that may be broken."""
    server = start_triton()
    yield server
    server.stop()


@pytest.mark.filterwarnings("ignore:label:DeprecationWarning")  # its successor does not exist in protobuf 4
def test_the_messages_are_the_protocols() -> None:
    """Each message of ours has the field numbers, types and labels of tritonclient's own descriptors."""
    package = ours.DESCRIPTOR.message_types_by_name
    assert {"ModelInferRequest", "ModelInferResponse", "ModelStreamInferResponse"} <= set(package)
    for name, message in package.items():
        theirs = service_pb2.DESCRIPTOR.message_types_by_name[name]
        assert_same_fields(message, theirs)


def assert_same_fields(message: object, theirs: object) -> None:
    for field in message.fields:  # type: ignore[attr-defined]
        other = theirs.fields_by_number[field.number]  # type: ignore[attr-defined]
        assert (field.name, field.type, field.label) == (other.name, other.type, other.label), field.full_name
    for nested in message.nested_types:  # type: ignore[attr-defined]
        assert_same_fields(nested, theirs.nested_types_by_name[nested.name])  # type: ignore[attr-defined]


def test_a_request_of_ours_is_read_the_same_by_an_independent_library() -> None:
    """Bytes that we write are parsed by tritonclient's messages into the same request, and back."""
    request = ours.ModelInferRequest(model_name="spaghetti", id="7", raw_input_contents=[b"abc"])
    request.inputs.add(name="JPEG", datatype="UINT8", shape=[1, 3])
    request.parameters["roi"].string_param = "0,0,1,1"
    theirs = service_pb2.ModelInferRequest.FromString(request.SerializeToString())
    assert (theirs.model_name, theirs.id, theirs.inputs[0].shape[1]) == ("spaghetti", "7", 3)
    assert theirs.parameters["roi"].string_param == "0,0,1,1"
    assert ours.ModelInferRequest.FromString(theirs.SerializeToString()) == request


def test_both_clients_get_the_same_answer(triton: TritonServer, detector: TritonDetector) -> None:
    """What tritonclient reads from the served model is what our detector says of the same picture."""
    picture = jpeg(3)
    with independent.InferenceServerClient(triton.target) as client:
        tensor = independent.InferInput("JPEG", [1, len(picture)], "UINT8")
        tensor.set_data_from_numpy(_bytes(picture))
        theirs = client.infer("spaghetti", [tensor])
    answer = detector.look(Frame(picture, 0.0, "test"))
    assert answer.score == pytest.approx(float(theirs.as_numpy("frame_score")[0, 0]), abs=1e-6)
    assert answer.scene.brightness == pytest.approx(float(theirs.as_numpy("scene")[0, 0]), abs=1e-6)
    assert answer.heatmap.cells == theirs.as_numpy("heatmap").tobytes()
    assert answer.thumbnail == theirs.as_numpy("thumbnail").tobytes()
    confident = theirs.as_numpy("confidences")[0] > 0
    assert len(answer.detections) == int(confident.sum())


def _bytes(picture: bytes) -> object:
    import numpy as np

    return np.frombuffer(picture, np.uint8)[None]


def test_a_region_is_answered_in_fractions_of_the_whole_picture(detector: TritonDetector) -> None:
    """A second look at a corner finds nothing outside of that corner."""
    answer = detector.look(frame(), roi=Box(0.5, 0.5, 1.0, 1.0))
    for detection in answer.detections:
        assert detection.box.left >= 0.49
        assert detection.box.top >= 0.49


def test_many_frames_one_after_the_other(detector: TritonDetector) -> None:
    """Each answer belongs to its frame: equal pictures give equal scores, in any order."""
    scores = [detector.look(frame(seed)).score for seed in (0, 1, 2, 0, 1, 2)]
    assert scores[:3] == scores[3:]


def test_a_broken_picture_is_refused_alone(detector: TritonDetector) -> None:
    """The sentence says that it was the picture, and the next good frame is answered."""
    whole = jpeg(1)
    broken = Frame(whole[: len(whole) // 3] + b"\xff\xd9", 0.0, "test")
    garbage = Frame(b"\xff\xd8" + bytes(1000) + b"\xff\xd9", 0.0, "test")
    with pytest.raises(PictureRefused, match="could not read the picture"):
        detector.look(garbage)
    try:
        detector.look(broken)  # libjpeg forgives what can be forgiven
    except PictureRefused as error:
        assert "could not read" in str(error)
    assert 0.0 <= detector.look(frame()).score <= 1.0


def test_a_model_that_is_not_there_is_named(triton: TritonServer, transport: str) -> None:
    """An unknown model is not a dead server: the sentence says to check the name."""
    detector = TritonDetector(Settings(servers=(triton.target,), transport=transport, model="lasagne", deadline=PATIENT_S))
    try:
        with pytest.raises(ModelMissing, match="check the model's name"):
            detector.look(frame())
        with pytest.raises(DetectorError):
            detector.check()
    finally:
        detector.close()


def test_nothing_listens_at_a_wrong_address(transport: str) -> None:
    """A wrong port is told within the deadline, with what to do."""
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    detector = TritonDetector(Settings(servers=(address,), transport=transport, deadline=PATIENT_S))
    try:
        with pytest.raises(ServerUnreachable, match="check the address"):
            detector.look(frame())
    finally:
        detector.close()


def test_a_name_that_does_not_exist_is_told(transport: str) -> None:
    """A host that no DNS knows is a wrong address too."""
    detector = TritonDetector(Settings(servers=("spaghetti.invalid:8001",), transport=transport, deadline=2.0))
    try:
        with pytest.raises((ServerUnreachable, ServerTooSlow)):
            detector.look(frame())
    finally:
        detector.close()


def test_a_web_server_is_not_an_inference_server(camera: object, transport: str) -> None:
    """An address that speaks HTTP is told apart from silence, and nothing hangs."""
    address = camera.url.removeprefix("http://")  # type: ignore[attr-defined]
    detector = TritonDetector(Settings(servers=(address,), transport=transport, deadline=2.0))
    try:
        with pytest.raises(DetectorError):
            detector.look(frame())
    finally:
        detector.close()


def test_tls_to_a_server_without_it_is_told(triton: TritonServer) -> None:
    """Asking for TLS where there is none is an error, never a silent fall back to plain text."""
    detector = TritonDetector(Settings(servers=(triton.target,), tls=True, deadline=2.0))
    try:
        with pytest.raises((ServerUnreachable, ServerRefused, ServerTooSlow)):
            detector.look(frame())
    finally:
        detector.close()


def test_a_killed_server_is_told_at_once_and_found_again(
    own_triton: TritonServer, start_triton: Callable[..., TritonServer], transport: str
) -> None:
    """After SIGKILL each frame says so within its deadline; when the server is back the same client goes on."""
    detector = TritonDetector(Settings(servers=(own_triton.target,), transport=transport, deadline=PATIENT_S))
    try:
        detector.look(frame())
        os.kill(own_triton.pid, signal.SIGKILL)
        port = own_triton.addresses.grpc_port
        own_triton.stop()
        with pytest.raises(ServerUnreachable):
            detector.look(frame())
        start_triton(port)
        assert within(60.0, lambda: detector.look(frame()))
    finally:
        detector.close()


def test_a_stuck_server_costs_the_deadline_and_no_more(own_triton: TritonServer, transport: str) -> None:
    """After SIGSTOP nothing answers; the frame is given up on time, and after SIGCONT frames are answered again."""
    detector = TritonDetector(Settings(servers=(own_triton.target,), transport=transport, deadline=3.0))
    try:
        assert within(60.0, lambda: detector.look(frame()))
        os.kill(own_triton.pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(ServerTooSlow):
            detector.look(frame())
        assert time.monotonic() - started < 20.0
        os.kill(own_triton.pid, signal.SIGCONT)
        assert within(60.0, lambda: detector.look(frame()))
    finally:
        os.kill(own_triton.pid, signal.SIGCONT)
        detector.close()


def test_the_next_server_answers_the_same_frame(triton: TritonServer, transport: str) -> None:
    """With a dead first address no frame is lost: the second one answers it, and is asked first from then on."""
    dead = f"127.0.0.1:{free_port('127.0.0.1')}"
    detector = TritonDetector(Settings(servers=(dead, triton.target), transport=transport, deadline=PATIENT_S))
    try:
        for seed in range(5):
            assert detector.look(frame(seed)).detector.endswith(triton.target)
    finally:
        detector.close()


def test_a_stream_that_is_renewed_is_no_reason_to_leave(
    start_triton: Callable[..., TritonServer], triton: TritonServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Triton ends each connection after a while; the frame that meets the end is answered by the same server all the same."""
    monkeypatch.setattr("inference_server.triton.CONNECTION_AGE_MS", 1000)
    monkeypatch.setattr("inference_server.triton.CONNECTION_GRACE_MS", 200)
    first = start_triton()
    detector = TritonDetector(Settings(servers=(first.target, triton.target), transport="stream", deadline=PATIENT_S))
    try:
        for seed in range(16):
            assert detector.look(frame(seed)).detector == f"triton {first.target}"
            time.sleep(0.25)
    finally:
        detector.close()
        first.stop()


def test_a_server_without_streams_costs_one_frame_and_not_every_second(triton: TritonServer) -> None:
    """UNIMPLEMENTED on the stream is remembered: from then on each frame is a single call, answered at once."""
    forwarded = grpc.insecure_channel(triton.target)
    infer = forwarded.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    class UnaryOnly(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            if not details.method.endswith("/ModelInfer"):
                return None
            return grpc.unary_unary_rpc_method_handler(lambda request, context: infer(request, timeout=PATIENT_S))

    server = grpc.server(ThreadPoolExecutor(2), handlers=(UnaryOnly(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    detector = TritonDetector(Settings(servers=(f"127.0.0.1:{port}",), transport="stream", deadline=PATIENT_S))
    try:
        started = time.monotonic()
        for seed in range(6):
            detector.look(frame(seed))
        assert time.monotonic() - started < 0.6 * PATIENT_S  # one wait for a dead stream would take nearly all of it
    finally:
        detector.close()
        server.stop(0)
        forwarded.close()


def test_an_overloaded_server_is_asked_once_and_the_next_one_helps(triton: TritonServer, transport: str) -> None:
    """Who has too much to do is not asked again for the same frame; the frame goes to the next server, or is given up at once."""
    asked = []
    full = "[request id: 1] Exceeds maximum queue size"

    class Full(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            asked.append(details.method)
            if details.method.endswith("/ModelStreamInfer"):
                answer = ours.ModelStreamInferResponse(error_message=full).SerializeToString()
                return grpc.stream_stream_rpc_method_handler(lambda requests, context: (answer for _ in requests))
            return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(grpc.StatusCode.UNAVAILABLE, full))

    server = grpc.server(ThreadPoolExecutor(4), handlers=(Full(),))
    busy = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    alone = TritonDetector(Settings(servers=(busy,), transport=transport, deadline=PATIENT_S))
    helped = TritonDetector(Settings(servers=(busy, triton.target), transport=transport, deadline=PATIENT_S))
    try:
        with pytest.raises(ServerOverloaded, match="too much to do"):
            alone.look(frame())
        assert len(asked) == 1
        assert helped.look(frame()).detector == f"triton {triton.target}"
        assert len(asked) == 2
    finally:
        alone.close()
        helped.close()
        server.stop(0)


def test_hanging_up_leaves_no_thread(triton: TritonServer, transport: str) -> None:
    """After close, no thread of the client is left, however often it was opened."""
    before = set(threading.enumerate())
    for _ in range(3):
        detector = TritonDetector(Settings(servers=(triton.target,), transport=transport, deadline=PATIENT_S))
        detector.look(frame())
        detector.close()
    assert within(30.0, lambda: not [t for t in set(threading.enumerate()) - before if t.is_alive()])


def within(seconds: float, work: Callable[[], object]) -> bool:
    """Return whether ``work`` gave something true within ``seconds``; a frame that is lost is tried again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if work():
                return True
        except DetectorError:
            time.sleep(0.2)
        time.sleep(0.05)
    return False
