"""The endless stream of training scenes: which pictures meet, what is done to them, and what the network should answer.

Scene ``index`` of a run is the same on every machine and with any number of loader processes: all chance comes from
``default_rng((seed, index))``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from torch.utils.data import Dataset

from inference_server.detector.distractors import draw_distractor
from inference_server.detector.geometry import Boxes, ViewRange, area, random_view
from inference_server.detector.labels import PARTIAL_BOX_SOURCES, Lesson, Row, lesson, sampling_weights, tangles, trainable
from inference_server.detector.model import BOX_STRIDE, MASK_STRIDE, SIDE_SCALE_PX
from inference_server.detector.photometric import as_another_camera
from inference_server.detector.scene import (
    Scene,
    annotated,
    plain,
    viewed,
    with_pasted_patch,
    with_pasted_tangle,
    with_rendered_tangle,
)
from inference_server.detector.textures import draw_texture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Sample = dict[str, NDArray[np.float32] | NDArray[np.uint8]]


#: How far a pseudo-label is trusted against one that a person gave.
PSEUDO_TRUST = 0.6
#: Share of added tangles that lie on a drawn texture: such a picture must not be good by itself.
NO_PRINTER_BEHIND = 0.06
#: Share of a tangle that drawn things may hide.
MOST_HIDDEN = 0.4
#: Mean difference in grey levels from the 9 x 9 pixels around from which a tangle's strands are plain to see.
CLEAR_DETAIL = 5.0


@dataclass(frozen=True)
class Mix:
    """How often each kind of scene is shown, in any unit. Half of all scenes fail, or the frame's head learns the mix."""

    boxed: float = 0.30  # a real tangle with boxes
    unboxed: float = 0.04  # a real tangle that nobody boxed
    fail: float = 0.05  # 3dprinting6: spaghetti or stringing
    pasted: float = 0.10  # a real tangle cut out and pasted onto another scene
    rendered: float = 0.10  # a rendered tangle on another scene
    normal: float = 0.24
    defect: float = 0.10  # stringing and other defects
    crop: float = 0.06  # a part of a failed scene that shows no tangle
    texture: float = 0.03  # no printer in view at all
    pseudo: float = 0.0  # unlabelled pictures that an earlier network took for failed
    pseudo_good: float = 0.0  # and for good

    def shares(self) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """Return the kinds and their probabilities."""
        kinds = tuple(self.__dataclass_fields__)
        weights = np.array([getattr(self, kind) for kind in kinds])
        return kinds, weights / weights.sum()


@dataclass(frozen=True)
class PseudoLabel:
    """What an earlier network says of an unlabelled picture: probability of spaghetti, and boxes (n, 4) fractions."""

    frame: float
    boxes: Boxes


@dataclass(frozen=True)
class Recipe:
    """Everything that decides which scene has which index, beside the data."""

    size: int = 416
    seed: int = 0
    mix: Mix = field(default_factory=Mix)
    view: ViewRange = field(default_factory=ViewRange)
    cameras: bool = True  # another camera takes each scene: light, focus, noise, JPEG
    distractors: float = 0.35  # share of scenes with drawn things that are no tangle
    patches: float = 0.2  # share of scenes with a pasted piece that is no tangle


class Pictures:
    """Decoded pictures, read once: decoding takes longer than the network's step."""

    def __init__(self) -> None:
        """Start empty."""
        self._known: dict[str, Image] = {}

    def __getitem__(self, row: Row) -> Image:
        """Return the RGB picture (H, W, 3) of ``row``; it must not be written to."""
        if row.id not in self._known:
            bgr = cv2.imread(str(row.path), cv2.IMREAD_COLOR)
            if bgr is None:
                raise FileNotFoundError(f"{row.path} is missing or no picture")
            image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            image.setflags(write=False)
            self._known[row.id] = image
        return self._known[row.id]


class _Bucket:
    """Rows of one kind with the probability of each."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self._sums = np.cumsum(sampling_weights(self.rows)) if self.rows else np.zeros(0)

    def draw(self, rng: np.random.Generator) -> Row:
        return self.rows[min(int(np.searchsorted(self._sums, rng.random())), len(self.rows) - 1)]


class Scenes(Dataset["Sample"]):
    """``length`` training scenes made of the rows of split ``train`` (and pseudo-labelled ``unlabelled`` ones)."""

    def __init__(self, rows: Sequence[Row], recipe: Recipe, length: int, pseudo: Mapping[str, PseudoLabel] | None = None) -> None:
        """Sort ``rows`` by what they teach; rows of other splits are left out here, whoever passes them."""
        self.recipe, self.length, self.pseudo = recipe, length, dict(pseudo or {})
        self.pictures = Pictures()
        usable = trainable(rows)
        guessed = [row for row in rows if row.split == "unlabelled" and row.id in self.pseudo]
        boxed = [row for row in usable if row.label == "spaghetti" and row.boxes is not None and len(row.boxes)]
        clean = [row for row in boxed if row.source not in ("fd1", *PARTIAL_BOX_SOURCES)]
        self._buckets = {
            "boxed": _Bucket(boxed),
            "unboxed": _Bucket([row for row in usable if row.label == "spaghetti" and row.boxes is None]),
            "fail": _Bucket([row for row in usable if row.label == "fail"]),
            "donor": _Bucket(clean or boxed),
            "normal": _Bucket([row for row in usable if row.label == "normal"]),
            "defect": _Bucket([row for row in usable if row.label in ("stringing", "other_defect")]),
            "pseudo": _Bucket([row for row in guessed if self.pseudo[row.id].frame >= 0.5]),
            "pseudo_good": _Bucket([row for row in guessed if self.pseudo[row.id].frame < 0.5]),
        }
        sources = {"pasted": "donor", "rendered": "normal", "crop": "boxed"}
        kinds, shares = recipe.mix.shares()
        able = np.array([kind == "texture" or bool(self._buckets[sources.get(kind, kind)].rows) for kind in kinds])
        self._kinds, self._sums = kinds, np.cumsum(shares * able / (shares * able).sum())

    def __len__(self) -> int:
        """Return how many scenes the run has."""
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Make scene ``index`` and what should be answered to it."""
        rng = np.random.default_rng((self.recipe.seed, index))
        scene, frame = self.scene(rng)
        return targets(scene, frame)

    def scene(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        """Draw one scene, ready for the network, and what it says about the whole frame."""
        kind = self._kinds[min(int(np.searchsorted(self._sums, rng.random())), len(self._kinds) - 1)]
        scene, frame = getattr(self, f"_{kind}")(rng)
        if rng.random() < self.recipe.patches:
            scene = with_pasted_patch(rng, scene, self.pictures[self._buckets["normal"].draw(rng)])
        if self.recipe.cameras:
            scene = replace(scene, image=as_another_camera(rng, scene.image))
        if kind in ("pasted", "rendered"):
            frame = replace(frame, trust=frame.trust * _seen(scene))
        return scene, frame

    # Each kind of scene of Mix, by its name.

    def _boxed(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        row = self._buckets["boxed"].draw(rng)
        scene, seen = self._view_of_tangle(rng, self._read(row))
        return self._distracted(rng, scene), self._partly_seen(lesson(row), seen)

    def _unboxed(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        row = self._buckets["unboxed"].draw(rng)
        scene = self._view(rng, plain(self.pictures[row], known=False), ViewRange(zoom=(0.5, 1.15)))
        return scene, lesson(row)

    def _fail(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        row = self._buckets["fail"].draw(rng)
        scene, seen = self._view_of_tangle(rng, self._read(row))
        return self._distracted(rng, scene), self._partly_seen(lesson(row), seen)

    def _pasted(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        scene = self._background(rng)
        for _ in range(int(rng.choice([1, 1, 1, 2]))):
            scene = with_pasted_tangle(rng, scene, self._read(self._buckets["donor"].draw(rng)))
        return scene, Lesson(1.0, _trust(scene))

    def _rendered(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        scene = self._background(rng)
        for _ in range(int(rng.choice([1, 1, 1, 2]))):
            scene = with_rendered_tangle(rng, scene)
        return scene, Lesson(1.0, 0.8 * _trust(scene))

    def _normal(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        row = self._buckets["normal"].draw(rng)
        return self._distracted(rng, self._view(rng, plain(self.pictures[row]), self.recipe.view)), lesson(row)

    def _defect(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        row = self._buckets["defect"].draw(rng)
        return self._distracted(rng, self._view(rng, plain(self.pictures[row]), self.recipe.view)), lesson(row)

    def _crop(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        """Zoom into a failed picture beside its tangles; many tries fail, then a normal scene is as good."""
        row = self._buckets["boxed"].draw(rng)
        source = self._read(row)
        if row.source not in ("fd1", *PARTIAL_BOX_SOURCES):
            for _ in range(6):
                rows, columns = source.image.shape[:2]
                matrix = random_view(rng, columns, rows, self.recipe.size, replace(self.recipe.view, zoom=(1.3, 3.0)))
                seen = viewed(source, matrix, self.recipe.size, None)
                if not seen.tangle.any() and seen.known.all():
                    return self._distracted(rng, seen), Lesson(0.0, 0.7)
        return self._normal(rng)

    def _texture(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        return self._distracted(rng, plain(draw_texture(rng, self.recipe.size))), Lesson(0.0, 1.0)

    def _pseudo(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        row = self._buckets["pseudo"].draw(rng)
        guess = self.pseudo[row.id]
        image = self.pictures[row]
        boxes = guess.boxes * np.tile(image.shape[1::-1], 2).astype(np.float32)
        scene, seen = self._view_of_tangle(rng, annotated(image, boxes, boxes, partial=True))
        return self._distracted(rng, scene), self._partly_seen(Lesson(guess.frame, PSEUDO_TRUST, PSEUDO_TRUST), seen)

    def _pseudo_good(self, rng: np.random.Generator) -> tuple[Scene, Lesson]:
        row = self._buckets["pseudo_good"].draw(rng)
        scene = self._view(rng, plain(self.pictures[row]), self.recipe.view)
        return self._distracted(rng, scene), Lesson(self.pseudo[row.id].frame, PSEUDO_TRUST, PSEUDO_TRUST)

    # What they are made of.

    def _read(self, row: Row) -> Scene:
        image = self.pictures[row]
        if row.boxes is None:
            return plain(image, known=False)
        to_px = np.tile(image.shape[1::-1], 2).astype(np.float32)
        return annotated(image, row.boxes * to_px, tangles(row) * to_px, row.source in PARTIAL_BOX_SOURCES or row.source == "fd1")

    def _background(self, rng: np.random.Generator) -> Scene:
        if rng.random() < NO_PRINTER_BEHIND:
            return plain(draw_texture(rng, self.recipe.size))
        bucket = self._buckets[self._background_kind(rng)]
        scene = self._view(rng, plain(self.pictures[bucket.draw(rng)]), replace(self.recipe.view, zoom=(0.8, 1.6)))
        return self._distracted(rng, scene)

    def _background_kind(self, rng: np.random.Generator) -> str:
        """Draw what a tangle is added to; unlabelled good prints are most like what a webcam sees all day."""
        wanted = str(rng.choice(["pseudo_good", "defect", "normal"], p=[0.4, 0.2, 0.4]))
        return wanted if self._buckets[wanted].rows else "normal"

    def _distracted(self, rng: np.random.Generator, scene: Scene) -> Scene:
        """Draw things that are no tangle over some scenes; what they hide of a tangle is not known any more."""
        if rng.random() >= self.recipe.distractors:
            return scene
        image = scene.image.copy()
        for _ in range(int(rng.integers(1, 4))):
            draw_distractor(rng, image)
        hidden = (scene.tangle > 0) & (image != scene.image).any(-1)
        if np.count_nonzero(hidden) > MOST_HIDDEN * np.count_nonzero(scene.tangle):
            return scene
        return replace(scene, image=image, known=np.where(hidden, 0, scene.known).astype(np.uint8))

    def _view(self, rng: np.random.Generator, source: Scene, within: ViewRange) -> Scene:
        rows, columns = source.image.shape[:2]
        matrix = random_view(rng, columns, rows, self.recipe.size, within)
        return viewed(source, matrix, self.recipe.size, self._behind(rng), _plain_colour(rng))

    def _behind(self, rng: np.random.Generator) -> Scene | None:
        """Draw what shows around a picture that is smaller than the input: another good scene, or nothing."""
        if rng.random() < 0.35:
            return None
        image = self.pictures[self._buckets["normal"].draw(rng)]
        return plain(cv2.resize(image, (self.recipe.size, self.recipe.size), interpolation=cv2.INTER_AREA))

    def _view_of_tangle(self, rng: np.random.Generator, source: Scene) -> tuple[Scene, float]:
        """Draw a view that keeps at least half of the tangles if four tries find one; returns it and the share in view."""
        whole = float(np.count_nonzero(source.tangle)) or 1.0
        scene, share = source, 0.0
        for _ in range(4):
            rows, columns = source.image.shape[:2]
            matrix = random_view(rng, columns, rows, self.recipe.size, self.recipe.view)
            inside = cv2.warpAffine(source.tangle, matrix, (self.recipe.size,) * 2, flags=cv2.INTER_NEAREST)
            share = np.count_nonzero(inside) / (whole * abs(float(np.linalg.det(matrix[:, :2]))))
            # A close-up of the middle of a tangle shows little of it and still nothing else.
            if share > 0.5 or np.count_nonzero(inside) > 0.3 * inside.size:
                share = 1.0
                break
        scene = viewed(source, matrix, self.recipe.size, self._behind(rng), _plain_colour(rng))
        return scene, share

    @staticmethod
    def _partly_seen(given: Lesson, share: float) -> Lesson:
        """Trust the frame's label less, the less of the tangle is in view."""
        return given if share > 0.5 else replace(given, trust=given.trust * max(0.0, share - 0.1))


def targets(scene: Scene, frame: Lesson) -> Sample:
    """Turn a scene into arrays: see :func:`inference_server.detector.losses.loss` for what each is compared with."""
    cells, mask_cells = scene.size // BOX_STRIDE, scene.size // MASK_STRIDE
    peaks, weight = np.zeros((2, cells, cells), np.float32)
    sides = np.zeros((4, cells, cells), np.float32)
    at = (np.arange(cells, dtype=np.float32) + 0.5) * BOX_STRIDE
    for left, top, right, bottom in scene.boxes_px[np.argsort(-area(scene.boxes_px))]:  # small ones win a shared cell
        x, y = (left + right) / 2, (top + bottom) / 2
        hill = _hill(at, y, (bottom - top) / 2)[:, None] * _hill(at, x, (right - left) / 2)[None, :]
        hill[min(int(y / BOX_STRIDE), cells - 1), min(int(x / BOX_STRIDE), cells - 1)] = 1.0
        peaks = np.maximum(peaks, hill)
        near = hill > 0.5
        reach = ((at - left)[None, :], (at - top)[:, None], (right - at)[None, :], (bottom - at)[:, None])
        to_sides = np.stack(np.broadcast_arrays(*reach))
        sides[:, near] = np.log(np.clip(to_sides[:, near], 1.0, None) / SIDE_SCALE_PX)
        weight[near] = hill[near]
    cover = _shares(scene.tangle, mask_cells)
    peaks_known = (_shares(scene.known, cells) > 0.5) | (weight > 0)
    return {
        "image": np.ascontiguousarray(scene.image.transpose(2, 0, 1)),
        "peaks": peaks[None],
        "peaks_known": frame.places * peaks_known[None].astype(np.float32),
        "sides": sides,
        "sides_weight": frame.places * weight[None],
        "mask": np.clip(cover * 3.0, 0.0, 1.0)[None],  # a cell of which a third is covered shows a tangle
        "mask_known": frame.places * (_shares(scene.known, mask_cells) > 0.5)[None].astype(np.float32),
        "frame": np.array([frame.frame], np.float32),
        "frame_trust": np.array([frame.trust], np.float32),
    }


def _plain_colour(rng: np.random.Generator) -> int:
    """Draw the grey that fills what a picture does not reach; black is the usual one."""
    return int(rng.integers(256)) if rng.random() < 0.3 else 0


def _trust(scene: Scene) -> float:
    """Trust a frame whose added tangle is tiny less: after blur and JPEG it may be a smudge, and smudges are no failures."""
    sides = np.sqrt(area(scene.boxes_px)) / scene.size
    return float(np.clip(sides.max(initial=0.0) / 0.14, 0.3, 1.0))


def _seen(scene: Scene) -> float:
    """Trust an added tangle less that darkness, blur and JPEG have left nobody a chance to see, 0.1 to 1."""
    grey = cv2.cvtColor(scene.image, cv2.COLOR_RGB2GRAY)
    detail = np.abs(grey.astype(np.float32) - cv2.blur(grey, (9, 9)))
    inside = scene.tangle > 128
    return float(np.clip(detail[inside].mean() / CLEAR_DETAIL, 0.1, 1.0)) if inside.any() else 0.1


def _shares(map_px: NDArray[np.uint8], cells: int) -> NDArray[np.float32]:
    """Return (cells, cells) how much of each cell a map (S, S) of 0 or 255 covers, 0 to 1."""
    return cv2.resize(map_px.astype(np.float32) / 255, (cells, cells), interpolation=cv2.INTER_AREA)


def _hill(at: NDArray[np.float32], centre: float, half: float) -> NDArray[np.float32]:
    """Return a Gaussian over cells that falls to 0.5 at 0.35 of a box's half side (TTFNet, Liu et al. 2020)."""
    sigma = max(0.3 * half, BOX_STRIDE * 0.4)
    return np.exp(-0.5 * ((at - centre) / sigma) ** 2)
