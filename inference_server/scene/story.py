"""The story of one failed print, frame by frame: it grows, it comes off, it turns to spaghetti."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference_server.scene import part
from inference_server.scene.light import mixed, shaded
from inference_server.scene.look import Look, look_for
from inference_server.scene.printer import paint_gantry, paint_stage, paint_toolhead, toolhead_footprint
from inference_server.scene.solids import paint, paint_polygon, turn
from inference_server.scene.tangle import STEP_MM, WHITE, box_around, darken, draw_shadow, draw_strand, fall

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Everything is drawn at this multiple of the size and scaled down: smooth edges, and strands thinner than a pixel.
_OVERSAMPLING = 2
#: Height of the part when it comes off, mm, over the frames before the failure.
_FIRST_LAYER_MM, _GROWN_MM = 1.4, 30.0
#: Loose filament per frame, mm: what a nozzle lays in about 7 s at 60 mm/s. The scene runs faster than a print does.
_LOOSE_MM = 400.0
#: A tangle beyond this is a bird's nest that hides the printer, and drawing it would cost too much; mm.
_LOOSE_AT_MOST_MM = 10000.0
#: Frames in which the part comes to rest.
_FALL_FRAMES = 3


class Scene:
    """The frames of one seeded print; ``frame(i)`` depends on the seed, the sizes and ``i`` alone.

    Attributes: ``frames``, how many there are; ``failure_at``, the first frame in which the part has moved and loose
    filament shows. Frames before it show a good print.
    """

    def __init__(self, seed: int, size: tuple[int, int] = (1280, 720), frames: int = 80, failure_at: int = 30) -> None:
        """Prepare the scene ``seed`` with pictures of ``size`` (width, height); takes about half a second."""
        if not 0 < failure_at < frames:
            raise ValueError(f"the failure must come within the scene: 0 < failure_at < {frames}, not {failure_at}")
        self.seed = seed
        self.size = size
        self.frames = frames
        self.failure_at = failure_at
        self._look: Look = look_for(seed, (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING))
        self._rng = np.random.default_rng([seed, 3])
        self._tones = self._rng.normal(1.0, 0.045, 64)
        self._strand = fall(self._rng, self._nozzle_path(), ceiling_mm=_GROWN_MM + 4)
        self._grain = self._rng.normal(0, self._look.noise, (size[1] + 64, size[0] + 64, 3)).astype(np.float32)

    @cached_property
    def _stage(self) -> NDArray[np.uint8]:
        return paint_stage(self._look, (self.size[0] * _OVERSAMPLING, self.size[1] * _OVERSAMPLING), self.seed)

    def frame(self, i: int) -> NDArray[np.uint8]:
        """Return frame ``i`` (0 to ``frames`` - 1) as uint8 BGR (height, width, 3); raises IndexError."""
        if not 0 <= i < self.frames:
            raise IndexError(f"the scene has frames 0 to {self.frames - 1}, not {i}")
        picture = self._stage.copy()
        nozzle = self._nozzle(i)
        strand = self.loose_strand(i)
        darken(picture, [self._look.camera.project(self._look.light.shadow_of(toolhead_footprint(nozzle)))], 0, 30.0, 0.45)
        self._paint_part(picture, i)
        draw_shadow(picture, strand, self._look.camera, self._look.light)
        paint_gantry(picture, self._look, nozzle)
        paint_toolhead(picture, self._look, nozzle, fan_turn=2.4 * i)
        draw_strand(picture, strand, self._look.camera, self._look.light, self._look.filament)
        self._draw_thread(picture, strand, nozzle)
        return self._developed(picture, i)

    def jpeg(self, i: int, quality: int = 85) -> bytes:
        """Return frame ``i`` as a JPEG file of ``quality`` (0 to 100)."""
        return cv2.imencode(".jpg", self.frame(i), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

    def loose_strand(self, i: int) -> NDArray[np.float64]:
        """Return the loose strand (N, 3) that lies there in frame ``i``; nothing before the failure."""
        return self._strand[: max(0, int((i - self.failure_at + 1) * _LOOSE_MM / STEP_MM))]

    def tangle_box(self, i: int) -> tuple[float, float, float, float] | None:
        """Return the box around the loose strand of frame ``i`` as fractions (left, top, right, bottom); None before the failure."""
        strand = self.loose_strand(i)
        if not len(strand):
            return None
        return box_around(self._look.camera.project(strand), (self.size[0] * _OVERSAMPLING, self.size[1] * _OVERSAMPLING))

    def _height(self, i: int) -> float:
        """Return how high the part is in frame ``i``, mm."""
        grown = min(1.0, i / self.failure_at)
        return _FIRST_LAYER_MM + (_GROWN_MM - _FIRST_LAYER_MM) * grown

    def _nozzle_path(self) -> NDArray[np.float64]:
        """Return where the nozzle (N, 2) is for each piece of loose strand: on the outline of a part that is not there."""
        frames = min(self.frames - self.failure_at, math.ceil(_LOOSE_AT_MOST_MM / _LOOSE_MM))
        count = int(frames * _LOOSE_MM / STEP_MM)
        edge = part.outline(self._look, np.array([_GROWN_MM]))[0]
        way = np.arange(count) * (STEP_MM * 0.9) / (2 * math.pi * self._look.radius_mm) * len(edge)
        inward = 0.75 + 0.25 * np.sin(way / len(edge) * 2 * math.pi / 5)
        middle = np.asarray(self._look.centre)
        return middle + (edge[way.astype(int) % len(edge)] - middle) * inward[:, None]

    def _nozzle(self, i: int) -> NDArray[np.float64]:
        """Return the tip of the nozzle (3,) in frame ``i``."""
        loose = len(self.loose_strand(i))
        if loose:
            x, y = self._nozzle_path()[min(loose, len(self._strand)) - 1]
            return np.array([x, y, self._height(i) + 5.0 + 0.1 * (i - self.failure_at)])
        rng = np.random.default_rng([self.seed, 4, i])
        edge = part.outline(self._look, np.array([self._height(i)]))[0]
        x, y = edge[int(rng.integers(len(edge)))]
        return np.array([x, y, self._height(i) + 0.4])

    def _paint_part(self, picture: NDArray[np.uint8], i: int) -> None:
        look, height = self._look, self._height(i)
        walls, cap = part.walls(look, height, self._tones), part.top(look, height)
        rotation, pivot, shift = self._pose(i, height)
        walls = walls.moved(rotation, pivot, shift)
        cap = (cap - pivot) @ rotation.T + pivot + shift
        foot = (part.top(look, 0.0) - pivot) @ rotation.T + pivot + shift
        shadows = [look.camera.project(look.light.shadow_of(ring)) for ring in (foot, (foot + cap) / 2, cap)]
        darken(picture, shadows, 0, 9.0, 0.5)
        paint(picture, walls, look.camera, look.light, look.filament)
        for face, outward in ((foot[::-1], rotation @ np.array([0.0, 0, -1])), (cap, rotation @ np.array([0.0, 0, 1]))):
            if (look.camera.position - face.mean(axis=0)) @ outward > 0:
                self._paint_end(picture, face, outward)

    def _paint_end(self, picture: NDArray[np.uint8], face: NDArray[np.float64], outward: NDArray[np.float64]) -> None:
        """Paint an end of the part with the lines of its infill."""
        look = self._look
        tone = shaded(look.filament, float(look.light.on_faces(outward)))
        paint_polygon(picture, face, look.camera, tone)
        across = len(face) // 2
        for step in range(2, across, 3):
            line = np.stack([face[step], face[-step]])
            pixels = np.round(look.camera.project(line) * 16).astype(np.int32)
            cv2.polylines(picture, [pixels], False, shaded(tone, 0.86), 2, cv2.LINE_AA, 4)
        ring = np.round(look.camera.project(face) * 16).astype(np.int32)
        cv2.polylines(picture, [ring], True, mixed(tone, WHITE, 0.25), 2, cv2.LINE_AA, 4)

    def _pose(self, i: int, height: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return rotation, pivot and shift of the part: none before the failure, then it slides or tips within a few frames."""
        look = self._look
        done = float(np.clip((i - self.failure_at + 1) / _FALL_FRAMES, 0.0, 1.0))
        away = np.array([math.cos(look.fall_angle_rad), math.sin(look.fall_angle_rad), 0.0])
        middle = np.array([*look.centre, 0.0])
        if look.slides:
            return turn(np.array([0.0, 0, 1]), 0.5 * done), middle, away * (done * 1.7 * look.radius_mm)
        rolled = turn(np.cross(np.array([0.0, 0, 1]), away), done * math.radians(90))
        return rolled, middle + away * look.radius_mm, away * (done * 0.5 * look.radius_mm)

    def _draw_thread(self, picture: NDArray[np.uint8], strand: NDArray[np.float64], nozzle: NDArray[np.float64]) -> None:
        """Draw the last piece of filament, from the pile up to the nozzle."""
        if not len(strand):
            return
        way = np.linspace(0, 1, 13)[:, None]
        rng = np.random.default_rng([self.seed, 5, len(strand)])
        sway = rng.normal(0, 5, 3) * np.array([1, 1, 0.2])
        thread = strand[-1] * (1 - way) ** 2 + 2 * way * (1 - way) * ((strand[-1] + nozzle) / 2 + sway) + nozzle * way**2
        draw_strand(picture, thread, self._look.camera, self._look.light, self._look.filament)

    def _developed(self, picture: NDArray[np.uint8], i: int) -> NDArray[np.uint8]:
        """Return the picture as a webcam delivers it: its size, a soft lens, dark corners, a tint, noise, a lamp that flickers."""
        rng = np.random.default_rng([self.seed, 6, i])
        small = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(small, (0, 0), 0.7)
        down, across = rng.integers(0, 64, 2)
        grain = self._grain[down : down + self.size[1], across : across + self.size[0]]
        gain = self._vignette * np.float32(rng.normal(1.0, 0.006))
        return cv2.add(cv2.multiply(soft, gain, dtype=cv2.CV_32F), grain, dtype=cv2.CV_8U)

    @cached_property
    def _vignette(self) -> NDArray[np.float32]:
        rows, columns = np.mgrid[-1 : 1 : self.size[1] * 1j, -1 : 1 : self.size[0] * 1j]
        falloff = 1.06 - 0.28 * (rows**2 + columns**2) / 2
        return (falloff[:, :, None] * np.asarray(self._look.tint)).astype(np.float32)
