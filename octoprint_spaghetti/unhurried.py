"""A server as a shell asks it: nobody waits for the next picture, so one that has too much to do is asked again a little later.

A gateway lets each token ask 5 times a second, which a folder of pictures exceeds at once; a print asks a tenth of that. Not tenacity:
it would be a dependency of every installation, for six lines and the sake of a command.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from octoprint_spaghetti.core.errors import ServerOverloaded
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Answer, Frame, ProtectionLevel
from octoprint_spaghetti.ports import Detector

#: Seconds before each further try, half a minute in all.
PAUSES_S = (0.25, 0.5, 1.0, *(2.0 for _ in range(14)))


class Unhurried:
    """Asks another detector until it has time, for half a minute at most."""

    level = ProtectionLevel.REMOTE
    why = ""
    earliest_s = 0.0

    def __init__(self, detector: Detector, sleep: Callable[[float], object] = time.sleep) -> None:
        """Ask ``detector``; ``sleep`` waits."""
        self._detector = detector
        self._sleep = sleep

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Return what the detector sees; raises the :class:`DetectorError` of the last try."""
        for pause in PAUSES_S:
            try:
                return self._detector.look(frame, roi)
            except ServerOverloaded:
                self._sleep(pause)
        return self._detector.look(frame, roi)

    def check(self) -> None:
        """Raise the :class:`DetectorError` that says why the detector cannot look, if it cannot."""
        self._detector.check()

    def close(self) -> None:
        """Let it go."""
        self._detector.close()
