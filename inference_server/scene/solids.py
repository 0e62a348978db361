"""Things with faces: boxes, rods, turned and extruded parts, shaded by one lamp and painted far to near."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference_server.scene.light import Colour, Light, shaded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_server.scene.camera import Camera

#: Corners of a box's six faces, counter-clockwise seen from outside; corner bits are x, y, z.
_BOX_FACES = np.array([[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]])
_BOX_CORNERS = np.array([[bit & 1, bit >> 1 & 1, bit >> 2 & 1] for bit in range(8)], dtype=np.float64)


@dataclass(frozen=True)
class Solid:
    """Faces (N, 4, 3) in mm, counter-clockwise from outside, each with a ``tone`` (N,), a factor on the colour."""

    faces: NDArray[np.float64]
    tone: NDArray[np.float64]

    def moved(self, rotation: NDArray[np.float64], pivot: NDArray[np.float64], shift: NDArray[np.float64]) -> Solid:
        """Return the solid turned by ``rotation`` (3, 3) around ``pivot`` (3,), then shifted by ``shift`` (3,) mm."""
        return Solid((self.faces - pivot) @ rotation.T + pivot + shift, self.tone)


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Solid:
    """Return the box between two corners, mm."""
    corners = np.asarray(low) + _BOX_CORNERS * (np.asarray(high) - np.asarray(low))
    return Solid(corners[_BOX_FACES], np.ones(6))


def stacked(outlines: NDArray[np.float64], levels: NDArray[np.float64], tones: NDArray[np.float64]) -> Solid:
    """Return the walls between ``outlines`` (L + 1, M, 2) at heights ``levels`` (L + 1,), with a tone for each layer (L,)."""
    rings = np.concatenate([outlines, np.broadcast_to(levels[:, None, None], (*outlines.shape[:2], 1))], axis=2)
    after = np.roll(rings, -1, axis=1)
    walls = np.stack([rings[:-1], after[:-1], after[1:], rings[1:]], axis=2)
    return Solid(walls.reshape(-1, 4, 3), np.repeat(tones, outlines.shape[1]))


def paint(picture: NDArray[np.uint8], solid: Solid, camera: Camera, light: Light, colour: Colour) -> None:
    """Paint the faces that look at the camera, the far ones first."""
    if len(solid.faces) == 0:
        return
    normals = np.cross(solid.faces[:, 1] - solid.faces[:, 0], solid.faces[:, 3] - solid.faces[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    middles = solid.faces.mean(axis=1)
    seen = np.flatnonzero(((camera.position - middles) * normals).sum(axis=1) > 0)
    seen = seen[np.argsort(-camera.depth(middles[seen]))]
    bright = light.on_faces(normals[seen]) * solid.tone[seen]
    pixels = np.round(camera.project(solid.faces[seen]) * 16).astype(np.int32)
    for corners, factor in zip(pixels, bright):
        cv2.fillConvexPoly(picture, corners, shaded(colour, float(factor)), cv2.LINE_8, 4)


def paint_polygon(picture: NDArray[np.uint8], points: NDArray[np.float64], camera: Camera, colour: Colour) -> None:
    """Paint one flat polygon (N, 3), convex or not, in one colour."""
    cv2.fillPoly(picture, [np.round(camera.project(points) * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def paint_rod(
    picture: NDArray[np.uint8], points: NDArray[np.float64], diameter_mm: float, camera: Camera, light: Light, colour: Colour
) -> None:
    """Paint a round rod or cable along ``points`` (N, 3), with a dark lower edge and a bright upper one."""
    width = diameter_mm * camera.pixels_per_mm(points.mean(axis=0))
    pixels = camera.project(points)
    bands = (
        (0.0, 1.0, 0.55),
        (-0.12, 0.72, light.ambient + 0.5 * light.diffuse),
        (-0.24, 0.28, light.ambient + 1.1 * light.diffuse),
    )
    for offset, share, factor in bands:
        line = np.round((pixels + (0.3 * offset * width, offset * width)) * 16).astype(np.int32)
        cv2.polylines(picture, [line], False, shaded(colour, factor), max(1, round(width * share)), cv2.LINE_AA, 4)


def paint_disc(
    picture: NDArray[np.uint8],
    centre: NDArray[np.float64],
    radius_mm: float,
    axes: tuple[NDArray[np.float64], NDArray[np.float64]],
    camera: Camera,
    colour: Colour,
) -> None:
    """Paint a flat disc that lies in the plane of the two unit vectors ``axes``."""
    angles = np.linspace(0, 2 * math.pi, 33)[:-1, None]
    paint_polygon(picture, centre + radius_mm * (np.cos(angles) * axes[0] + np.sin(angles) * axes[1]), camera, colour)


def turn(axis: NDArray[np.float64], angle_rad: float) -> NDArray[np.float64]:
    """Return the rotation matrix (3, 3) around a unit ``axis`` (Rodrigues' formula)."""
    return cv2.Rodrigues(np.asarray(axis, dtype=np.float64) * angle_rad)[0].astype(np.float64)
