"""One training scene: a picture with what is known about each of its pixels, and how scenes are combined.

Augmentation happens here in the input's pixels: a view of a picture is laid over another one, tangles real and rendered are
pasted in, and so are things that are no tangles, with the same seams, so that a seam says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference_server.detector.geometry import NO_BOXES, Boxes, Matrix, moved, visible_share
from inference_server.detector.strands import Filament, draw_tangle, fainter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]  # (H, W, 3) RGB
    Map = NDArray[np.uint8]  # (H, W)

#: A box of which less is left in view teaches nothing about boxes.
LEAST_VISIBLE = 0.25
#: Share of a drawn box's sides that its tangle surely covers; around it nothing is known.
SURE_CORE = 0.75
#: Share of rendered tangles whose colour comes close to what lies behind them: grey on grey under a bright lamp is what is missed.
FAINT = 0.35
#: Share of pasted pieces that take over the brightness of where they are pasted: a pale tangle in a dark enclosure is dark.
SAME_LAMP = 0.5


@dataclass(frozen=True)
class Scene:
    """``image``; ``tangle`` 255 where filament lies loose; ``known`` 0 where nobody can say; ``boxes_px`` (n, 4) xyxy."""

    image: Image
    tangle: Map
    known: Map
    boxes_px: Boxes

    @property
    def size(self) -> int:
        """Side of the square scene in pixels."""
        return int(self.image.shape[0])


def annotated(image: Image, parts_px: Boxes, tangles_px: Boxes, partial: bool) -> Scene:
    """Make a scene of a picture with boxes; ``partial`` boxes leave parts of their tangle out.

    ``parts_px`` are the boxes as drawn, ``tangles_px`` the same with those of one tangle joined.
    """
    tangle = np.zeros(image.shape[:2], dtype=np.uint8)
    known = np.full(image.shape[:2], 255, dtype=np.uint8)
    for left, top, right, bottom in tangles_px:
        margin = 0.12 * max(right - left, bottom - top) if partial else 0.0
        cv2.rectangle(known, _point(left - margin, top - margin), _point(right + margin, bottom + margin), 0, -1)
    for left, top, right, bottom in parts_px:
        centre = _point((left + right) / 2, (top + bottom) / 2)
        half = _point((right - left) / 2 * SURE_CORE, (bottom - top) / 2 * SURE_CORE)
        cv2.ellipse(tangle, centre, half, 0, 0, 360, 255, -1)
    return Scene(image, tangle, np.maximum(known, tangle), tangles_px)


def _point(x: float, y: float) -> tuple[int, int]:
    return round(float(x)), round(float(y))


def viewed(scene: Scene, matrix: Matrix, size: int, behind: Scene | None, fill: int = 0) -> Scene:
    """Look at ``scene`` through ``matrix``; where it does not reach, ``behind`` (size x size) or a plain colour shows."""
    rows, columns = scene.image.shape[:2]
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    image = scene.image
    if shrink < 0.6:  # warpAffine looks at 4 pixels only: shrink with care first, or strands alias
        small = max(1, round(columns * shrink * 1.2)), max(1, round(rows * shrink * 1.2))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    to_small = np.diag([columns / image.shape[1], rows / image.shape[0]])
    image_matrix = np.concatenate((matrix[:, :2] @ to_small, matrix[:, 2:]), 1)
    picture = cv2.warpAffine(image, image_matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full((rows, columns), 255, np.uint8), matrix, (size, size), flags=cv2.INTER_NEAREST)
    tangle = cv2.warpAffine(scene.tangle, matrix, (size, size), flags=cv2.INTER_LINEAR)
    known = cv2.warpAffine(scene.known, matrix, (size, size), flags=cv2.INTER_NEAREST, borderValue=255)
    if behind is None:
        picture = np.where(inside[..., None] > 0, picture, np.uint8(fill))
    else:
        picture = np.where(inside[..., None] > 0, picture, behind.image)
        known = np.where(inside > 0, known, behind.known)
    return kept(Scene(picture, tangle, known, moved(scene.boxes_px, matrix)))


def kept(scene: Scene) -> Scene:
    """Clip boxes to the picture; what is left of a box that mostly lies outside becomes unknown."""
    if not len(scene.boxes_px):
        return scene
    share = visible_share(scene.boxes_px, scene.size)
    known = scene.known.copy()
    for left, top, right, bottom in scene.boxes_px[share < LEAST_VISIBLE]:
        cv2.rectangle(known, _point(left, top), _point(right, bottom), 0, -1)
    boxes = np.clip(scene.boxes_px[share >= LEAST_VISIBLE], 0, scene.size)
    large = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf) >= 4 if len(boxes) else np.zeros(0, bool)
    return replace(scene, known=known, boxes_px=boxes[large])


def with_rendered_tangle(rng: np.random.Generator, scene: Scene) -> Scene:
    """Draw one tangle of random make somewhere into ``scene``; some hardly differ from what lies behind them."""
    box = _random_box(rng, scene.size)
    image = scene.image.copy()
    filament = Filament.random(rng)
    if rng.random() < FAINT:
        filament = fainter(filament, _mean_colour(image, box), float(rng.uniform(0.25, 0.7)))
    mask = draw_tangle(rng, image, box, filament)
    return _added(scene, image, mask, box)


def with_pasted_tangle(rng: np.random.Generator, scene: Scene, donor: Scene) -> Scene:
    """Cut a tangle out of ``donor`` by its colour and paste it into ``scene``, turned and scaled."""
    source = donor.boxes_px[int(rng.integers(len(donor.boxes_px)))]
    patch, alpha = cut_out(rng, donor.image, source)
    box = _random_box(rng, scene.size, float((source[2] - source[0]) / max(1.0, source[3] - source[1])))
    image, mask = scene.image.copy(), np.zeros(scene.image.shape[:2], np.uint8)
    _paste(rng, image, mask, patch, alpha, box, _lamp(rng, donor.image, image))
    return _added(scene, image, mask, box)


def _lamp(rng: np.random.Generator, donor: Image, image: Image) -> float:
    """Return how much brighter a pasted piece becomes: often as much as its new surroundings are than its old ones."""
    same_lamp = (float(image.mean()) + 8) / (float(donor.mean()) + 8) if rng.random() < SAME_LAMP else 1.0
    return float(np.clip(same_lamp, 0.35, 1.8) * np.exp(rng.normal(0, 0.2)))


def _mean_colour(image: Image, box: tuple[int, int, int, int]) -> tuple[int, int, int]:
    left, top, right, bottom = np.clip(box, 0, None)
    red, green, blue = image[top:bottom, left:right].reshape(-1, 3).mean(0).round().astype(int).tolist()
    return red, green, blue


def with_pasted_patch(rng: np.random.Generator, scene: Scene, donor: Image) -> Scene:
    """Paste a piece of a picture without tangles the same way: a seam alone is no failure."""
    rows, columns = donor.shape[:2]
    width, height = columns * rng.uniform(0.1, 0.6), rows * rng.uniform(0.1, 0.6)
    left, top = rng.uniform(0, columns - width), rng.uniform(0, rows - height)
    patch, alpha = cut_out(rng, donor, np.array([left, top, left + width, top + height], dtype=np.float32))
    image, mask = scene.image.copy(), np.zeros(scene.image.shape[:2], np.uint8)
    box = _random_box(rng, scene.size, float(width / height))
    _paste(rng, image, mask, patch, alpha, box, _lamp(rng, donor, image))
    hidden = (scene.tangle > 0) & (mask > 128)
    return replace(scene, image=image, known=np.where(hidden, 0, scene.known).astype(np.uint8))


def cut_out(rng: np.random.Generator, image: Image, box_px: NDArray[np.float32]) -> tuple[Image, NDArray[np.float32]]:
    """Cut a box out; returns the patch and its alpha (h, w), 0 to 1.

    Alpha follows the distance in colour from the box's rim, which mostly shows the bed, within a soft-edged ellipse; one
    patch in three keeps the ellipse alone.
    """
    rows, columns = image.shape[:2]
    x0, y0 = (int(v) for v in np.clip(box_px[:2], 0, [columns - 4, rows - 4]))
    x1, y1 = (int(np.ceil(v)) for v in np.clip(box_px[2:], [x0 + 4, y0 + 4], [columns, rows]))
    patch = image[y0:y1, x0:x1]
    height, width = patch.shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    radius = np.sqrt(x * x + y * y)
    soft = float(rng.uniform(0.03, 0.3))
    alpha = np.clip((1.05 - radius) / soft, 0, 1).astype(np.float32)
    if rng.random() < 0.67:
        lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).astype(np.float32)
        rim = lab[(radius > 0.95)]
        if len(rim) > 16:
            distance = np.abs(lab - np.median(rim, 0)).sum(-1)
            floor = float(np.percentile(np.abs(rim - np.median(rim, 0)).sum(-1), 60))
            alpha = alpha * cv2.GaussianBlur(np.clip((distance - floor) / 18.0, 0, 1), (0, 0), 0.7)
    return patch, alpha


def _paste(
    rng: np.random.Generator,
    image: Image,
    mask: Map,
    patch: Image,
    alpha: NDArray[np.float32],
    box: tuple[int, int, int, int],
    lamp: float,
) -> None:
    """Lay ``patch`` over ``image`` in ``box`` in place, flipped and relit by ``lamp``; ``mask`` becomes 255 x alpha there, closed."""
    left, top, right, bottom = box
    if rng.random() < 0.5:
        patch, alpha = patch[:, ::-1], alpha[:, ::-1]
    if rng.random() < 0.5:
        patch, alpha = patch[::-1], alpha[::-1]
    where = (right - left, bottom - top)
    patch = cv2.resize(np.ascontiguousarray(patch), where, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(np.ascontiguousarray(alpha), where, interpolation=cv2.INTER_AREA)
    lit = np.clip(patch * lamp, 0, 255)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, image.shape[1]), min(bottom, image.shape[0])
    part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    under = image[y0:y1, x0:x1]
    under[:] = (under * (1 - alpha[part][..., None]) + lit[part] * alpha[part][..., None]).astype(np.uint8)
    reach = 2 * max(1, max(where) // 24) + 1
    near = cv2.dilate(alpha, np.ones((reach, reach), np.uint8))
    mask[y0:y1, x0:x1] = (near[part] * 255).astype(np.uint8)


def _added(scene: Scene, image: Image, mask: Map, box: tuple[int, int, int, int]) -> Scene:
    tangle = np.maximum(scene.tangle, mask)
    boxes = np.concatenate((scene.boxes_px, np.asarray([box], dtype=np.float32)))
    return kept(Scene(image, tangle, np.maximum(scene.known, (mask > 128).astype(np.uint8) * 255), boxes))


def _random_box(rng: np.random.Generator, size: int, shape: float | None = None) -> tuple[int, int, int, int]:
    """Draw a box of 7 to 55 % of the picture, mostly small; ``shape`` is width : height, else anything from flat to tall."""
    side = size * float(np.exp(rng.uniform(np.log(0.07), np.log(0.55))))
    shape = shape if shape is not None else 1.0
    shape = float(np.clip(shape * np.exp(rng.normal(0.15, 0.4)), 0.3, 4.0))
    width, height = max(8, round(side * np.sqrt(shape))), max(8, round(side / np.sqrt(shape)))
    left = int(rng.integers(-width // 6, max(1, size - width * 5 // 6)))
    top = int(rng.integers(-height // 6, max(1, size - height * 5 // 6)))
    return left, top, left + width, top + height


def plain(image: Image, known: bool = True) -> Scene:
    """Make a scene of a picture without tangles, or (``known`` false) of one that nobody has looked at."""
    fill = 255 if known else 0
    return Scene(image, np.zeros(image.shape[:2], np.uint8), np.full(image.shape[:2], fill, np.uint8), NO_BOXES)
