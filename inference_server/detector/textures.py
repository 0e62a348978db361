"""Pictures that show no printer at all, drawn: a camera that fell over sees a window, a poster or a screen.

Noise of many scales in made-up colours, in bands and patches: clouds, leaves, ripples and veins to a network, spaghetti to nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Grey = NDArray[np.float32]

#: Cells of the coarsest noise along a side, and how often each next one is finer.
COARSEST, LACUNARITY = 3, 2.0


def draw_texture(rng: np.random.Generator, size: int) -> Image:
    """Draw one picture (size, size, 3) RGB of one to three materials that meet along uneven borders."""
    picture = _material(rng, size)
    for _ in range(int(rng.integers(0, 3))):
        border = _fractal(rng, size, persistence=0.4) + _slope(rng, size)
        inside = cv2.GaussianBlur((border > np.quantile(border, rng.uniform(0.3, 0.7))).astype(np.float32), (0, 0), 0.8)
        picture = picture * (1 - inside[..., None]) + _material(rng, size) * inside[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def _material(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Colour noise of random roughness; ripples are drawn out along one side, veins are the noise folded at its middle."""
    noise = _fractal(rng, size, float(rng.uniform(0.35, 0.85)), float(np.exp(rng.normal(0, 0.8))))
    if rng.random() < 0.4:
        noise = 1.0 - np.abs(2.0 * noise - 1.0)
    noise = np.clip(noise + 0.5 * float(rng.random()) * _slope(rng, size), 0, 1)
    stops = int(rng.integers(2, 6))
    at = np.sort(rng.random(stops))
    hue = rng.uniform(0, 180) + rng.normal(0, rng.choice([8.0, 40.0]), stops)
    hsv = np.stack((hue % 180, rng.uniform(0, 255, stops), rng.uniform(0, 255, stops)), -1).astype(np.uint8)
    palette = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0].astype(np.float32)
    return np.stack([np.interp(noise, at, palette[:, channel]) for channel in range(3)], -1).astype(np.float32)


def _fractal(rng: np.random.Generator, size: int, persistence: float, drawn_out: float = 1.0) -> Grey:
    """Return (size, size) noise from 0 to 1: finer and finer grids, each ``persistence`` as strong as the one before."""
    total, cells, strength = np.zeros((size, size), np.float32), float(COARSEST), 1.0
    while cells < size / 2:
        grid = rng.random((max(2, round(cells * drawn_out)), max(2, round(cells / drawn_out))), np.float32)
        total += strength * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        cells, strength = cells * LACUNARITY, strength * persistence
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def _slope(rng: np.random.Generator, size: int) -> Grey:
    """Return (size, size) a plane from -1 to 1 that rises in a random direction, mostly up or down as a horizon does."""
    turn = rng.choice([0.5, 1.5]) * np.pi + rng.normal(0, 0.4)
    line = np.linspace(-1, 1, size, dtype=np.float32)
    return (np.cos(turn) * line[None, :] + np.sin(turn) * line[:, None]).astype(np.float32)
