"""Simulated printers: one gRPC connection each, frames sent in a closed loop or by the clock, and what became of each.

They tell the same fates apart that a printer's client does: a server that has too much to do says so, one that is down
cannot. By the clock they ask once more, while the deadline allows, for what was refused; the plugin does so too.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import grpc
import grpc.aio

from inference_server import oip
from inference_server.contract import FRAME_SCORE

Fate = Literal["answered", "shed", "late", "down", "refused"]
Transport = Literal["unary", "stream"]

#: A printer gives a frame up after this time (the plugin's default).
DEADLINE_S = 5.0
#: What Triton and the gateway say when they have too much to do; the status alone (UNAVAILABLE) is also that of a dead server.
OVERLOAD = ("exceeds maximum queue size", "request timeout expired", "rate limited")
#: Each simulated printer has a connection of its own, as real ones have.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 4 << 20))

#: Of a frame's deadline so much is kept for asking once more (the plugin's own share).
RESERVED_S = 1.0

Ask = Callable[[bytes, float], Awaitable[Fate]]


@dataclass(frozen=True)
class Line:
    """How printers reach a server; ``certificate`` (PEM) and ``tokens`` (one per printer) are those of a gateway."""

    target: str
    certificate: bytes | None = field(default=None, repr=False)
    tokens: Sequence[str] = field(default=(), repr=False)

    def channel(self) -> grpc.aio.Channel:
        """Return a connection that shares nothing with the others."""
        if self.certificate is None:
            return grpc.aio.insecure_channel(self.target, options=_OPTIONS)
        return grpc.aio.secure_channel(self.target, grpc.ssl_channel_credentials(self.certificate), options=_OPTIONS)

    def headers(self, printer: int) -> tuple[tuple[str, str], ...]:
        """Return what that printer adds to each call."""
        return (("authorization", f"Bearer {self.tokens[printer]}"),) if self.tokens else ()


@dataclass(frozen=True)
class Sent:
    """One frame: when it was due, seconds since the start; how long it took, in seconds; what became of it; asked how often."""

    due_s: float
    took_s: float
    fate: Fate
    asked: int = 1


@dataclass(frozen=True)
class Load:
    """All frames of one run of ``seconds``."""

    seconds: float
    frames: Sequence[Sent]

    def fates(self) -> dict[str, int]:
        """Return how many frames met which fate."""
        return dict(Counter(frame.fate for frame in self.frames))

    @property
    def asked_twice(self) -> int:
        """Return how many frames were asked a second time."""
        return sum(frame.asked > 1 for frame in self.frames)

    @property
    def answered_per_s(self) -> float:
        """Return answers per second."""
        return sum(frame.fate == "answered" for frame in self.frames) / self.seconds

    def took_ms(self, fraction: float) -> float:
        """Return the time below which ``fraction`` (0 to 1) of the answers stayed, in ms; nan when there were none."""
        times = sorted(frame.took_s for frame in self.frames if frame.fate == "answered")
        return times[min(len(times) - 1, int(fraction * len(times)))] * 1e3 if times else float("nan")


def closed_loop(line: Line, printers: int, jpegs: Sequence[bytes], seconds: float, transport: Transport = "unary") -> Load:
    """Let that many printers ask again as soon as they have an answer, for ``seconds``; blocks."""
    return asyncio.run(_closed_loop(line, printers, _requests(jpegs), seconds, transport))


def by_the_clock(
    line: Line, printers: int, jpegs: Sequence[bytes], seconds: float, interval_s: float, while_running: Callable[[], object]
) -> Load:
    """Let each printer send a frame every ``interval_s`` for ``seconds``, whatever became of the last one; blocks.

    Each begins at a moment of its own, drawn with a fixed seed. ``while_running`` is called once a second.
    """
    return asyncio.run(_by_the_clock(line, printers, _requests(jpegs), seconds, interval_s, while_running))


def fate_of(code: grpc.StatusCode, details: str | None) -> Fate:
    """Tell what a refused call means to a printer."""
    text = (details or "").lower()
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED or any(words in text for words in OVERLOAD):
        return "shed"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "late"
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL):
        return "down"
    return "refused"


def median(values: Sequence[float]) -> float:
    """Return the median, nan of nothing."""
    return statistics.median(values) if values else float("nan")


def _requests(jpegs: Sequence[bytes]) -> list[bytes]:
    return [oip.infer_request(jpeg) for jpeg in jpegs]


async def _closed_loop(line: Line, printers: int, requests: Sequence[bytes], seconds: float, transport: Transport) -> Load:
    channels = [line.channel() for _ in range(printers)]
    asks = [_asker(channel, line.headers(printer), transport) for printer, channel in enumerate(channels)]
    await asyncio.gather(*(ask(requests[0], DEADLINE_S) for ask in asks))  # connect before the clock counts
    started = time.monotonic()
    sent: list[Sent] = []

    async def keep_asking(printer: int) -> None:
        turn = printer
        while (due := time.monotonic()) < started + seconds:
            fate = await asks[printer](requests[turn % len(requests)], DEADLINE_S)
            sent.append(Sent(due - started, time.monotonic() - due, fate))
            turn += 1

    await asyncio.gather(*map(keep_asking, range(printers)))
    took = time.monotonic() - started
    await _hang_up(channels)
    return Load(took, sent)


async def _by_the_clock(
    line: Line,
    printers: int,
    requests: Sequence[bytes],
    seconds: float,
    interval_s: float,
    while_running: Callable[[], object],
) -> Load:
    rng = random.Random(0)
    channels = [line.channel() for _ in range(printers)]
    asks = [_asker(channel, line.headers(printer), "unary") for printer, channel in enumerate(channels)]
    phases = [rng.uniform(0.0, interval_s) for _ in range(printers)]
    started = time.monotonic()
    sent: list[Sent] = []
    waiting: set[asyncio.Task[None]] = set()

    async def send(printer: int, due_s: float, request: bytes) -> None:
        asked, fate = 1, await asks[printer](request, DEADLINE_S - RESERVED_S)
        left_s = started + due_s + DEADLINE_S - time.monotonic()
        if fate in ("shed", "down", "late") and left_s > 0.0:
            asked, fate = 2, await asks[printer](request, left_s)
        sent.append(Sent(due_s, time.monotonic() - started - due_s, fate, asked))

    async def print_on(printer: int) -> None:
        due_s, turn = phases[printer], printer
        while due_s < seconds:
            await asyncio.sleep(started + due_s - time.monotonic())
            task = asyncio.create_task(send(printer, due_s, requests[turn % len(requests)]))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            due_s, turn = due_s + interval_s, turn + 1

    async def look_around() -> None:
        while True:
            while_running()
            await asyncio.sleep(1.0)

    looking = asyncio.create_task(look_around())
    await asyncio.gather(*map(print_on, range(printers)))
    await asyncio.gather(*waiting)
    looking.cancel()
    await _hang_up(channels)
    return Load(seconds, sent)


def _asker(channel: grpc.aio.Channel, headers: tuple[tuple[str, str], ...], transport: Transport) -> Ask:
    return _stream_asker(channel, headers) if transport == "stream" else _unary_asker(channel, headers)


def _unary_asker(channel: grpc.aio.Channel, headers: tuple[tuple[str, str], ...]) -> Ask:
    call = channel.unary_unary(oip.INFER, request_serializer=bytes, response_deserializer=bytes)

    async def ask(request: bytes, seconds: float) -> Fate:
        try:
            return _checked(await call(request, timeout=seconds, metadata=headers))
        except grpc.aio.AioRpcError as error:
            return fate_of(error.code(), error.details())

    return ask


def _stream_asker(channel: grpc.aio.Channel, headers: tuple[tuple[str, str], ...]) -> Ask:
    call = channel.stream_stream(oip.STREAM_INFER, request_serializer=bytes, response_deserializer=bytes)(None, metadata=headers)

    async def ask(request: bytes, seconds: float) -> Fate:
        try:
            await call.write(request)
            message = await asyncio.wait_for(call.read(), seconds)
        except asyncio.TimeoutError:
            return "late"
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return "down"
        if not isinstance(message, bytes):
            return "down"
        error, answer = oip.stream_response(message)
        return fate_of(grpc.StatusCode.UNKNOWN, error) if error else _checked(answer)

    return ask


def _checked(answer: bytes) -> Fate:
    """An answer counts when the one output is in it that decides about prints."""
    try:
        return "answered" if FRAME_SCORE in oip.infer_response(answer) else "refused"
    except oip.AnswerMalformed:
        return "refused"


async def _hang_up(channels: Sequence[grpc.aio.Channel]) -> None:
    await asyncio.gather(*(channel.close(None) for channel in channels))
