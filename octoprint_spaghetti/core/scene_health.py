"""Whether a picture can be judged at all. A scene that cannot is no evidence, for or against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

from octoprint_spaghetti.core.sentence import say
from octoprint_spaghetti.core.words import Scene

#: Of 1,500 photographs and webcam frames of prints, the darkest had a mean luma of 0.05 and the brightest of 0.94; the flattest
#: a contrast of 0.14, the softest a sharpness of 0.08. The limits lie beyond them, so that a poor camera is not called blind.
DARKEST, BRIGHTEST, FLATTEST, SOFTEST = 0.04, 0.96, 0.06, 0.03

MOVED = say("The camera was moved, or something stands in front of it.")
LIGHT = say("The light has just changed.")


def problem(scene: Scene) -> str:
    """Return what keeps this picture from being judged, as a sentence, or an empty string."""
    if scene.brightness < DARKEST:
        return say("The picture is too dark to see the print; switch a light on.")
    if scene.brightness > BRIGHTEST:
        return say("The picture is over-exposed; lower the camera's exposure or the light.")
    if scene.contrast < FLATTEST:
        return say("The camera sees a plain surface; something may cover it.")
    if scene.sharpness < SOFTEST:
        return say("The picture is blurred; clean or focus the camera.")
    return ""


@dataclass(frozen=True)
class Steadiness:
    """When a change of the whole picture counts, see ``Patience``: two shares of 1, and seconds."""

    moved_below: float
    moved_for: float
    light_step: float
    settle: float


@dataclass(frozen=True)
class SceneMemory:
    """What the camera saw before: its last ``thumbnail`` and ``brightness`` (None before the first), the thumbnail it is
    measured against while it seems to have moved, since when it does, and until when nothing is decided (seconds).
    """

    thumbnail: bytes = b""
    brightness: float | None = None
    strange_since: float | None = None
    unsettled_until: float | None = None
    why: str = ""
    moves: int = 0


def follow(memory: SceneMemory, thumbnail: bytes, brightness: float, at: float, limits: Steadiness) -> SceneMemory:
    """Compare a picture with the ones before; ``why`` of the result says what keeps it from being judged, or nothing.

    A light is a step of brightness between two frames. A move is a picture unlike the one before it for ``moved_for``
    seconds; shorter, it was a hand. After either, nothing is decided for ``settle`` seconds. ``moves`` counts the moves.
    """
    unsettled = memory.unsettled_until is not None and at < memory.unsettled_until
    until, why = (memory.unsettled_until, memory.why) if unsettled else (None, "")
    if memory.brightness is not None and abs(brightness - memory.brightness) >= limits.light_step:
        return SceneMemory(thumbnail, brightness, None, at + limits.settle, LIGHT, memory.moves)
    if not memory.thumbnail or likeness(memory.thumbnail, thumbnail) >= limits.moved_below:
        return SceneMemory(thumbnail or memory.thumbnail, brightness, None, until, why, memory.moves)
    since = memory.strange_since if memory.strange_since is not None else at
    if at - since < limits.moved_for:  # what it is measured against stays the picture before
        return SceneMemory(memory.thumbnail, brightness, since, until, why, memory.moves)
    return SceneMemory(thumbnail, brightness, None, at + limits.settle, MOVED, memory.moves + 1)


def likeness(a: bytes, b: bytes) -> float:
    """Return how alike two thumbnails are, whatever the light: their correlation, 1 (the same) to -1; 1 when one is empty or flat.

    A flat picture says nothing about where the camera looks; that it is flat is found elsewhere.
    """
    if a == b or not a or len(a) != len(b):
        return 1.0
    spread = _covariance(a, a) * _covariance(b, b)
    return _covariance(a, b) / math.sqrt(spread) if spread > 0 else 1.0


@lru_cache(maxsize=8)  # all rules that watch a print see the same pictures, and each is compared with the next one
def _covariance(a: bytes, b: bytes) -> int:
    """Return the covariance of two thumbnails of one length, times the square of that length."""
    products: int = sum(map(mul, a, b))
    return len(a) * products - sum(a) * sum(b)
