"""From a handful of looks at a print to what the detector would say of it in every second of many hours.

A good print moves through its measured looks as a stationary block bootstrap does (Politis and Romano 1994): it dwells at one,
goes on to the next in time, and now and then jumps to another; so what belongs together stays together, and a print never
borrows a look from another. On top lies a noise with a memory, an AR(1) on the logit scale whose steps are drawn from the
measured deviations of looks from their print's mean, heavy tails and all. The measured looks hold that deviation already, so
it is counted twice, on the side of more false alarms.

The memory of the noise is assumed, not measured: frames of known spacing are 5 to 12 minutes apart. The default of 20 s is
near the judge's own smoothing, where noise does most harm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octoprint_spaghetti.core.words import Answer, Detection, Heatmap, Scene, Sighting
from simulation.measured import SCENE_FRAME_S, Kind, Look, Print

#: A look lasts so long on average, in seconds, and is followed by the next one in time but for one time in five.
DWELL_S, JUMPS = 120.0, 0.2
_LABEL, _SCENE, _NO_HEATMAP = "spaghetti", Scene(0.5, 0.5, 0.5), Heatmap(0, 0, b"")


@dataclass(frozen=True)
class Path:
    """A print second by second: ``noise`` (n,) logits added to look number ``look`` (n,) of ``looks``."""

    noise: NDArray[np.float64]
    look: NDArray[np.int64]
    looks: Sequence[Look]

    def __len__(self) -> int:
        """Return how many seconds there are."""
        return len(self.noise)

    def sighting(self, at: float) -> Sighting:
        """Return what would be seen at second ``at``."""
        second = int(at)
        look, shift = self.looks[self.look[second]], float(self.noise[second])
        boxes = tuple(Detection(box, _share(sure + shift), _LABEL) for box, sure in look.boxes)
        return Sighting(at, Answer(_share(look.logit + shift), boxes, _SCENE, _NO_HEATMAP, b"", "simulated"))


def deviations(prints: Sequence[Print]) -> NDArray[np.float64]:
    """Return how far looks lie from the mean of their print, in logits, corrected for the mean having been fitted."""
    return np.concatenate([_deviations(one) for one in prints if len(one.looks) > 1])


def _deviations(one: Print) -> NDArray[np.float64]:
    logits = np.array([look.logit for look in one.looks])
    return (logits - logits.mean()) * math.sqrt(len(logits) / (len(logits) - 1))


def good_path(one: Print, seconds: int, steps: NDArray[np.float64], memory_s: float, rng: np.random.Generator) -> Path:
    """Let a good print go on for ``seconds``."""
    return Path(_noise(seconds, steps, memory_s, rng), _dwelling(len(one.looks), seconds, rng), one.looks)


def failing_path(
    good: Path, onset: int, tangle: Print, steps: NDArray[np.float64], memory_s: float, rng: np.random.Generator
) -> Path:
    """Let a good print fail at second ``onset``: from then on the looks are those of ``tangle``.

    A rendered failure grows at its own pace; a photographed one is there at once, as it was when somebody took the picture.
    """
    after = len(good) - onset
    if tangle.kind is Kind.RENDERED:
        look = np.minimum(np.arange(after) // int(SCENE_FRAME_S), len(tangle.looks) - 1)
    else:
        look = _dwelling(len(tangle.looks), after, rng)
    return Path(
        np.concatenate((good.noise[:onset], _noise(after, steps, memory_s, rng))),
        np.concatenate((good.look[:onset], look + len(good.looks))),
        (*good.looks, *tangle.looks),
    )


def _dwelling(count: int, seconds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (seconds,) the number of the look that is shown."""
    stays = rng.geometric(1.0 / DWELL_S, size=int(seconds / DWELL_S * 2) + 20)
    moves = np.where(rng.random(len(stays)) < JUMPS, rng.integers(count, size=len(stays)), 1)
    numbers = (rng.integers(count) + np.cumsum(moves)) % count
    shown = np.repeat(numbers, stays)
    return shown[:seconds] if len(shown) >= seconds else np.resize(shown, seconds)


def _noise(seconds: int, steps: NDArray[np.float64], memory_s: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (seconds,) an AR(1) whose spread is that of ``steps`` and whose innovations are drawn from them."""
    keep = math.exp(-1.0 / memory_s)
    drawn = rng.choice(steps, size=seconds) * math.sqrt(1.0 - keep * keep)
    noise, value = np.empty(seconds), float(rng.choice(steps))
    for second, step in enumerate(drawn.tolist()):
        value = keep * value + step
        noise[second] = value
    return noise


def _share(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))
