"""Render loose filament, and the straight, ordered things that are easily taken for it. Numpy and OpenCV only.

A tangle is a bundle of random walks whose *heading* drifts: a constant drift gives the coils of an extruder that prints
into the air, a noisy one a bird's nest. Everything is drawn into a layer with alpha at a larger scale and shrunk, because
filament in a webcam picture is thinner than a pixel. All randomness comes from the ``Generator`` that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]  # (H, W, 3)
    Colour = tuple[int, int, int]

#: Polylines are drawn in 1/16 pixel.
_SHIFT = 4
#: Longest side in pixels of the layer a tangle is drawn in.
_LAYER_PX = 224
#: Points along one strand.
_STEPS = 70


@dataclass(frozen=True)
class Layer:
    """Something drawn: ``colour`` float32 (h, w, 3), already multiplied by ``alpha`` float32 (h, w), 0 to 1."""

    colour: NDArray[np.float32]
    alpha: NDArray[np.float32]

    def resized(self, width: int, height: int) -> Layer:
        """Scale to ``width`` x ``height`` pixels."""
        how = cv2.INTER_AREA if width < self.alpha.shape[1] else cv2.INTER_LINEAR
        return Layer(
            cv2.resize(self.colour, (width, height), interpolation=how),
            cv2.resize(self.alpha, (width, height), interpolation=how),
        )

    def over(self, image: Image, left: int, top: int) -> None:
        """Draw this layer onto ``image`` in place with its corner at (``left``, ``top``); what sticks out is cut off."""
        rows, columns = self.alpha.shape
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + columns, image.shape[1]), min(top + rows, image.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        under = image[y0:y1, x0:x1]
        under[:] = np.clip(under * (1.0 - self.alpha[part][..., None]) + self.colour[part], 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Filament:
    """How a tangle looks: see the fields."""

    colour: Colour  # RGB
    strands: int  # 6 (a start) to 80 (a nest)
    thickness: float  # of a strand, in 1/100 of the tangle's longest side
    coil: float  # mean turn per step in radians: 0 wanders, 0.35 coils
    wander: float  # spread of the turn per step in radians
    shine: float = 0.4  # strength of the light stripe along each strand, 0 to 1
    shadow: float = 0.4  # darkness of the shadow on what lies below, 0 to 1

    @classmethod
    def random(cls, rng: np.random.Generator) -> Filament:
        """Draw a filament and a way to fail."""
        return cls(
            colour=random_colour(rng),
            strands=int(np.exp(rng.uniform(np.log(5), np.log(70)))),
            thickness=float(np.exp(rng.uniform(np.log(0.7), np.log(4.0)))),
            coil=float(rng.choice([0.0, 0.1, 0.25, 0.4])),
            wander=float(rng.uniform(0.08, 0.5)),
            shine=float(rng.uniform(0.0, 0.7)),
            shadow=float(rng.uniform(0.0, 0.7)),
        )


def fainter(filament: Filament, behind: Colour, contrast: float) -> Filament:
    """Return ``filament`` with only ``contrast`` (0 to 1) of its difference in colour to what lies ``behind`` it, and less shine."""
    red, green, blue = (round(b + contrast * (c - b)) for b, c in zip(behind, filament.colour, strict=True))
    return replace(filament, colour=(red, green, blue), shine=filament.shine * contrast, shadow=filament.shadow * 0.7)


def random_colour(rng: np.random.Generator) -> Colour:
    """Draw a filament colour (RGB): every third is white, grey or black, the others have any hue."""
    if rng.random() < 0.4:
        grey = int(rng.choice([30, 70, 120, 180, 220, 245]) + rng.integers(-15, 11))
        return (grey, grey, grey)
    hsv = np.array([[[rng.integers(180), rng.integers(90, 256), rng.integers(70, 256)]]], dtype=np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return (red, green, blue)


def draw_tangle(
    rng: np.random.Generator, image: Image, box_px: tuple[int, int, int, int], filament: Filament | None = None
) -> Image:
    """Draw a tangle into ``image`` (H, W, 3) in place so that it about fills ``box_px`` (left, top, right, bottom).

    Returns a mask uint8 (H, W): 255 where filament lies or is close by.
    """
    filament = filament or Filament.random(rng)
    left, top, right, bottom = box_px
    width, height = max(right - left, 4), max(bottom - top, 4)
    layer, shade = tangle_layer(rng, width, height, filament)
    drop = max(1, round(0.03 * max(width, height)))
    Layer(np.zeros_like(layer.colour), shade).over(image, left + drop, top + drop)
    layer.over(image, left, top)
    mask = np.zeros(image.shape[:2], dtype=np.uint8)
    reach = 2 * max(1, max(width, height) // 24) + 1
    near = cv2.dilate(layer.alpha, np.ones((reach, reach), np.uint8))
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, mask.shape[1]), min(top + height, mask.shape[0])
    if x0 < x1 and y0 < y1:  # thin strands cover little of a cell and still fill it
        mask[y0:y1, x0:x1] = (np.clip(near * 3, 0, 1)[y0 - top : y1 - top, x0 - left : x1 - left] * 255).astype(np.uint8)
    return mask


def tangle_layer(rng: np.random.Generator, width: int, height: int, filament: Filament) -> tuple[Layer, NDArray[np.float32]]:
    """Draw a tangle of ``width`` x ``height`` pixels; returns it and the alpha of its soft shadow, same size."""
    scale = _LAYER_PX / max(width, height)
    columns, rows = max(8, round(width * scale)), max(8, round(height * scale))
    colour = np.zeros((rows, columns, 3), dtype=np.uint8)
    cover = np.zeros((rows, columns), dtype=np.uint8)
    paths = wandering(rng, filament, columns, rows)
    thick = max(1, round(filament.thickness / 100 * _LAYER_PX))
    base = np.array(filament.colour, dtype=np.float64)
    # Lower strands lie in the shade of the upper ones; later ones are drawn on top and are brighter.
    light = np.linspace(rng.uniform(0.35, 0.8), 1.1, len(paths)) + rng.normal(0, 0.08, len(paths))
    for path, lit in zip(np.round(paths * (1 << _SHIFT)).astype(np.int32), light):
        _line(colour, path, np.clip(base * lit * 0.55, 0, 255), thick + (2 if thick > 2 else 0))
        _line(colour, path, np.clip(base * lit, 0, 255), thick)
        if thick > 1 and filament.shine:
            _line(
                colour,
                path - (1 << _SHIFT) * thick // 5,
                np.clip(base * lit + 255 * filament.shine * 0.6, 0, 255),
                max(1, thick // 3),
            )
        _line(cover, path, (255,), thick + (2 if thick > 2 else 0))
    alpha = cover.astype(np.float32) / 255.0
    layer = Layer(colour.astype(np.float32), alpha).resized(width, height)
    blur = 0.03 * max(width, height) + 0.3
    return layer, cv2.GaussianBlur(layer.alpha, (0, 0), blur) * np.float32(filament.shadow)


def wandering(rng: np.random.Generator, filament: Filament, columns: int, rows: int) -> NDArray[np.float64]:
    """Walk ``filament.strands`` strands inside the ellipse that fills ``columns`` x ``rows``; returns (strands, steps, 2) x, y."""
    count = filament.strands
    centre, half = np.array([columns / 2, rows / 2]), np.array([columns / 2, rows / 2]) * 0.94
    angle, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count)) * rng.uniform(0.5, 0.95)
    at = centre + half * np.stack((np.cos(angle), np.sin(angle)), 1) * radius[:, None]
    heading = rng.uniform(0, 2 * np.pi, count)
    turn = filament.coil * rng.choice([-1, 1], count) * rng.uniform(0.5, 1.5, count)
    step = max(columns, rows) * np.exp(rng.uniform(np.log(0.02), np.log(0.06)))
    path = np.empty((count, _STEPS, 2))
    lobes = rng.normal(0, 0.16, 4) * (rng.random() < 0.8)
    phases = rng.uniform(0, 2 * np.pi, 4)
    # A tangle that is flatter than wide keeps its strands flat as well.
    flat = half / half.max()
    for index in range(_STEPS):
        path[:, index] = at
        turn += rng.normal(0, filament.wander * 0.3, count) - 0.05 * turn
        heading = heading + turn + rng.normal(0, filament.wander, count)
        out = (at - centre) / half
        reach = _reach(out, lobes, phases)
        leaving = (out**2).sum(1) > 0.85 * reach[:, 0] ** 2
        inward = np.arctan2(-out[:, 1], -out[:, 0])
        heading = np.where(leaving, heading + 0.6 * np.sin(inward - heading), heading)
        at = at + step * np.stack((np.cos(heading), np.sin(heading)), 1) * flat
        out = (at - centre) / half
        far = np.maximum(np.sqrt((out**2).sum(1, keepdims=True)) / _reach(out, lobes, phases), 1.0)
        at = centre + (at - centre) / far
    return path


def _reach(out: NDArray[np.float64], lobes: NDArray[np.float64], phases: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 1) how far a tangle reaches towards each of ``out`` (n, 2), 0.35 to 1: no heap of filament is a disc."""
    towards = np.arctan2(out[:, 1], out[:, 0])[:, None]
    waves = (lobes * np.cos(np.arange(1, 5) * towards + phases)).sum(1, keepdims=True)
    return np.clip(1 - 0.5 * np.abs(lobes).sum() + waves, 0.35, 1.0)


def _line(canvas: Image, path: NDArray[np.int32], colour: NDArray[np.float64] | tuple[int], thickness: int) -> None:
    cv2.polylines(canvas, [path.reshape(-1, 1, 2)], False, tuple(float(c) for c in colour), thickness, cv2.LINE_AA, _SHIFT)
