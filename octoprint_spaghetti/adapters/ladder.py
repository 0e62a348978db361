"""The server, and below it this computer: a picture that one cannot look at is looked at by the other, at once."""

from __future__ import annotations

import time
from collections.abc import Callable

from octoprint_spaghetti.core import protection
from octoprint_spaghetti.core.errors import DetectorError, PictureRefused, anew
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.sentence import joined, say
from octoprint_spaghetti.core.words import Answer, Frame, ProtectionLevel
from octoprint_spaghetti.ports import Detector

#: The server's share of a picture's deadline; the rest is this computer's, so that both together never take longer.
SERVER_SHARE = 0.6
#: This computer's detector is let go when it was not needed for so long.
_IDLE_S = 600.0


class Ladder:
    """Asks the server while it can be relied on, and this computer otherwise; each keeps to a deadline of its own.

    A server that is away is tried again with a picture every now and then, never by itself: while it is, its answer is as
    good as one of this computer, and what it cannot look at is looked at here.
    """

    def __init__(
        self,
        server: Detector,
        here: Detector,
        *,
        spare_memory: Callable[[], object] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Stand on ``server`` first; while it looks, ``spare_memory`` is called, which lets ``here`` go when memory is short."""
        self._server = server
        self._here = here
        self._spare_memory = spare_memory
        self._monotonic = monotonic
        self._footing = protection.begin(monotonic())
        self._needed_at: float | None = None  # when this computer was last asked to look

    @property
    def level(self) -> ProtectionLevel:
        """Return who can be relied on."""
        return self._footing.level

    @property
    def why(self) -> str:
        """Return why the server does not look, or an empty string."""
        return self._footing.why

    @property
    def earliest_s(self) -> float:
        """Return what this computer needs to keep to its share; the server looks at any time."""
        asks_server = protection.asks_server_first(self._footing, self._monotonic())
        return 0.0 if asks_server and not self._footing.failures else self._here.earliest_s

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Return what the first of the two sees that can look; blocks for both deadlines at most.

        A second look, at a region of a picture, is the first one's alone: that nobody takes it says nothing of who can look.
        Raises the :class:`DetectorError` of the one that was asked first, with the sentences of both.
        """
        server_first = protection.asks_server_first(self._footing, self._monotonic())
        first, second = (self._server, self._here) if server_first else (self._here, self._server)
        try:
            answer = self._ask(first, frame, roi)
        except DetectorError as error:
            if roi is not None:
                raise
            return self._ask_second(second, frame, error)
        self._looked(first)
        return answer

    def check(self) -> None:
        """Raise the :class:`DetectorError` that says why the server could not look, if it could not."""
        self._server.check()

    def close(self) -> None:
        """Let both go."""
        self._server.close()
        self._here.close()

    def _ask(self, detector: Detector, frame: Frame, roi: Box | None) -> Answer:
        if detector is self._here:
            self._needed_at = self._monotonic()
        return detector.look(frame, roi)

    def _ask_second(self, second: Detector, frame: Frame, problem: DetectorError) -> Answer:
        try:
            answer = self._ask(second, frame, None)
        except DetectorError as error:
            if isinstance(error, PictureRefused) and isinstance(problem, PictureRefused):
                raise  # the picture is to blame, and nobody's footing changes
            both = joined((str(problem), str(error)))
            now = self._monotonic()
            server_says = str(error if second is self._server else problem)
            self._footing = protection.nobody_looked(protection.server_failed(self._footing, server_says, now), both, now)
            raise type(problem)(both) from error
        if second is self._here:
            why = say("%(problem)s This computer looks meanwhile.", problem=problem)
            self._footing = protection.server_failed(self._footing, why, self._monotonic())
        self._looked(second)
        return answer

    def _looked(self, detector: Detector) -> None:
        now = self._monotonic()
        if detector is self._here:
            self._footing = protection.looked_here(self._footing, now)
            return
        self._footing = protection.server_answered(self._footing, now)
        self._spare_memory()
        if self._needed_at is not None and now - self._needed_at >= _IDLE_S:
            self._needed_at = None
            self._here.close()


class AbsentDetector:
    """Stands for a server that cannot even be asked: no address, no certificate, no gRPC."""

    level = ProtectionLevel.UNPROTECTED
    earliest_s = 0.0

    def __init__(self, problem: DetectorError) -> None:
        """Remember why."""
        self._problem = problem
        self.why = str(problem)

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Raise the problem."""
        raise anew(self._problem)

    def check(self) -> None:
        """Raise the problem."""
        raise anew(self._problem)

    def close(self) -> None:
        """Hold nothing."""
