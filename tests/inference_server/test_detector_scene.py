"""What is drawn, pasted and hidden in a training scene is known to its labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference_server.detector.dataset import _seen
from inference_server.detector.distractors import KINDS
from inference_server.detector.geometry import ViewRange, random_view
from inference_server.detector.photometric import as_another_camera
from inference_server.detector.scene import (
    annotated,
    plain,
    viewed,
    with_pasted_patch,
    with_pasted_tangle,
    with_rendered_tangle,
)
from inference_server.detector.strands import Filament, draw_tangle, fainter

SIZE = 160


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def grey(value=90, size=SIZE):
    return np.full((size, size, 3), value, np.uint8)


def test_a_rendered_tangle_fills_its_box_and_nothing_else(rng):
    """Filament lies inside the box it was asked for; shadows may fall beside it, the mask may not."""
    image = grey()
    mask = draw_tangle(rng, image, (40, 50, 120, 110), Filament((240, 40, 40), 40, 2.0, 0.2, 0.2))
    rows, columns = np.nonzero(mask)
    assert columns.min() >= 40 and columns.max() < 120 and rows.min() >= 50 and rows.max() < 110
    assert np.ptp(columns) > 50 and np.ptp(rows) > 35
    assert (image[mask > 200] != 90).any(1).mean() > 0.5


def test_a_tangle_of_few_pixels_can_still_be_drawn(rng):
    """Eight pixels are enough for a tangle, and one that sticks out of the picture is cut off."""
    image = grey()
    assert draw_tangle(rng, image, (2, 2, 10, 10)).any()
    draw_tangle(rng, image, (-30, -30, 10, 10))
    draw_tangle(rng, image, (150, 150, 400, 400))


def test_the_same_seed_draws_the_same_tangle():
    """All chance comes from the generator that is passed in."""
    first, second = grey(), grey()
    draw_tangle(np.random.default_rng(3), first, (10, 10, 90, 90))
    draw_tangle(np.random.default_rng(3), second, (10, 10, 90, 90))
    assert np.array_equal(first, second) and (first != 90).any()


@pytest.mark.parametrize("draw", KINDS, ids=lambda draw: draw.__name__)
def test_distractors_change_the_picture_in_place(rng, draw):
    """Each thing that is no tangle draws something, whatever the seed, and stays inside the picture."""
    changed = 0
    for _ in range(10):
        image = grey()
        draw(rng, image)
        changed += bool((image != 90).any())
    assert changed >= 8


def test_a_pasted_tangle_is_labelled_where_it_lies(rng):
    """The pasted picture differs from the background only near its new box, which the mask lies in."""
    donor_image = grey(30)
    donor_image[60:100, 40:120] = rng.integers(0, 255, (40, 80, 3))
    donor = annotated(donor_image, np.array([[40, 60, 120, 100]], np.float32), np.array([[40, 60, 120, 100]], np.float32), False)
    scene = with_pasted_tangle(rng, plain(grey()), donor)
    left, top, right, bottom = scene.boxes_px[0]
    rows, columns = np.nonzero((scene.image != 90).any(2))
    assert columns.min() >= left - 1 and columns.max() <= right + 1 and rows.min() >= top - 1 and rows.max() <= bottom + 1
    assert scene.tangle.max() > 128 and (scene.known[scene.tangle > 128] == 255).all()


def test_a_pasted_piece_of_a_good_print_is_no_tangle(rng):
    """A seam without a tangle teaches that a seam alone is no failure."""
    scene = with_pasted_patch(rng, plain(grey()), rng.integers(0, 255, (SIZE, SIZE, 3)).astype(np.uint8))
    assert len(scene.boxes_px) == 0 and not scene.tangle.any() and (scene.image != 90).any()


def test_a_drawn_box_teaches_its_core_and_leaves_its_corners_open():
    """Inside a box the core surely shows the tangle, the corners are unknown, everything outside is surely clear."""
    box = np.array([[40, 40, 120, 120]], np.float32)
    scene = annotated(grey(), box, box, partial=False)
    assert scene.tangle[80, 80] == 255 and scene.known[80, 80] == 255
    assert scene.known[42, 42] == 0 and scene.tangle[42, 42] == 0
    assert scene.known[10, 10] == 255


def test_labels_follow_the_view(rng):
    """After any view, the box lies where the coloured tangle went."""
    image = grey()
    image[60:100, 50:110] = (255, 0, 0)
    box = np.array([[50, 60, 110, 100]], np.float32)
    within = ViewRange(zoom=(0.6, 1.0), turned=0.0, tilted=0.0)
    for _ in range(30):
        scene = viewed(annotated(image, box, box, False), random_view(rng, SIZE, SIZE, 96, within), 96, None, 90)
        rows, columns = np.nonzero(scene.image[..., 0].astype(int) - scene.image[..., 1] > 120)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert scene.boxes_px[0] == pytest.approx(expected, abs=2.5)


def test_a_tangle_that_left_the_view_is_not_taught_as_good(rng):
    """When most of a tangle is cut off, its rest is unknown and no box is left."""
    box = np.array([[40, 40, 120, 120]], np.float32)
    scene = viewed(annotated(grey(), box, box, False), np.array([[1.0, 0, -108], [0, 1, 0]]), SIZE, None)
    assert len(scene.boxes_px) == 0 and (scene.known[60:100, 0:10] == 0).all()


def test_a_rendered_tangle_adds_a_box(rng):
    """A scene gains one box and a mask, its old picture is left alone."""
    before = plain(grey())
    after = with_rendered_tangle(rng, before)
    assert len(after.boxes_px) == 1 and after.tangle.any() and (before.image == 90).all()


def test_a_fainter_tangle_is_nearer_to_what_lies_behind_it():
    """A contrast of 0 is the background itself, of 1 the filament as it was."""
    filament = Filament((250, 100, 0), 40, 2.0, 0.2, 0.2)
    assert fainter(filament, (50, 60, 70), 0.0).colour == (50, 60, 70)
    assert fainter(filament, (50, 60, 70), 0.5).colour == (150, 80, 35)
    assert fainter(filament, (50, 60, 70), 1.0).colour == filament.colour


def test_a_tangle_that_nobody_can_see_is_hardly_trusted(rng):
    """In the dark the frame's label keeps a tenth of its trust, in plain light all of it."""
    lit = with_rendered_tangle(np.random.default_rng(1), plain(grey()))
    dark = replace(lit, image=(lit.image * 0.01).astype(np.uint8))
    assert _seen(lit) == 1.0 and _seen(dark) == pytest.approx(0.1)


def test_another_camera_changes_light_and_nothing_else(rng):
    """Light, lens and JPEG keep shape and type, and leave something to see."""
    image = grey()
    image[::8] = 200
    for _ in range(60):
        seen = as_another_camera(rng, image)
        assert seen.shape == image.shape and seen.dtype == np.uint8
