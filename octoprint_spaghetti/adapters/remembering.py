"""A detector that looks at a picture once: what it said before, it says again without looking."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from octoprint_spaghetti.adapters.score_cache import ScoreCache
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Answer, Frame, ProtectionLevel
from octoprint_spaghetti.ports import Detector


class RememberingDetector:
    """Asks ``cache`` first, and makes the detector behind it only when that does not know."""

    level = ProtectionLevel.LOCAL
    why = ""
    earliest_s = 0.0

    def __init__(self, build: Callable[[], Detector], identity: str, cache: ScoreCache) -> None:
        """Remember under ``identity``, which names the model or the server that looks."""
        self._build = build
        self._identity = identity
        self.cache = cache
        self._detector: Detector | None = None

    def key(self, content: bytes, region: str = "") -> str:
        """Return the name under which what is said of a picture with these bytes (or of a region of it) is remembered."""
        return f"{self._identity} {hashlib.blake2b(content, digest_size=16).hexdigest()}{region}"

    def look(self, frame: Frame, roi: Box | None = None) -> Answer:
        """Return what is seen in the frame or in the region ``roi`` of it, from memory if it was seen before.

        Raises :class:`DetectorError`.
        """
        key = self.key(frame.jpeg, "" if roi is None else f" {roi.xyxy}")
        known = self.cache.get(key)
        if known is not None:
            return known
        answer = self._behind().look(frame, roi)
        self.cache.put(key, answer)
        return answer

    def check(self) -> None:
        """Raise the :class:`DetectorError` that says why the detector could not look, if it could not."""
        self._behind().check()

    def close(self) -> None:
        """Hang up, and let go of the memory."""
        if self._detector is not None:
            self._detector.close()
        self.cache.close()

    def _behind(self) -> Detector:
        if self._detector is None:
            self._detector = self._build()
        return self._detector
