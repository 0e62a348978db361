"""Draw what a printer's camera shows all day and what is no tangle: lattices, infill, cables, grilles, text, parts, supports.

They go into good and failed scenes alike, so that a network learns disorder and not mere lines. Numpy and OpenCV only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference_server.detector.strands import random_colour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]  # (H, W, 3)
    Draw = Callable[[np.random.Generator, Image], None]

_WORDS = ("MADE", "PRINT", "HOT", "220 C", "BED", "0.2 mm", "PLA", "12:47", "layer 83", "X Y Z", "cam-1", "PETG 60", "2031-05-06")


def _spot(rng: np.random.Generator, image: Image, smallest: float, largest: float) -> tuple[int, int, int, int]:
    """Draw a box (left, top, width, height) in pixels with sides between two fractions of the picture."""
    rows, columns = image.shape[:2]
    width = int(columns * np.exp(rng.uniform(np.log(smallest), np.log(largest))))
    height = int(rows * np.exp(rng.uniform(np.log(smallest), np.log(largest))))
    left, top = rng.integers(-width // 3, columns - width // 2), rng.integers(-height // 3, rows - height // 2)
    return int(left), int(top), width, height


def _square_to(rng: np.random.Generator, spot: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """Draw a perspective (3, 3) from the unit square to ``spot``, as of a plate seen from any side."""
    left, top, width, height = spot
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)
    bent = corners + rng.uniform(-0.18, 0.18, (4, 2))
    there = np.roll(bent, int(rng.integers(4)), 0) * [width, height] + [left, top]
    return cv2.getPerspectiveTransform(corners, there.astype(np.float32))


def _segments(
    image: Image, matrix: NDArray[np.float64], ends: NDArray[np.float64], colour: tuple[int, int, int], thick: int
) -> None:
    """Draw lines given by ``ends`` (n, k, 2) in the unit square."""
    points = cv2.perspectiveTransform(ends.reshape(-1, 1, 2), matrix).reshape(ends.shape)
    cv2.polylines(image, list(np.round(points * 8).astype(np.int32)), False, colour, thick, cv2.LINE_AA, 3)


def lattice(rng: np.random.Generator, image: Image) -> None:
    """Draw a regular lattice, grid or hatching in perspective: infill, a bed's print, a grille, a lattice part."""
    matrix = _square_to(rng, _spot(rng, image, 0.08, 0.7))
    count = int(rng.integers(4, 22))
    steps = np.linspace(0, 1, count)
    zeros, ones = np.zeros(count), np.ones(count)
    along = np.stack((np.stack((steps, zeros), 1), np.stack((steps, ones), 1)), 1)
    across = np.stack((np.stack((zeros, steps), 1), np.stack((ones, steps), 1)), 1)
    slanted = np.stack((np.stack((steps, zeros), 1), np.stack((steps[::-1], ones), 1)), 1)
    colour, thick = random_colour(rng), int(rng.integers(1, 4))
    if rng.random() < 0.5:
        _quad(image, matrix, random_colour(rng))
    for lines in (along, across, slanted)[: int(rng.integers(1, 4))]:
        _segments(image, matrix, lines.astype(np.float64), colour, thick)


def _quad(image: Image, matrix: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    corners = np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]], [[0.0, 1.0]]])
    cv2.fillConvexPoly(image, np.round(cv2.perspectiveTransform(corners, matrix)).astype(np.int32), colour, cv2.LINE_AA)


def zigzag(rng: np.random.Generator, image: Image) -> None:
    """Draw one ordered path: rectilinear or wavy infill, a purge line, springs, drag chains."""
    matrix = _square_to(rng, _spot(rng, image, 0.08, 0.6))
    count = int(rng.integers(8, 36))
    if rng.random() < 0.5:
        x = np.repeat(np.linspace(0, 1, count), 2)
        y = np.tile([0.0, 1.0, 1.0, 0.0], count)[: 2 * count]
    else:
        x = np.linspace(0, 1, 120)
        y = 0.5 + 0.5 * np.sin(x * count * np.pi / 2) * rng.uniform(0.2, 1)
    _segments(image, matrix, np.stack((x, y), 1)[None].astype(np.float64), random_colour(rng), int(rng.integers(1, 4)))


def rings(rng: np.random.Generator, image: Image) -> None:
    """Draw concentric rings, polygons or holes: a vase from above, a fan, a wheel, a honeycomb."""
    left, top, width, height = _spot(rng, image, 0.06, 0.5)
    colour, thick, sides = random_colour(rng), int(rng.integers(1, 3)), int(rng.choice([3, 4, 6, 8, 40]))
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    unit = np.stack((np.cos(angle), np.sin(angle)), 1) / 2
    offsets: list[NDArray[np.float64]]
    if rng.random() < 0.5:
        offsets = [np.zeros(2)] * int(rng.integers(2, 9))
        scales = np.linspace(1, 0.2, len(offsets))
    else:
        side = int(rng.integers(2, 7))
        offsets = [np.array([(i + 0.5 * (j % 2)) / side - 0.5, j / side - 0.5]) for i in range(side) for j in range(side)]
        scales = np.full(len(offsets), 0.9 / side)
    centre = np.array([left + width / 2, top + height / 2])
    for offset, scale in zip(offsets, scales):
        points = centre + (unit * scale + offset) * [width, height]
        cv2.polylines(image, [np.round(points * 8).astype(np.int32)], True, colour, thick, cv2.LINE_AA, 3)


def cables(rng: np.random.Generator, image: Image) -> None:
    """Draw one to six long smooth cables or tubes, a bundle running the same way, or a single thread."""
    rows, columns = image.shape[:2]
    ends = rng.uniform(-0.2, 1.2, (2, 2))
    bends = rng.uniform(0, 1, (2, 2))
    colour = random_colour(rng) if rng.random() < 0.5 else (int(rng.integers(60)),) * 3
    t = np.linspace(0, 1, 40)[:, None]
    for _ in range(int(rng.integers(1, 7))):
        spread = rng.uniform(0.0, 0.08)
        a, d, b, c = (point + rng.normal(0, spread, 2) for point in (*ends, *bends))
        curve = ((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d) * [columns, rows]
        path = [np.round(curve * 8).astype(np.int32)]
        thick = int(rng.choice([1, 1, 2, 3, 5, 8]))
        cv2.polylines(image, path, False, tuple(int(v * 0.6) for v in colour), thick + 1, cv2.LINE_AA, 3)
        cv2.polylines(image, path, False, colour, thick, cv2.LINE_AA, 3)


def text(rng: np.random.Generator, image: Image) -> None:
    """Write a logo, a camera's time stamp or a display's lines."""
    rows, columns = image.shape[:2]
    at, scale = (int(rng.uniform(-0.1, 0.8) * columns), int(rng.uniform(0.05, 1) * rows)), float(rng.uniform(0.3, 1.6))
    for line in range(int(rng.integers(1, 4))):
        word, font, thick = str(rng.choice(_WORDS)), int(rng.integers(0, 4)), int(rng.integers(1, 4))
        cv2.putText(image, word, (at[0], at[1] + int(line * 32 * scale)), font, scale, random_colour(rng), thick, cv2.LINE_AA)


def part(rng: np.random.Generator, image: Image) -> None:
    """Draw a finished or growing part: a solid with layer lines, a light and a dark side."""
    left, top, width, height = _spot(rng, image, 0.06, 0.4)
    colour = np.array(random_colour(rng), dtype=np.float64)
    widths = np.clip(1 + np.cumsum(rng.normal(0, rng.choice([0.0, 0.02, 0.05]), max(height, 2))), 0.2, 1.6)
    ripple = 1 + 0.15 * rng.random() * np.sin(np.arange(max(height, 2)) * rng.uniform(0.5, 3.0))
    for row in range(max(height, 2)):
        y, half = top + row, int(width * widths[row] / 2)
        middle = left + width // 2
        lit = int(middle + half * rng.uniform(-0.02, 0.02))
        cv2.line(image, (middle - half, y), (lit, y), tuple(np.clip(colour * ripple[row], 0, 255)), 1)
        cv2.line(image, (lit, y), (middle + half, y), tuple(np.clip(colour * ripple[row] * 0.7, 0, 255)), 1)


def supports(rng: np.random.Generator, image: Image) -> None:
    """Draw thin ordered pillars with a plate on top, and fine threads straight between two posts (stringing is no tangle)."""
    left, top, width, height = _spot(rng, image, 0.1, 0.4)
    colour = random_colour(rng)
    for x in np.linspace(left, left + width, int(rng.integers(2, 10))):
        cv2.line(image, (int(x), top), (int(x), top + height), colour, int(rng.integers(1, 5)), cv2.LINE_AA)
    if rng.random() < 0.5:
        cv2.rectangle(image, (left, top - max(2, height // 8)), (left + width, top), colour, -1)
    for _ in range(int(rng.integers(0, 10))):
        y = top + rng.random() * height
        cv2.line(image, (left, int(y)), (left + width, int(y + rng.normal(0, 3))), colour, 1, cv2.LINE_AA)


def block(rng: np.random.Generator, image: Image) -> None:
    """Put a plain or gradient body in front: a toolhead, a gantry, a hand out of focus."""
    matrix = _square_to(rng, _spot(rng, image, 0.08, 0.45))
    colour = random_colour(rng) if rng.random() < 0.4 else (int(rng.integers(50)),) * 3
    _quad(image, matrix, colour)


KINDS: tuple[Draw, ...] = (lattice, zigzag, rings, cables, text, part, supports, block)


def draw_distractor(rng: np.random.Generator, image: Image) -> None:
    """Draw one of :data:`KINDS` into ``image`` (H, W, 3) in place."""
    KINDS[int(rng.integers(len(KINDS)))](rng, image)
