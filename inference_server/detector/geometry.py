"""Boxes and views: which coordinates mean what, and how they move. Numpy only.

``xyxy`` is left, top, right, bottom. A name ending in ``_px`` counts pixels of one picture, ``_fractions`` parts of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]  # (n, 4)
Matrix = NDArray[np.float64]  # (2, 3), maps source pixels to target pixels

NO_BOXES = np.zeros((0, 4), dtype=np.float32)


def merged(boxes_fractions: Boxes, gap: float = 0.03) -> Boxes:
    """Join boxes that touch or lie within ``gap`` of the picture of each other, until none do.

    Some collections draw many small boxes on one tangle, others one box around it; joined, they mean the same.
    """
    boxes = [np.asarray(box, dtype=np.float32) for box in boxes_fractions]
    joined = True
    while joined:
        joined = False
        for i in range(len(boxes)):
            for j in range(i + 1, len(boxes)):
                a, b = boxes[i], boxes[j]
                if (np.maximum(a[:2], b[:2]) - np.minimum(a[2:], b[2:])).max() <= gap:
                    boxes[i] = np.concatenate((np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:])))
                    del boxes[j]
                    joined = True
                    break
            if joined:
                break
    return np.stack(boxes) if boxes else NO_BOXES


def moved(boxes_px: Boxes, matrix: Matrix) -> Boxes:
    """Bound the ellipses inscribed in ``boxes_px`` after ``matrix``: a tangle is round and does not reach a box's corners."""
    if not len(boxes_px):
        return NO_BOXES
    centre = (boxes_px[:, :2] + boxes_px[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    half = (boxes_px[:, 2:] - boxes_px[:, :2]) / 2
    extent = np.sqrt((matrix[None, :, :2] ** 2 * half[:, None, :] ** 2).sum(-1))
    return np.concatenate((centre - extent, centre + extent), 1).astype(np.float32)


def visible_share(boxes_px: Boxes, size: int) -> NDArray[np.float32]:
    """Return the share of each box's area that lies within a ``size`` x ``size`` picture."""
    clipped = np.clip(boxes_px, 0, size)
    return (area(clipped) / np.maximum(area(boxes_px), 1e-6)).astype(np.float32)


def area(boxes: Boxes) -> NDArray[np.float32]:
    """Return width x height of each box, 0 for an inside-out one."""
    return np.clip(boxes[:, 2] - boxes[:, 0], 0, None) * np.clip(boxes[:, 3] - boxes[:, 1], 0, None)


def iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Return (n, m) intersection over union of every box of ``a`` with every box of ``b``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    return (common / np.maximum(area(a)[:, None] + area(b)[None] - common, 1e-9)).astype(np.float32)


@dataclass(frozen=True)
class ViewRange:
    """How far a camera's view of a scene may differ from the picture that was taken."""

    zoom: tuple[float, float] = (0.4, 1.8)  # 1 = the picture fills the input; log-uniform
    near: float = 0.45  # share of views that zoom by at most a quarter of that range
    aspect: float = 1.6  # width : height changes by up to this factor either way: pictures are stretched to a square
    tilt_degrees: float = 25.0  # a camera that is not level
    tilted: float = 0.4  # share of views with such a tilt
    turned: float = 0.12  # share of views at any angle: some cameras hang


def random_view(rng: np.random.Generator, width: int, height: int, size: int, within: ViewRange) -> Matrix:
    """Draw a matrix from a ``width`` x ``height`` picture to a ``size`` x ``size`` input, flips and quarter turns included."""
    zoom = float(np.exp(rng.uniform(*np.log(within.zoom)) * (0.25 if rng.random() < within.near else 1.0)))
    stretch = float(np.exp(rng.uniform(-0.5, 0.5) * np.log(within.aspect)))
    angle = np.pi / 2 * rng.integers(4)
    draw = rng.random()
    if draw < within.turned:
        angle += rng.uniform(-np.pi, np.pi)
    elif draw < within.turned + within.tilted:
        angle += np.deg2rad(rng.uniform(-within.tilt_degrees, within.tilt_degrees))
    scale = np.diag([size / width * zoom * stretch * rng.choice([-1.0, 1.0]), size / height * zoom / stretch])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ scale
    # Room to move: a small picture may lie anywhere inside, a large one may show any part of itself.
    room = size * abs(1.0 - zoom) / 2
    target = size / 2 + rng.uniform(-room, room, 2)
    return np.concatenate((linear, (target - linear @ [width / 2, height / 2])[:, None]), 1)
