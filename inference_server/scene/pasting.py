"""A tangle put into a picture that shows none, for a fire drill: does anybody notice?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference_server.scene.camera import Camera
from inference_server.scene.light import Colour, Light
from inference_server.scene.look import FILAMENTS
from inference_server.scene.tangle import STEP_MM, box_around, draw_shadow, draw_strand, fall

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A camera far enough away for a tangle's perspective to look like a webcam's.
_DISTANCE_MM, _FIELD_DEG = 280.0, 50.0
#: Filament in a pasted tangle, from a small knot to a nest, mm.
_LENGTH_MM = (1500.0, 7000.0)
#: Radius of the ring over which the nozzle moves, mm.
_RING_MM = 16.0
#: Mean of a well-lit webcam picture, 0 to 255.
_DAYLIGHT = 110.0


def paste_tangle(
    rng: np.random.Generator,
    frame_bgr: NDArray[np.uint8],
    centre_fraction: tuple[float, float],
    radius_fraction: float,
    colour: Colour | None = None,
) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    """Draw a tangle of loose filament on a copy of ``frame_bgr`` (uint8, BGR).

    ``centre_fraction`` (x, y) and ``radius_fraction`` (of the picture's width) say where and how large, in fractions;
    ``colour`` is BGR, 0 to 255, by default that of a common filament. Returns the picture and the box around the tangle
    as (left, top, right, bottom) fractions. Raises ValueError when the tangle would not be in the picture.
    """
    rows, columns = frame_bgr.shape[:2]
    if not (0 <= centre_fraction[0] <= 1 and 0 <= centre_fraction[1] <= 1 and 0 < radius_fraction <= 0.5):
        raise ValueError("a tangle needs a centre within the picture (0 to 1) and a radius above 0 and at most 0.5, as fractions")
    strand = _heap(rng)
    camera = Camera.looking_at(
        np.zeros(3), float(rng.uniform(-180, 180)), float(rng.uniform(35, 60)), _DISTANCE_MM, _FIELD_DEG, (columns, rows)
    )
    camera = _aimed(camera, strand, centre_fraction, radius_fraction, (columns, rows))
    lamp = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6), 1.0])
    brightness = float(np.clip(frame_bgr.mean() / _DAYLIGHT, 0.35, 1.2))  # a tangle in a dark room is dark
    light = Light(lamp / np.linalg.norm(lamp), 0.42 * brightness, 0.62 * brightness)
    doubled_frame = cv2.resize(frame_bgr, (columns * 2, rows * 2), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    picture = doubled_frame.copy()
    doubled = replace(camera, focal_px=camera.focal_px * 2, centre_px=(camera.centre_px[0] * 2, camera.centre_px[1] * 2))
    draw_shadow(picture, strand, doubled, light)
    draw_strand(picture, strand, doubled, light, colour or FILAMENTS[int(rng.integers(len(FILAMENTS)))])
    pasted = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
    # Only what the tangle and its shadow touch is replaced: the rest keeps every pixel of the frame.
    change = cv2.absdiff(picture, doubled_frame).max(axis=2)
    touched = cv2.resize(change, (columns, rows), interpolation=cv2.INTER_AREA) > 0
    result = np.where(touched[:, :, None], pasted, frame_bgr)
    return result, box_around(camera.project(strand), (columns, rows))


def _heap(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the strand (N, 3) of a tangle around the origin, mm."""
    count = int(rng.uniform(*_LENGTH_MM) / STEP_MM)
    around = np.arange(count) * STEP_MM / _RING_MM
    ring = _RING_MM * (0.75 + 0.25 * np.sin(around / 5))
    nozzle = np.stack([ring * np.cos(around), ring * np.sin(around)], axis=1)
    return fall(rng, nozzle, ceiling_mm=35.0)


def _aimed(
    camera: Camera,
    strand: NDArray[np.float64],
    centre_fraction: tuple[float, float],
    radius_fraction: float,
    size_wh: tuple[int, int],
) -> Camera:
    """Return the camera zoomed and shifted so that the strand fills the circle asked for."""
    pixels = camera.project(strand)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    zoom = 2 * radius_fraction * size_wh[0] / float((high - low).max())
    middle = ((low + high) / 2 - camera.centre_px) * zoom
    wanted = (centre_fraction[0] * size_wh[0] - float(middle[0]), centre_fraction[1] * size_wh[1] - float(middle[1]))
    return replace(camera, focal_px=camera.focal_px * zoom, centre_px=wanted)
