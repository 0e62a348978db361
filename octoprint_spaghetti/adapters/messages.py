"""Messages on a stream socket, each behind its length: how the plugin talks to the detector's process. Bytes only, never pickles.

A process that reads pictures from a camera must not be able to make OctoPrint run what it likes; that is what a ``pickle``
read from it would allow, and with it ``multiprocessing`` and ``concurrent.futures``.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

_LENGTH = struct.Struct("!I")
#: More than the largest picture with its request; a length beyond it is garbage.
MOST_BYTES = 16_000_000
#: The parameter of an answer that holds the seconds of processor time it took.
CPU_SECONDS = "cpu_s"
_CHUNK = 1 << 16


class MessagesBroken(Exception):
    """The other side is gone, or did not keep to the lengths."""


class Messages:
    """One end of such a stream. What came of a message stays here until the rest has come, whatever times out meanwhile."""

    def __init__(self, stream: socket.socket, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Speak over ``stream``, a connected socket, which is closed with this object."""
        self._stream = stream
        self._monotonic = monotonic
        self._received = bytearray()

    def send(self, message: bytes, seconds: float | None) -> None:
        """Send one message; raises :class:`MessagesBroken`, also when it is not gone after ``seconds`` (None: no bound)."""
        try:
            self._stream.settimeout(seconds if seconds is None else max(0.001, seconds))
            self._stream.sendall(_LENGTH.pack(len(message)) + message)
        except OSError as error:  # half a message may be on its way, so a time-out is the end as well
            raise MessagesBroken(str(error)) from error

    def receive(self, seconds: float | None) -> bytes | None:
        """Return the next message, or None when it has not come after ``seconds`` (None: no bound).

        Raises :class:`MessagesBroken` when nothing more can come.
        """
        end = None if seconds is None else self._monotonic() + seconds
        while True:
            message = self._whole()
            if message is not None:
                return message
            left = None if end is None else end - self._monotonic()
            if left is not None and left <= 0.0:
                return None
            self._receive_some(left)

    def close(self) -> None:
        """Hang up; the other side reads the end of the stream."""
        self._stream.close()

    def _whole(self) -> bytes | None:
        if len(self._received) < _LENGTH.size:
            return None
        length = _LENGTH.unpack_from(self._received)[0]
        if length > MOST_BYTES:
            raise MessagesBroken(f"a message of {length} bytes")
        end = _LENGTH.size + length
        if len(self._received) < end:
            return None
        message = bytes(self._received[_LENGTH.size : end])
        del self._received[:end]
        return message

    def _receive_some(self, seconds: float | None) -> None:
        try:
            self._stream.settimeout(seconds)
            chunk = self._stream.recv(_CHUNK)
        except socket.timeout:
            return
        except OSError as error:
            raise MessagesBroken(str(error)) from error
        if not chunk:
            raise MessagesBroken("the other side hung up")
        self._received += chunk
