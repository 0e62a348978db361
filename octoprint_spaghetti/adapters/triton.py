"""The inference server, over gRPC: one frame in, one answer out, whatever happens within the frame's deadline.

Speaks the Open Inference Protocol to Triton or to any other server of it, by method path. One persistent channel per
address; ``transport: stream`` keeps one ``ModelStreamInfer`` open and falls back to a single call for a frame whose
answer is late or whose stream broke. Foreign errors become ours here and nowhere else.
"""

from __future__ import annotations

import itertools
import math
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Union

import grpc

from octoprint_spaghetti.adapters._proto import spaghetti_inference_pb2 as pb
from octoprint_spaghetti.adapters.grpc_trouble import says_overload, shortened, too_much, too_slow, translated
from octoprint_spaghetti.adapters.triton_answer import read_answer
from octoprint_spaghetti.core.errors import (
    AnswerInvalid,
    DetectorError,
    DetectorMissing,
    ModelMissing,
    PictureRefused,
    ServerOverloaded,
    ServerRefused,
    ServerTooSlow,
    ServerUnreachable,
)
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.preference import WAY_BACK, Preference, WayBack
from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.settings import Settings
from octoprint_spaghetti.core.words import Answer, Frame, ProtectionLevel

_SERVICE = "/inference.GRPCInferenceService/"
#: Without it gRPC says of each connection that it cannot make a handshaker, and nothing of the file.
_PEM = b"CERTIFICATE-----"

#: `ping_timeout_ms` is the watchdog that works (`keepalive_timeout_ms` has no effect in current grpcio); pings every
#: 20 s on a busy channel only, because Triton's default cuts clients off that ping an idle one.
_CHANNEL_OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # It measures how fast answers could come, by pings: ours are 2 kB, and each ping wakes gRPC's threads.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.use_local_subchannel_pool", 1),
    # A name with several addresses is several equal replicas: calls take turns, and avoid one that cannot be reached.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
)

#: What is kept of a frame's deadline for each attempt that is left, at most: a healthy server answers in a tenth of that. All of them
#: together are kept half of the deadline at most, for the first attempt is the one that a slow way needs, and a second upload is slower.
_RESERVED_S = 1.0
#: Before the last attempt: in this time a proxy sees that a replica is being stopped, and a listening socket is back.
_PAUSE_S = 0.5
#: A broken stream is opened again after this long, doubling up to the longest, each time half to all of it (jitter).
_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S = 0.5, 30.0
#: A server that takes longer than this to say that it is ready is not one to go back to.
_PROBE_S = 2.0
#: Bound on the wait for the stream's reader; cancelling the call ends it at once.
_JOIN_S = 2.0

#: Asking the same server again would change nothing, or make it worse.
_FINAL = (ServerOverloaded, ServerRefused)


class TritonDetector:
    """Asks the first of several servers, another one while that fails, and the first again when it is well."""

    level = ProtectionLevel.REMOTE
    why = ""
    earliest_s = 0.0

    def __init__(self, settings: Settings, way_back: WayBack = WAY_BACK) -> None:
        """Prepare channels to ``settings.servers``; nothing is sent yet. ``way_back`` says how the first one is found again.

        Raises :class:`DetectorMissing` when no server is configured or the certificate cannot be read.
        """
        if not settings.servers:
            raise DetectorMissing(
                say("No inference server is configured; enter an address such as 192.0.2.7:8001 in the settings.")
            )
        self._deadline = settings.deadline
        self._model = settings.model
        self._streaming = settings.transport == "stream"
        self._endpoints = [_Endpoint(address, settings) for address in settings.servers]
        self._preference = Preference(len(self._endpoints), way_back)
        self._probe: Any = None  # the question in flight whether the first server is ready
        self._ids = itertools.count(1)

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Return what the server sees in the frame, or in the region ``roi`` of it.

        Blocks until the frame's deadline at most. Raises the :class:`DetectorError` of the server that is first in line.
        """
        request = self._request(frame, roi)
        end = time.monotonic() + self._deadline
        failures: dict[int, DetectorError] = {}
        order = self._preference.order()
        # The first once more, last: it may have been restarting. One alone twice more: it may be several behind one name.
        attempts = (*order, order[0]) if len(order) > 1 else 3 * order
        reserved = min(_RESERVED_S, 0.5 * self._deadline / len(attempts))
        for attempt, position in enumerate(attempts):
            if isinstance(failures.get(position), _FINAL):
                continue
            if attempt == len(attempts) - 1 and end - time.monotonic() > reserved + _PAUSE_S:
                time.sleep(_PAUSE_S)
            share = end - time.monotonic() - reserved * (len(attempts) - attempt - 1)
            if share <= 0.0:
                break
            try:
                answer = self._endpoints[position].ask(request, share, stream=self._streaming and attempt == 0)
            except PictureRefused:
                raise
            except DetectorError as error:
                failures[position] = error
            else:
                self._prefer(position)
                return answer
        raise failures.get(order[0]) or ServerTooSlow(say("No server answered before the picture's deadline."))

    def check(self) -> None:
        """Raise the :class:`DetectorError` that says why the first server cannot serve our model, if it cannot."""
        self._endpoints[self._preference.current].check(self._model, self._deadline)

    def close(self) -> None:
        """Hang up; no thread of ours is left."""
        if self._probe is not None:
            self._probe.cancel()
        for endpoint in self._endpoints:
            endpoint.close()

    def _prefer(self, position: int) -> None:
        """Ask the server at ``position`` first from now on, unless a probe has found the first of the settings well again."""
        before, now = self._preference.current, time.monotonic()
        self._preference.answered(position, now)
        if self._probe is not None and self._probe.done():
            self._preference.probed(_says_ready(self._probe), now)
            self._probe = None
        if self._probe is None and self._preference.probe_due(now):
            self._probe = self._endpoints[0].begin_check(self._model, _PROBE_S)
        if self._preference.current != before:
            self._endpoints[before].drop_stream()

    def _request(self, frame: Frame, roi: Box | None) -> pb.ModelInferRequest:
        request = pb.ModelInferRequest(model_name=self._model, id=str(next(self._ids)), raw_input_contents=[frame.jpeg])
        request.inputs.add(name="JPEG", datatype="UINT8", shape=[1, len(frame.jpeg)])
        if roi is not None:
            request.parameters["roi"].string_param = ",".join(f"{value:.4f}" for value in roi.xyxy)
        if frame.drill:
            request.parameters["drill"].bool_param = True
        return request


class _Endpoint:
    """One address: its channel, and its stream while there is one."""

    def __init__(self, address: str, settings: Settings) -> None:
        self._address = address
        self._name = f"triton {address}"
        self._metadata = (("authorization", f"Bearer {settings.token}"),) if settings.token else ()
        self._channel = _channel(address, settings)
        self._stream: _Stream | None = None
        self._back_off = _FIRST_BACK_OFF_S
        self._stream_from = 0.0

    def ask(self, request: pb.ModelInferRequest, seconds: float, *, stream: bool) -> Answer:
        """Send the request and return the answer within ``seconds``; raises :class:`DetectorError`.

        A broken stream is no broken server (it is renewed now and then), so a single call follows at once, unless it hangs.
        """
        started = time.monotonic()
        if not stream or started < self._stream_from:
            return self._ask_once(request, seconds)
        try:
            return read_answer(self._ask_stream(request, seconds), self._name)
        except (ServerTooSlow, ServerOverloaded):
            raise
        except DetectorError:
            answer = self._ask_once(request, seconds - (time.monotonic() - started))
            self.drop_stream()  # of several replicas behind this address it has a bad one
            return answer

    def check(self, model: str, seconds: float) -> None:
        """Raise when the server is not there, refuses us, or has no such model ready."""
        ready = self._call("ModelReady", pb.ModelReadyRequest(name=model), pb.ModelReadyResponse, seconds)
        if not ready.ready:
            raise ModelMissing(
                say(
                    "%(address)s has no model named %(model)s ready; check the name, or wait until it has loaded.",
                    address=self._address,
                    model=repr(model),
                )
            )

    def begin_check(self, model: str, seconds: float) -> Any:
        """Ask whether the model is ready and return at once, with a ``grpc.Future``."""
        return self._method("ModelReady", pb.ModelReadyRequest, pb.ModelReadyResponse).future(
            pb.ModelReadyRequest(name=model), timeout=seconds, metadata=self._metadata
        )

    def close(self) -> None:
        self.drop_stream()
        self._channel.close()

    def _ask_once(self, request: pb.ModelInferRequest, seconds: float) -> Answer:
        return read_answer(self._call("ModelInfer", request, pb.ModelInferResponse, seconds), self._name)

    def _ask_stream(self, request: pb.ModelInferRequest, seconds: float) -> pb.ModelInferResponse:
        if self._stream is None:
            call = self._channel.stream_stream(
                _SERVICE + "ModelStreamInfer",
                request_serializer=pb.ModelInferRequest.SerializeToString,
                response_deserializer=pb.ModelStreamInferResponse.FromString,
            )
            self._stream = _Stream(lambda requests: call(requests, metadata=self._metadata), self._address)
        try:
            response = self._stream.ask(request, seconds)
        except AnswerInvalid:  # it knows no streams, or nothing of this protocol at all
            self.drop_stream()
            self._stream_from = math.inf
            raise
        except DetectorError as error:
            if isinstance(error, ServerTooSlow) or self._stream.ended:
                self.drop_stream()
                self._stream_from = time.monotonic() + self._back_off * random.uniform(0.5, 1.0)
                self._back_off = min(2.0 * self._back_off, _LONGEST_BACK_OFF_S)
            raise
        self._back_off = _FIRST_BACK_OFF_S
        return response

    def drop_stream(self) -> None:
        """Close the stream, if there is one: idle while another server is asked, it would hold up this one's shutdown."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _call(self, method: str, request: Any, answer: Any, seconds: float) -> Any:
        try:
            return self._method(method, type(request), answer)(request, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise translated(error, self._address) from error

    def _method(self, method: str, request: Any, answer: Any) -> Any:
        return self._channel.unary_unary(
            _SERVICE + method, request_serializer=request.SerializeToString, response_deserializer=answer.FromString
        )


class _Stream:
    """One open ModelStreamInfer: a thread of its own reads the answers, because gRPC's iterator has no time-out."""

    def __init__(self, open_call: Callable[[Iterator[pb.ModelInferRequest]], Any], address: str) -> None:
        self.ended = False  # nothing more will come
        self._address = address
        self._requests: queue.SimpleQueue[pb.ModelInferRequest | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Read] = queue.SimpleQueue()
        self._call = open_call(iter(self._requests.get, None))
        self._reader = threading.Thread(target=self._read, name="spaghetti-stream", daemon=True)
        self._reader.start()

    def ask(self, request: pb.ModelInferRequest, seconds: float) -> pb.ModelInferResponse:
        """Return the answer that carries the request's id; answers to frames that were given up are dropped."""
        self._requests.put(request)
        end = time.monotonic() + seconds
        while True:
            try:
                read = self._answers.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise ServerTooSlow(too_slow(self._address)) from None
            if isinstance(read, grpc.RpcError):
                self.ended = True
                raise translated(read, self._address)
            if read.infer_response.id == request.id or (read.error_message and not read.infer_response.id):
                if says_overload(read.error_message):
                    raise ServerOverloaded(too_much(self._address, shortened(read.error_message)))
                if read.error_message:
                    # A message has no status code; the single call that follows brings one.
                    raise ServerUnreachable(f"{self._address}: {shortened(read.error_message)}")
                return read.infer_response

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()
        self._reader.join(_JOIN_S)

    def _read(self) -> None:
        try:
            for message in self._call:
                self._answers.put(message)
        except grpc.RpcError as error:
            self._answers.put(error)
        else:
            self._answers.put(_StreamEnded())


class _StreamEnded(grpc.RpcError):
    """The server closed the stream in good order."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "the stream was closed"


_Read = Union[pb.ModelStreamInferResponse, grpc.RpcError]


def _says_ready(probe: Any) -> bool:
    return not probe.cancelled() and probe.exception() is None and bool(probe.result().ready)


def _channel(address: str, settings: Settings) -> grpc.Channel:
    if not settings.tls:
        return grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
    authority = None
    if settings.certificate:
        try:
            authority = Path(settings.certificate).read_bytes()
        except OSError as error:
            raise DetectorMissing(
                say(
                    "The certificate %(certificate)s cannot be read (%(reason)s); check its path and rights.",
                    certificate=settings.certificate,
                    reason=error.strerror,
                )
            ) from error
        if _PEM not in authority:
            raise DetectorMissing(
                say(
                    "%(certificate)s holds no certificate (PEM); enter the one of the server, a file such as server.crt.",
                    certificate=settings.certificate,
                )
            )
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(authority), options=_CHANNEL_OPTIONS)
