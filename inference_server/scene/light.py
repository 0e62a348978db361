"""One lamp and the light of the room: how bright a surface is, in every room of the scene the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """``direction`` (3,) unit vector towards the lamp; ``ambient`` and ``diffuse`` are shares of a surface's colour, 0 to 1."""

    direction: NDArray[np.float64]
    ambient: float
    diffuse: float

    def on_faces(self, normals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the brightness factor (...,) of surfaces with unit ``normals`` (..., 3); Lambert's law."""
        return self.ambient + self.diffuse * np.maximum(0.0, normals @ self.direction)

    def on_threads(self, tangents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the brightness factor (...,) of thin threads with unit ``tangents`` (..., 3).

        A thread is brightest across the light (Kajiya and Kay, "Rendering fur with three dimensional textures", 1989).
        """
        along = tangents @ self.direction
        return self.ambient + self.diffuse * np.sqrt(np.maximum(0.0, 1.0 - along * along))

    def glint_on_threads(self, tangents: NDArray[np.float64], view: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the highlight (...,), 0 to 1, of glossy threads seen along the unit vector ``view`` (same source)."""
        light, eye = tangents @ self.direction, tangents @ -view
        cosine = light * -eye + np.sqrt(np.maximum(0.0, 1 - light * light)) * np.sqrt(np.maximum(0.0, 1 - eye * eye))
        return np.maximum(0.0, cosine) ** 12

    def shadow_of(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where on the bed (z = 0) the shadows of ``points`` (..., 3) fall."""
        fallen = points - self.direction * (points[..., 2:] / self.direction[2])
        fallen[..., 2] = 0.0
        return fallen


def shaded(colour: Colour, factor: float) -> Colour:
    """Return ``colour`` (BGR, 0 to 255) times ``factor``, clipped to what a picture can hold."""
    return (min(255.0, colour[0] * factor), min(255.0, colour[1] * factor), min(255.0, colour[2] * factor))


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """Return ``colour`` with ``share`` (0 to 1) of ``other``."""
    return (
        colour[0] + (other[0] - colour[0]) * share,
        colour[1] + (other[1] - colour[1]) * share,
        colour[2] + (other[2] - colour[2]) * share,
    )
