"""A pinhole camera: millimetres in the printer to pixels in the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: World coordinates are millimetres: x to the right, y away from the viewer, z up; the bed is z = 0.
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Camera:
    """Where the camera is and how it sees.

    ``position`` (3,) mm; ``rotation`` (3, 3) world to camera (x right, y down, z forward); ``focal_px`` and ``centre_px`` in pixels.
    """

    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    focal_px: float
    centre_px: tuple[float, float]

    @classmethod
    def looking_at(
        cls,
        target: NDArray[np.float64],
        azimuth_deg: float,
        elevation_deg: float,
        distance_mm: float,
        field_deg: float,
        size_wh: tuple[int, int],
    ) -> Camera:
        """Place a camera around ``target``; azimuth 0 looks along +y, elevation is above the bed, ``field_deg`` is the width's angle."""
        azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
        forward = np.array(
            [math.sin(azimuth) * math.cos(elevation), math.cos(azimuth) * math.cos(elevation), -math.sin(elevation)]
        )
        right = np.cross(forward, UP)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        focal = size_wh[0] / 2 / math.tan(math.radians(field_deg) / 2)
        return cls(target - forward * distance_mm, rotation, focal, (size_wh[0] / 2, size_wh[1] / 2))

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return pixels (..., 2) of world points (..., 3); points behind the camera are drawn at its near plane."""
        seen = (points - self.position) @ self.rotation.T
        return seen[..., :2] * (self.focal_px / np.maximum(seen[..., 2:], 1.0)) + np.asarray(self.centre_px)

    def depth(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distance in mm along the viewing direction (...,) of world points (..., 3)."""
        return (points - self.position) @ self.rotation[2]

    def pixels_per_mm(self, point: NDArray[np.float64]) -> float:
        """Return how many pixels one millimetre takes at ``point`` (3,)."""
        return self.focal_px / max(1.0, float(self.depth(point)))
