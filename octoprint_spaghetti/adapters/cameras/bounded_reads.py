"""Reads that may hang, each on a thread of its own and never waited for beyond its time; their number is bounded.

A camera that trickles below a kilobyte a read gives nothing back to look at the clock for a minute and more: no time-out of
a library bounds that.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Union

from octoprint_spaghetti.core.errors import CameraTooSlow
from octoprint_spaghetti.core.sentence import say

#: What a camera may take for one picture, in all.
WHOLE_PICTURE_S = 6.0
#: Reads that may be stuck at the same time; the next picture gets a fresh one, for the camera may be well again.
MOST_READERS = 3
#: Bound on the wait for such a thread when the camera is let go; its socket's own time-out ends it.
_JOIN_S = 0.2

TOO_SLOW = say(
    "The camera hangs or needs more than %(seconds).0f s for one picture; restart it, or check its network.",
    seconds=WHOLE_PICTURE_S,
)

#: Tells a read whether its time is up.
TooLate = Callable[[], bool]
_Result = Union[bytes, Exception]


class BoundedReads:
    """Runs reads for one camera; belongs to one thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, seconds: float = WHOLE_PICTURE_S) -> None:
        """Run none yet; each gets so many ``seconds``."""
        self._monotonic = monotonic
        self._seconds = seconds
        self._readers: list[threading.Thread] = []

    def run(self, read: Callable[[TooLate], bytes]) -> bytes:
        """Return what ``read`` returns, within the seconds it gets; it is told when its time is up.

        Raises what it raises, and :class:`CameraTooSlow`.
        """
        self._readers = [reader for reader in self._readers if reader.is_alive()]
        if len(self._readers) >= MOST_READERS:
            raise CameraTooSlow(TOO_SLOW)
        end = self._monotonic() + self._seconds
        results: queue.SimpleQueue[_Result] = queue.SimpleQueue()

        def put() -> None:
            try:
                results.put(read(lambda: self._monotonic() > end))
            except Exception as error:  # noqa: BLE001 - raised again by who waits: one that ended here would look like a camera that hangs
                results.put(error)

        reader = threading.Thread(target=put, name="spaghetti-camera", daemon=True)
        self._readers.append(reader)
        reader.start()
        try:
            result = results.get(timeout=max(0.0, end - self._monotonic()))
        except queue.Empty:
            raise CameraTooSlow(TOO_SLOW) from None
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        """Wait a moment for reads that are still under way; they are daemons, and their own time-outs end them."""
        for reader in self._readers:
            reader.join(_JOIN_S)
