"""A small language for making prints: what the detector would say of them, second by second, with realistic noise.

A story is told phase by phase and ends as a recording. Scores wander around their level as real ones do: on the logit scale, with
a memory of some seconds, from a seed. Frames of real good prints deviate from their print's mean by 0.35 (20 recordings
of an enclosure) to 0.65 logits (10 prints, minutes apart), rendered ones by 0.3 to 0.8.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.policies import PrintEvent
from octoprint_spaghetti.core.recording import Lost, Recording, Row, Seen, Told
from octoprint_spaghetti.core.words import Answer, Detection, Heatmap, Scene, Sighting

#: Spread of a score around its level, in logits.
NOISE_LOGIT = 0.5
#: How long a deviation lasts, in seconds. Neighbouring frames of rendered good prints, 7 s apart, have a correlation of 0.1, those of
#: real recordings none. A deviation that lasts as long as the judge smooths, 20 s and more, is the hardest noise.
MEMORY_S, HARD_MEMORY_S = 5.0, 20.0
#: Below this score the detector draws no box worth keeping.
LEAST_BOX = 0.1

DAYLIGHT = Scene(0.50, 0.45, 0.40)
DIM = Scene(0.12, 0.30, 0.25)
DARK = Scene(0.02, 0.08, 0.05)
OVEREXPOSED = Scene(0.98, 0.10, 0.10)
COVERED = Scene(0.30, 0.02, 0.02)
BLURRED = Scene(0.50, 0.30, 0.01)

PART = Box(0.35, 0.40, 0.65, 0.80)
TANGLE = Box(0.40, 0.45, 0.62, 0.70)
ELSEWHERE = Box(0.05, 0.60, 0.25, 0.80)
CABLE = Box(0.70, 0.00, 0.78, 0.50)
CORNER = Box(0.02, 0.02, 0.12, 0.10)

#: A level that changes with the seconds of a phase, or stays.
Level = float | Callable[[float], float]
#: A place that changes with the number of the frame, stays, or is not told.
Place = Box | Callable[[int], Box | None] | None


@dataclass(frozen=True)
class Noise:
    """What makes two tellings of a story differ: the seed of chance, and how long a deviation lasts, in seconds."""

    seed: int
    memory_s: float = MEMORY_S


class Story:
    """A print in the making; each phase is told after the one before, and time goes on by itself."""

    def __init__(self, noise: Noise, interval: float = 5.0, *, extrudes: bool = True, layer_s: float | None = 60.0) -> None:
        """Begin at second 0 with a frame each ``interval`` seconds and a new layer each ``layer_s``; None: not known."""
        self._chance = random.Random(noise.seed)
        self._memory_s = noise.memory_s
        self._views = [_view(noise.seed * 1000 + number) for number in range(2)]
        self._interval = interval
        self._layer_s = layer_s
        self._rows: list[Row] = []
        self._drift = 0.0
        self._frames = 0
        self.at = 0.0
        self.scene = DAYLIGHT
        self.view = 0
        self.detector = "story"
        if extrudes:
            self.tell(PrintEvent.EXTRUSION_BEGAN)

    def tell(self, event: PrintEvent) -> Story:
        """Let something happen to the print now."""
        self._rows.append(Told(event, self.at))
        return self

    def good(self, seconds: float, level: float = 0.03) -> Story:
        """Print on as a good print does, with scores around ``level``."""
        return self.shows(seconds, level, PART)

    def fails(self, seconds: float, level: Level = 0.95, place: Place = TANGLE) -> Story:
        """Show a tangle, in the place where tangles are in these stories."""
        return self.shows(seconds, level, place)

    def shows(
        self,
        seconds: float,
        level: Level,
        place: Place,
        *,
        every: int = 1,
        otherwise: float = 0.03,
        scene: Scene | None = None,
        busy: str = "",
    ) -> Story:
        """Show scores around ``level`` in each ``every``-th frame, and around ``otherwise`` in the rest."""
        begun, number = self.at, 0
        while self.at < begun + seconds:
            now = level(self.at - begun) if callable(level) else level
            shown = number % every == 0
            where = place(number) if callable(place) else place
            self._see(now if shown else otherwise, where if shown else PART, scene or self.scene, busy)
            number += 1
        return self

    def lost(self, seconds: float, why: str = "Nothing answers at 192.0.2.7:8001; is the server on?") -> Story:
        """Give no answer for a while."""
        self._rows.append(Lost(why, self.at))
        self.at += seconds
        return self

    def looks(self, **changes: object) -> Story:
        """Change how the picture looks from here on: ``scene``, ``view`` (0 or 1: the camera was moved), ``detector``."""
        for name, value in changes.items():
            setattr(self, name, value)
        return self

    def each(self, interval: float) -> Story:
        """Look each ``interval`` seconds from here on."""
        self._interval = interval
        return self

    def clock(self, seconds: float) -> Story:
        """Let the clock jump by ``seconds``, back if negative."""
        self.at += seconds
        return self

    def end(self) -> Recording:
        """Return the print, which goes on after a pause: what came after is told."""
        return Recording(tuple(self._rows), 0.0, goes_on=True)

    def _see(self, level: float, place: Box | None, scene: Scene, busy: str) -> None:
        score = self._noisy(level)
        boxes = () if place is None or score < LEAST_BOX else (Detection(self._jittered(place), score, "spaghetti"),)
        answer = Answer(score, boxes, self._flickering(scene), Heatmap(0, 0, b""), self._views[self.view], self.detector)
        layer = None if self._layer_s is None else 1 + int(self.at // self._layer_s)
        self._frames += 1
        self._rows.append(Seen(self._frames, Sighting(self.at, answer, layer, busy=busy)))
        self.at += self._interval

    def _noisy(self, level: float) -> float:
        keep = math.exp(-self._interval / self._memory_s)
        self._drift = keep * self._drift + math.sqrt(1.0 - keep * keep) * self._chance.gauss(0.0, NOISE_LOGIT)
        inside = min(max(level, 1e-3), 1.0 - 1e-3)
        return 1.0 / (1.0 + math.exp(-(math.log(inside / (1.0 - inside)) + self._drift)))

    def _jittered(self, box: Box) -> Box:
        size = 0.05 * min(box.right - box.left, box.bottom - box.top)
        left, top, right, bottom = (min(1.0, max(0.0, value + self._chance.gauss(0.0, size))) for value in box.xyxy)
        return Box(left, top, right, bottom) if left < right and top < bottom else box

    def _flickering(self, scene: Scene) -> Scene:
        return replace(scene, brightness=min(1.0, max(0.0, scene.brightness + self._chance.gauss(0.0, 0.004))))


def rising(start: float, end: float, seconds: float) -> Callable[[float], float]:
    """Return a level that rises (or falls) evenly from ``start`` to ``end`` and stays there."""
    return lambda passed: start + (end - start) * min(1.0, passed / seconds)


def growing(first: Box, last: Box, frames: int) -> Callable[[int], Box]:
    """Return a place that grows, or moves, evenly from one box to another."""

    def place(number: int) -> Box:
        share = min(1.0, number / frames)
        return Box(*(a + (b - a) * share for a, b in zip(first.xyxy, last.xyxy)))

    return place


def hopping(seed: int) -> Callable[[int], Box]:
    """Return a place that is somewhere else in each frame, as reflections on a moving head are."""

    def place(number: int) -> Box:
        chance = random.Random(seed * 10_000 + number)
        left, top = 0.85 * chance.random(), 0.85 * chance.random()
        return Box(left, top, left + 0.12, top + 0.12)

    return place


def _view(seed: int) -> bytes:
    """Return a thumbnail, 24 x 32: a few soft blobs that no other seed has."""
    chance = random.Random(seed)
    blobs = [(chance.uniform(0, 32), chance.uniform(0, 24), chance.uniform(3, 8), chance.uniform(-90, 90)) for _ in range(6)]
    return bytes(_luma(blobs, column, row) for row in range(24) for column in range(32))


def _luma(blobs: list[tuple[float, float, float, float]], column: int, row: int) -> int:
    light = sum(tone * math.exp(-((column - x) ** 2 + (row - y) ** 2) / (2.0 * size * size)) for x, y, size, tone in blobs)
    return min(255, max(0, round(128 + light)))
