"""The printer around the print: room, frame, bed, gantry and toolhead."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference_server.scene.light import Colour, mixed, shaded
from inference_server.scene.look import BED_MM, SHEETS
from inference_server.scene.solids import box, paint, paint_disc, paint_polygon, paint_rod

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference_server.scene.look import Look

#: Side of the drawn sheet in pixels; about two for each pixel of a 1280 wide picture.
_SHEET_PX = 1600
_STEEL: Colour = (165, 162, 158)
_BRASS: Colour = (70, 150, 190)
_BLACK: Colour = (26, 26, 28)


def paint_stage(look: Look, size_wh: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """Return the picture (rows, columns, 3) of all that does not move: room, frame and bed."""
    rng = np.random.default_rng([seed, 2])
    picture = _room(look, size_wh, rng)
    dark = mixed(look.body, _BLACK, 0.5)
    paint(picture, box((-90, -90, -60), (310, 330, -42)), look.camera, look.light, (70, 74, 78))  # the table
    for left in (-42.0, BED_MM + 18.0):
        paint(picture, box((left, 190, -40), (left + 24, 220, 320)), look.camera, look.light, dark)
        slot = np.array([[left + 12, 189.0, -40.0], [left + 12, 189.0, 320.0]])
        paint_rod(picture, slot, 3.0, look.camera, look.light, (18, 18, 18))
    paint(picture, box((20, -8, -28), (BED_MM - 20, BED_MM, -16)), look.camera, look.light, dark)
    paint(picture, box((-4, -4, -8), (BED_MM + 4, BED_MM + 4, -1.2)), look.camera, look.light, (88, 88, 92))
    _lay_sheet(picture, look, rng)
    for x, y in ((25, -5), (BED_MM - 45, -5), (25, BED_MM - 3), (BED_MM - 45, BED_MM - 3)):
        paint(picture, box((x, y, -6), (x + 20, y + 8, 3)), look.camera, look.light, (36, 36, 38))
    return picture


def paint_gantry(picture: NDArray[np.uint8], look: Look, nozzle: NDArray[np.float64]) -> None:
    """Paint the rods that carry the toolhead, whose nozzle's tip is at ``nozzle`` (3,)."""
    for rise in (34.0, 72.0):
        rod = np.array([[-60.0, nozzle[1] + 30, nozzle[2] + rise], [BED_MM + 60, nozzle[1] + 30, nozzle[2] + rise]])
        paint_rod(picture, rod, 9.0, look.camera, look.light, _STEEL)
    belt = np.array([[-60.0, nozzle[1] + 27, nozzle[2] + 53], [BED_MM + 60, nozzle[1] + 27, nozzle[2] + 53]])
    paint_rod(picture, belt, 5.0, look.camera, look.light, (30, 30, 30))


def paint_toolhead(picture: NDArray[np.uint8], look: Look, nozzle: NDArray[np.float64], fan_turn: float) -> None:
    """Paint toolhead, hot end and cables; ``fan_turn`` (radians) is how far the fan's blades have come."""
    camera, light = look.camera, look.light
    x, y, z = (float(value) for value in nozzle)
    _cables(picture, look, nozzle)
    paint(picture, box((x - 24, y - 2, z + 16), (x + 24, y + 28, z + 80)), camera, light, shaded(look.body, 1.15))
    paint(picture, box((x - 21, y - 12, z + 22), (x + 21, y - 2, z + 64)), camera, light, look.body)
    _fan(picture, look, np.array([x, y - 12.2, z + 43]), fan_turn)
    paint(picture, box((x - 23, y - 14, z + 66), (x + 23, y - 2, z + 76)), camera, light, shaded(look.body, 1.4))
    paint(picture, box((x - 10, y - 8, z + 6), (x + 10, y + 9, z + 17)), camera, light, (48, 62, 150))  # heater block in its sock
    for side in (-1, 1):
        duct = sorted((x + side * 14, x + side * 22))
        paint(picture, box((duct[0], y - 10, z + 4), (duct[1], y + 8, z + 24)), camera, light, shaded(look.body, 0.8))
    tip = nozzle + np.array([[-1.2, 0, 0.0], [1.2, 0, 0.0], [4.0, 0, 6.5], [-4.0, 0, 6.5]])
    paint_polygon(picture, tip, camera, shaded(_BRASS, light.ambient + 0.4 * light.diffuse))
    paint_polygon(picture, tip + np.array([[0.4, 0, 0], [-1.4, 0, 0], [-4.6, 0, 0], [1.2, 0, 0]]), camera, shaded(_BRASS, 1.2))


def toolhead_footprint(nozzle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners (4, 3) of the toolhead's underside, which casts the shadow."""
    return nozzle + np.array([[-24.0, -14, 16], [24, -14, 16], [24, 28, 16], [-24, 28, 16]])


def _cables(picture: NDArray[np.uint8], look: Look, nozzle: NDArray[np.float64]) -> None:
    """Paint the cables that hang from the toolhead's back to the frame, as a Bezier curve."""
    way = np.linspace(0, 1, 24)[:, None]
    for sideways in (-5.0, 0.0, 4.0):
        start, bend = nozzle + np.array([sideways, 16, 76]), nozzle + np.array([30 + sideways, 30, 190])
        end = np.array([210 + sideways, 215.0, 150.0])
        cable = (1 - way) ** 2 * start + 2 * way * (1 - way) * bend + way**2 * end
        paint_rod(picture, cable, 4.5, look.camera, look.light, (32, 32, 34))


def _fan(picture: NDArray[np.uint8], look: Look, centre: NDArray[np.float64], fan_turn: float) -> None:
    across, upward = np.array([1.0, 0, 0]), np.array([0.0, 0, 1])
    paint_disc(picture, centre, 18, (across, upward), look.camera, (20, 20, 21))
    for blade in range(7):
        angles = fan_turn + 2 * math.pi * blade / 7 + np.array([0.0, 0.3, 0.62, 0.2])
        radii = np.array([6.0, 17.0, 17.0, 6.0])
        edge = centre + (radii * np.cos(angles))[:, None] * across + (radii * np.sin(angles))[:, None] * upward
        paint_polygon(picture, edge, look.camera, (58, 58, 60))
    paint_disc(picture, centre, 6.5, (across, upward), look.camera, (42, 42, 44))
    paint_disc(picture, centre, 4.0, (across, upward), look.camera, (150, 150, 150))


def _room(look: Look, size_wh: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint a wall with blurred shelves, boxes and a lamp's glow on it."""
    width, height = size_wh[0] // 4, size_wh[1] // 4
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = np.asarray(look.room) * np.linspace(1.1, 0.5, height)[:, None, None]
    for _ in range(26):
        left, top = int(rng.integers(-20, width)), int(rng.integers(-20, int(height * 0.6)))
        right, bottom = left + int(rng.integers(8, 60)), top + int(rng.integers(10, 50))
        colour = (np.asarray(look.room) * rng.uniform(0.2, 1.5) + rng.uniform(-25, 25, 3)).clip(0, 255)
        cv2.rectangle(picture, (left, top), (right, bottom), colour.tolist(), -1)
    cv2.circle(picture, (int(rng.integers(0, width)), int(rng.integers(0, height // 4))), height // 7, (235, 240, 245), -1)
    blurred = cv2.GaussianBlur(picture, (0, 0), 4.5).clip(0, 255)
    return cv2.resize(blurred, size_wh, interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def _lay_sheet(picture: NDArray[np.uint8], look: Look, rng: np.random.Generator) -> None:
    """Warp the drawn build plate onto the bed."""
    corners = np.array([[0.0, 0, 0], [BED_MM, 0, 0], [BED_MM, BED_MM, 0], [0, BED_MM, 0]])
    source = np.array([[0, _SHEET_PX], [_SHEET_PX, _SHEET_PX], [_SHEET_PX, 0], [0, 0]], np.float32)
    mapping = cv2.getPerspectiveTransform(source, look.camera.project(corners).astype(np.float32))
    size_wh = (picture.shape[1], picture.shape[0])
    sheet = cv2.warpPerspective(_sheet(look, rng), mapping, size_wh, flags=cv2.INTER_LINEAR)
    covered = cv2.warpPerspective(np.full((_SHEET_PX, _SHEET_PX), 255, np.uint8), mapping, size_wh, flags=cv2.INTER_LINEAR)
    cv2.copyTo(sheet, covered, picture)


def _sheet(look: Look, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the build plate from above: speckle, grid, numbers, scratches, old prints' traces and the lamp's sheen."""
    base, ink, speckle = SHEETS[look.sheet]
    fine = rng.normal(0, 1, (_SHEET_PX // 2, _SHEET_PX // 2)).astype(np.float32)
    grainy = 1 + speckle * 0.28 * cv2.resize(fine, (_SHEET_PX, _SHEET_PX))[:, :, None]
    sheet = (np.asarray(base, np.float32) * grainy).clip(0, 255).astype(np.uint8)
    cell = _SHEET_PX // int(rng.choice([6, 8, 11]))
    for at in range(cell, _SHEET_PX, cell):
        cv2.line(sheet, (at, 30), (at, _SHEET_PX - 30), ink, 3, cv2.LINE_AA)
        cv2.line(sheet, (30, at), (_SHEET_PX - 30, at), ink, 3, cv2.LINE_AA)
        millimetres = str(at * 22 // _SHEET_PX * 10)
        cv2.putText(sheet, millimetres, (at + 8, _SHEET_PX - 40), cv2.FONT_HERSHEY_SIMPLEX, 1.1, ink, 3, cv2.LINE_AA)
    cv2.rectangle(sheet, (30, 30), (_SHEET_PX - 30, _SHEET_PX - 30), ink, 5, cv2.LINE_AA)
    for _ in range(14):  # scratches
        start = rng.integers(0, _SHEET_PX, 2)
        end = start + rng.integers(-260, 260, 2)
        cv2.line(sheet, start.tolist(), end.tolist(), shaded(base, float(rng.uniform(1.2, 1.6))), 1, cv2.LINE_AA)
    for _ in range(3):  # where earlier prints stood
        middle, axes = rng.integers(200, _SHEET_PX - 200, 2).tolist(), rng.integers(60, 190, 2).tolist()
        trace = shaded(base, float(rng.uniform(1.06, 1.2)))
        cv2.ellipse(sheet, middle, axes, float(rng.uniform(0, 180)), 0, 360, trace, 4, cv2.LINE_AA)
    rows, columns = np.mgrid[0:_SHEET_PX:8, 0:_SHEET_PX:8].astype(np.float32) / _SHEET_PX
    sheen_x, sheen_y = rng.uniform(0.1, 0.9, 2)
    sheen = 55 * np.exp(-(((columns - sheen_x) / 0.35) ** 2 + ((rows - sheen_y) / 0.22) ** 2))
    lit = sheet + cv2.resize(sheen, (_SHEET_PX, _SHEET_PX))[:, :, None]
    lit *= look.light.ambient + look.light.diffuse * float(look.light.direction[2])
    return lit.clip(0, 255).astype(np.uint8)
