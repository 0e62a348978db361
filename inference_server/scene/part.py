"""The part that is being printed: its outline at every height, and how far up it has grown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from inference_server.scene.solids import Solid, stacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_server.scene.look import Look

#: Height of a drawn layer, mm; real ones are about a third of that and would not show at a webcam's resolution.
LAYER_MM = 0.7
_CORNERS = 72


def outline(look: Look, height_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part's outline (len(height_mm), M, 2) in mm on the bed, counter-clockwise from above."""
    angle = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)[None, :]
    height = np.asarray(height_mm, dtype=np.float64)[:, None]
    radius = look.radius_mm * np.broadcast_to(1.0 + 0.0 * angle, (len(height), _CORNERS))
    if look.shape == "vase":
        radius = radius * (1 + 0.22 * np.sin(height / 16)) * (1 + 0.07 * np.cos(6 * (angle + height / 45)))
    elif look.shape == "gear":
        radius = radius * (1 + 0.11 * np.tanh(3 * np.cos(12 * angle)))
    elif look.shape == "box":
        radius = radius * 0.95 / np.maximum(np.abs(np.cos(angle)), np.abs(np.sin(angle)) / 0.8) ** 0.92
    else:
        radius = radius * 0.8 * (1 - 0.004 * height)
    return np.stack([look.centre[0] + radius * np.cos(angle), look.centre[1] + radius * np.sin(angle)], axis=2)


def walls(look: Look, height_mm: float, tones: NDArray[np.float64]) -> Solid:
    """Return the part's walls up to ``height_mm``; ``tones`` (any length) make each layer a little lighter or darker."""
    layers = max(1, round(height_mm / LAYER_MM))
    levels = np.linspace(0.0, height_mm, layers + 1)
    return stacked(outline(look, levels), levels, np.resize(tones, layers))


def top(look: Look, height_mm: float) -> NDArray[np.float64]:
    """Return the polygon (M, 3) of the part's upper face."""
    edge = outline(look, np.array([height_mm]))[0]
    return np.concatenate([edge, np.full((len(edge), 1), height_mm)], axis=1)
