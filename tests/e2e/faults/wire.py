"""A network cable that can be bent: a TCP proxy on loopback that forwards, slows, stalls, cuts, drops or refuses."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any

from tests.e2e.ports import held_port

LOOPBACK = "127.0.0.1"
_CHUNK = 65536
#: One step of the proxy's own; it is never busy for longer.
_STEP_S = 10.0


class Wire:
    """Forwards to ``target`` (host:port); a context manager whose faults may be set from any thread.

    A ``delay_s`` holds back all that the server sends. While ``open`` is clear nothing moves and nothing is closed, as behind
    a router that lost its power. After ``budget`` more bytes towards the server it stalls in the same way.
    """

    def __init__(self, target: str) -> None:
        """Prepare to lead to ``target``."""
        self.delay_s = 0.0
        self._home = self._target = target
        self._budget: int | None = None  # bytes that are still let through
        self._cut_after: int | None = None  # the budget of each connection, which is then reset instead of stalled
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._open = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._plug: list[socket.socket] = []
        self._place = held_port(LOOPBACK)
        self.port = self._place.getsockname()[1]

    def __enter__(self) -> Wire:
        self._thread.start()
        self.heal()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.refuse()
        self._run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STEP_S)
        self._loop.close()
        self._place.close()

    @property
    def address(self) -> str:
        """Where clients call: host:port."""
        return f"{LOOPBACK}:{self.port}"

    def lead_to(self, target: str) -> None:
        """Lead to another server; who is connected has to connect anew."""
        self._target = target
        self._run(self._drop_all())

    def lead_home(self) -> None:
        """Lead to the first server again."""
        self.lead_to(self._home)

    def heal(self) -> None:
        """Forward everything, at once, on the same port as ever."""
        self.delay_s, self._budget, self._cut_after = 0.0, None, None
        while self._plug:
            self._plug.pop().close()
        self._run(self._listen())

    def freeze(self) -> None:
        """Let nothing through any more, without closing anything; new connections are accepted and never answered."""
        self._run(self._shut())

    def stall_after(self, size: int) -> None:
        """Let ``size`` more bytes through to the server, then nothing."""
        self._cut_after, self._budget = None, size

    def cut_after(self, size: int) -> None:
        """Let ``size`` more bytes through to the server, then reset the connection; and again, with each new one."""
        self._cut_after = self._budget = size

    def refuse(self) -> None:
        """Listen no more and drop who is connected: connections are refused."""
        self._run(self._close())

    def drop(self) -> None:
        """Answer no connection any more, as a firewall that drops packets: a listening socket whose backlog is full."""
        self.refuse()
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        plug.bind((LOOPBACK, self.port))
        plug.listen(0)
        self._plug.append(plug)
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect((LOOPBACK, self.port))
            self._plug.append(waiting)

    # -- on the loop's thread ---------------------------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_STEP_S)

    async def _listen(self) -> None:
        self._open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, LOOPBACK, self.port, reuse_address=True)

    async def _shut(self) -> None:
        self._open.clear()

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._drop_all()

    async def _drop_all(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _leave(self) -> None:
        self._open.set()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._open.wait()
            host, _, port = self._target.rpartition(":")
            server_reader, server_writer = await asyncio.open_connection(host, int(port))
            self._writers.add(server_writer)
            try:
                await asyncio.gather(self._send_up(reader, server_writer), self._send_down(server_reader, writer))
            finally:
                self._writers.discard(server_writer)
                server_writer.transport.abort()
        except OSError:
            return  # whoever went first, the other one is told by the end of its connection
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _send_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self._budget is not None:
                allowed, data = data[: self._budget], data[self._budget :]
                self._budget -= len(allowed)
                writer.write(allowed)
                await writer.drain()
                if data and self._cut_after is not None:
                    self._budget = self._cut_after
                    raise ConnectionResetError
                while data and self._budget is not None:
                    await asyncio.sleep(0.05)
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one side has hung up: so does the other

    async def _send_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sender = asyncio.ensure_future(self._send_late(late, writer))
        try:
            while data := await reader.read(_CHUNK):
                late.put_nowait((self._loop.time() + self.delay_s, data))
            late.put_nowait((0.0, b""))
            await sender
        finally:
            sender.cancel()
        raise ConnectionResetError

    async def _send_late(self, late: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        """Pass on what is due, in order; nothing at all ends the connection once the rest has left."""
        while True:
            due, data = await late.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._open.wait()
            if not data:
                writer.close()
                await writer.wait_closed()
                return
            writer.write(data)
