"""What differs from one seed to the next: camera, lamp, bed, colours, the part's shape and how it comes off."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inference_server.scene.camera import Camera
from inference_server.scene.light import Colour, Light

#: Side of the square bed in mm.
BED_MM = 220.0
MIDDLE = np.array([BED_MM / 2, BED_MM / 2, 0.0])

#: Filaments as people buy them, BGR.
FILAMENTS: tuple[Colour, ...] = (
    (225, 228, 230), (40, 120, 240), (190, 90, 20), (40, 40, 205), (70, 170, 60), (30, 190, 235), (150, 60, 150), (170, 175, 60),
    (150, 150, 155), (120, 200, 245),
)  # fmt: skip
#: Build plates: colour of the sheet (BGR), colour of its print, and how much its surface speckles (0 to 1).
SHEETS: tuple[tuple[Colour, Colour, float], ...] = (
    ((46, 44, 44), (110, 110, 112), 0.25),  # black textured steel
    ((45, 92, 128), (50, 70, 90), 0.5),  # gold PEI
    ((62, 58, 52), (150, 140, 125), 0.1),  # dark glass
    ((120, 122, 124), (80, 80, 82), 0.35),  # bare aluminium
    ((38, 36, 34), (80, 170, 215), 0.3),  # black magnet sheet with a yellow grid
)


@dataclass(frozen=True)
class Look:
    """One printer on one evening; colours are BGR, 0 to 255, lengths mm."""

    camera: Camera
    light: Light
    sheet: int
    filament: Colour
    body: Colour
    room: Colour
    tint: tuple[float, float, float]
    noise: float
    shape: str
    radius_mm: float
    centre: tuple[float, float]
    slides: bool
    fall_angle_rad: float


def look_for(seed: int, size_wh: tuple[int, int]) -> Look:
    """Draw the look of the scene ``seed`` for a picture of ``size_wh`` pixels."""
    rng = np.random.default_rng([seed, 1])
    centre = (BED_MM / 2 + float(rng.uniform(-18, 18)), BED_MM / 2 + float(rng.uniform(-22, 14)))
    target = np.array([*centre, 0.0]) * 0.6 + MIDDLE * 0.4 + np.array([0.0, 0.0, 22.0])
    camera = Camera.looking_at(
        target,
        azimuth_deg=float(rng.uniform(-38, 38)),
        elevation_deg=float(rng.uniform(24, 42)),
        distance_mm=float(rng.uniform(235, 320)),
        field_deg=float(rng.uniform(52, 60)),
        size_wh=size_wh,
    )
    lamp = np.array([rng.uniform(-0.8, 0.8), rng.uniform(-0.7, 0.2), rng.uniform(0.9, 1.4)])
    light = Light(lamp / np.linalg.norm(lamp), ambient=float(rng.uniform(0.38, 0.52)), diffuse=float(rng.uniform(0.5, 0.7)))
    sheet = int(rng.integers(len(SHEETS)))
    contrast = [colour for colour in FILAMENTS if math.dist(colour, SHEETS[sheet][0]) > 110]
    grey = float(rng.uniform(28, 60))
    wall = float(rng.uniform(50, 130))
    warm = float(rng.uniform(-0.08, 0.08))
    return Look(
        camera=camera,
        light=light,
        sheet=sheet,
        filament=contrast[int(rng.integers(len(contrast)))],
        body=(grey, grey * float(rng.uniform(0.92, 1.0)), grey * float(rng.uniform(0.9, 1.02))),
        room=(wall + float(rng.uniform(-20, 20)), wall + float(rng.uniform(-15, 15)), wall + float(rng.uniform(-20, 25))),
        tint=(1 + warm, 1.0, 1 - warm),
        noise=float(rng.uniform(2.0, 5.0)),
        shape=str(rng.choice(["vase", "box", "gear", "tower"])),
        radius_mm=float(rng.uniform(17, 25)),
        centre=centre,
        slides=bool(rng.random() < 0.5),
        fall_angle_rad=float(rng.uniform(0, 2 * math.pi)),
    )
