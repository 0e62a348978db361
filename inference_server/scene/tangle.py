"""Loose filament: how a strand falls, curls and piles up, and how a pile of it looks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference_server.scene.light import Colour, Light, mixed, shaded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_server.scene.camera import Camera

#: Length of one piece of strand in mm; the smallest curls have a radius of about three of them.
STEP_MM = 1.2
#: Thickness of a loose strand in mm: a 0.4 mm nozzle's, swollen as filament swells that is not pressed onto a layer.
STRAND_MM = 0.55
#: Side of a cell of the pile's height map, mm, and what one strand that crosses it adds: a loose pile is mostly air.
_CELL_MM, _RISE_MM = 4.0, 0.36
#: Pieces drawn in one stroke; short strokes let near strands cover far ones.
_STROKE = 4
WHITE: Colour = (255.0, 255.0, 255.0)


def fall(rng: np.random.Generator, nozzle: NDArray[np.float64], ceiling_mm: float) -> NDArray[np.float64]:
    """Return the strand (N, 3) in mm that a nozzle moving over ``nozzle`` (N, 2) leaves on the bed, in order of extrusion.

    The strand coils like a rope that is let down (its curvature wanders and flips), is drawn towards the nozzle, lies on
    what is there already, now and then stands up in a loop or runs off across the bed. ``ceiling_mm`` is the nozzle's height.
    """
    count = len(nozzle)
    wander, flips, loops, strays = rng.normal(size=count), rng.random(count), rng.random(count), rng.random(count)
    tightness, bumps = rng.normal(size=count), rng.normal(size=count)
    heights: dict[tuple[int, int], float] = {}
    strand = np.empty((count, 3))
    x, y, z = float(nozzle[0, 0]), float(nozzle[0, 1]), 0.4
    heading, turn, bend = float(rng.uniform(0, 2 * math.pi)), 1.0, 0.16
    loop_left, loop_length, loop_height, stray_left = 0, 1, 0.0, 0
    for at in range(count):
        if flips[at] < 0.035:
            turn = -turn
            bend = 0.05 + 0.22 * abs(tightness[at])
        if stray_left == 0 and strays[at] < 0.005:
            stray_left = int(14 + 22 * flips[at])
        if loop_left == 0 and loops[at] < 0.025:
            loop_left = loop_length = int(10 + 18 * strays[at])
            loop_height = 3.0 + 10.0 * flips[at]
        away_x, away_y = nozzle[at, 0] - x, nozzle[at, 1] - y
        away = math.hypot(away_x, away_y)
        bending = bend * (0.35 if stray_left else 1.0)
        heading += STEP_MM * (turn * bending + 0.10 * wander[at])
        pull = 0.0 if stray_left else min(0.55, 0.0035 * away * away / 4.0)
        x += STEP_MM * math.cos(heading) + pull * away_x / (away + 1e-6)
        y += STEP_MM * math.sin(heading) + pull * away_y / (away + 1e-6)
        cell = (int(x // _CELL_MM), int(y // _CELL_MM))
        x, y = _slide(x, y, cell, heights)
        ground = heights.get(cell, 0.0)
        arch = loop_height * math.sin(math.pi * loop_left / loop_length) if loop_left else 0.0
        z += 0.4 * (min(ground + 0.4 + 0.5 * abs(bumps[at]) + arch, ceiling_mm) - z)
        heights[cell] = min(ground + _RISE_MM * (0.3 if loop_left else 1.0), ceiling_mm * 0.8)
        loop_left, stray_left = max(0, loop_left - 1), max(0, stray_left - 1)
        strand[at] = x, y, z
    return strand


def _slide(x: float, y: float, cell: tuple[int, int], heights: dict[tuple[int, int], float]) -> tuple[float, float]:
    """Let a piece of strand slip down the slope of the pile below it."""
    column, row = cell
    slope_x = heights.get((column + 1, row), 0.0) - heights.get((column - 1, row), 0.0)
    slope_y = heights.get((column, row + 1), 0.0) - heights.get((column, row - 1), 0.0)
    return x - 0.03 * slope_x, y - 0.03 * slope_y


def draw_strand(
    picture: NDArray[np.uint8],
    strand: NDArray[np.float64],
    camera: Camera,
    light: Light,
    colour: Colour,
    strand_mm: float = STRAND_MM,
) -> None:
    """Paint ``strand`` (N, 3) into ``picture`` (BGR), far strokes first; pieces deep in the pile are darker."""
    if len(strand) < 2:
        return
    starts = np.arange(0, len(strand) - 1, _STROKE)
    middles = strand[np.minimum(starts + _STROKE // 2, len(strand) - 1)]
    ends = strand[np.minimum(starts + _STROKE, len(strand) - 1)]
    tangents = ends - strand[starts]
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True) + 1e-9
    bright = light.on_threads(tangents) * (0.55 + 0.45 * _openness(middles))
    glint = light.glint_on_threads(tangents, camera.rotation[2])
    width = strand_mm * camera.pixels_per_mm(middles.mean(axis=0))
    pixels = np.round(camera.project(strand) * 16).astype(np.int32)
    lit_side = np.round(np.array([-0.2, -0.25]) * width * 16).astype(np.int32)
    dark, body, gleam = max(1, round(width * 1.5)), max(1, round(width)), max(1, round(width * 0.4))
    for stroke in np.argsort(-camera.depth(middles)):
        line = pixels[starts[stroke] : starts[stroke] + _STROKE + 1]
        tone = shaded(colour, float(bright[stroke]))
        cv2.polylines(picture, [line], False, shaded(tone, 0.45), dark, cv2.LINE_AA, 4)
        cv2.polylines(picture, [line], False, tone, body, cv2.LINE_AA, 4)
        shine = mixed(tone, WHITE, 0.12 + 0.6 * float(glint[stroke]))
        cv2.polylines(picture, [line + lit_side], False, shine, gleam, cv2.LINE_AA, 4)


def draw_shadow(
    picture: NDArray[np.uint8], points: NDArray[np.float64], camera: Camera, light: Light, strand_mm: float = STRAND_MM
) -> None:
    """Darken the bed of ``picture`` below a strand (N, 3): sharp where it lies on the bed, soft below a pile."""
    if len(points) < 2:
        return
    line = camera.project(light.shadow_of(points))
    width = strand_mm * camera.pixels_per_mm(points.mean(axis=0))
    darken(picture, [line], round(width * 1.8), width * 0.7, 0.5)
    darken(picture, [line], round(width * 4.0), width * 4.0, 0.35)


def box_around(pixels: NDArray[np.float64], size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the box around ``pixels`` (N, 2), clipped to the picture, as fractions."""
    low = np.clip(pixels.min(axis=0) / size_wh, 0.0, 1.0)
    high = np.clip(pixels.max(axis=0) / size_wh, 0.0, 1.0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def darken(
    picture: NDArray[np.uint8], lines: list[NDArray[np.float64]], thickness_px: int, softness_px: float, depth: float
) -> None:
    """Multiply ``picture`` by a soft shadow: of ``lines`` (each (N, 2) px), or of filled polygons where ``thickness_px`` is 0."""
    rows, columns = picture.shape[:2]
    every = np.concatenate(lines)
    margin = 3 * softness_px + thickness_px + 2
    left, top = np.maximum(0, np.floor(every.min(axis=0) - margin)).astype(int)
    right, bottom = np.minimum((columns, rows), np.ceil(every.max(axis=0) + margin)).astype(int)
    if left >= right or top >= bottom:
        return
    # A soft shadow holds no detail: it is drawn at a half or a quarter of the size.
    shrink = 4 if softness_px > 8 else 2
    mask = np.zeros(((bottom - top) // shrink + 1, (right - left) // shrink + 1), np.uint8)
    shapes = [np.round((line - (left, top)) * (16 / shrink)).astype(np.int32) for line in lines]
    if thickness_px:
        cv2.polylines(mask, shapes, False, (255,), max(1, round(thickness_px / shrink)), cv2.LINE_AA, 4)
    else:
        cv2.fillPoly(mask, shapes, (255,), cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.3, softness_px / shrink))
    factor = cv2.resize(255 - (soft * depth).astype(np.uint8), (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    area = picture[top:bottom, left:right]
    cv2.multiply(area, cv2.cvtColor(factor, cv2.COLOR_GRAY2BGR), area, 1 / 255)


def _openness(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much sky each of ``points`` (N, 3) sees, 0 (deep in the pile) to 1 (on top of it)."""
    cells = np.floor(points[:, :2] / _CELL_MM).astype(np.int64)
    cells -= cells.min(axis=0)
    keys = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    _, inverse = np.unique(keys, return_inverse=True)
    tops = np.zeros(inverse.max() + 1)
    np.maximum.at(tops, inverse, points[:, 2])
    return np.clip(1.0 - (tops[inverse] - points[:, 2]) / 9.0, 0.0, 1.0)
