"""The rendered scene: the same for everybody, good before the failure, a growing tangle after it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from inference_server.scene import Scene, paste_tangle

SIZE = (640, 360)
FAILURE_AT = 6


def scene(seed: int = 3) -> Scene:
    """Return a short, small scene."""
    return Scene(seed, size=SIZE, frames=14, failure_at=FAILURE_AT)


def test_a_frame_depends_on_seed_and_index_alone():
    """Two scenes of one seed agree in every pixel, in whatever order their frames are asked for."""
    first, second = scene(), scene()
    late, early = first.frame(9), first.frame(2)
    assert np.array_equal(second.frame(2), early)
    assert np.array_equal(second.frame(9), late)
    assert first.jpeg(9) == second.jpeg(9)


def test_seeds_look_different():
    """Another seed is another printer: most pixels differ by more than noise."""
    apart = cv2.absdiff(scene(3).frame(2), scene(4).frame(2))
    assert np.mean(apart.max(axis=2) > 20) > 0.5


def test_a_frame_is_a_colour_picture_of_the_size_asked_for():
    """Frames are uint8 BGR with the height and width that were asked for, as arrays and as JPEG files."""
    picture = scene().frame(0)
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    assert picture.dtype == np.uint8
    decoded = cv2.imdecode(np.frombuffer(scene().jpeg(0), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == picture.shape


@pytest.mark.parametrize("seed", range(4))
def test_no_loose_filament_before_the_failure_and_more_with_every_frame_after_it(seed: int):
    """The tangle begins with the frame ``failure_at`` and grows from there."""
    story = scene(seed)
    lengths = [len(story.loose_strand(i)) for i in range(story.frames)]
    assert lengths[:FAILURE_AT] == [0] * FAILURE_AT
    assert all(later > earlier for earlier, later in zip(lengths[FAILURE_AT - 1 :], lengths[FAILURE_AT:]))


@pytest.mark.parametrize("seed", range(4))
def test_the_failure_shows_in_the_picture(seed: int):
    """Where the tangle lies are more fine edges than were there while the print was good."""
    story = scene(seed)
    last = story.frames - 1
    box = story.tangle_box(last)
    assert story.tangle_box(FAILURE_AT - 1) is None
    assert box is not None
    assert fine_edges(story.frame(last), box) > 1.5 * fine_edges(story.frame(FAILURE_AT - 1), box)


def fine_edges(picture: np.ndarray, box: tuple[float, float, float, float]) -> float:
    """Return the energy of edges within a box of fractions."""
    rows, columns = slice(int(box[1] * SIZE[1]), int(box[3] * SIZE[1])), slice(int(box[0] * SIZE[0]), int(box[2] * SIZE[0]))
    return float(cv2.Laplacian(cv2.cvtColor(picture[rows, columns], cv2.COLOR_BGR2GRAY), cv2.CV_32F).var())


def test_a_failure_outside_the_scene_is_refused():
    """A scene says what is wrong with a failure that would never come, and with a frame it does not have."""
    with pytest.raises(ValueError, match="failure must come within the scene"):
        Scene(1, frames=10, failure_at=10)
    with pytest.raises(IndexError, match="frames 0 to 13"):
        scene().frame(14)


def test_a_pasted_tangle_changes_its_surroundings_alone():
    """The tangle lies within its box, its shadow near it, and the rest of the picture keeps every pixel."""
    frame = np.full((480, 640, 3), 90, np.uint8)
    pasted, (left, top, right, bottom) = paste_tangle(np.random.default_rng(5), frame, (0.4, 0.6), 0.1)
    assert np.array_equal(frame, np.full((480, 640, 3), 90, np.uint8))
    assert (left + right) / 2 == pytest.approx(0.4, abs=0.01)
    assert (top + bottom) / 2 == pytest.approx(0.6, abs=0.01)
    assert right - left == pytest.approx(0.2, abs=0.01) or (bottom - top) * 480 / 640 == pytest.approx(0.2, abs=0.01)
    changed = np.argwhere((pasted != frame).any(axis=2))
    assert changed.min(axis=0)[0] > (top - 0.15) * 480
    assert changed.max(axis=0)[1] < (right + 0.15) * 640
    inside = pasted[int(top * 480) : int(bottom * 480), int(left * 640) : int(right * 640)]
    assert np.mean((inside != 90).any(axis=2)) > 0.3


def test_a_pasted_tangle_repeats_with_its_generator():
    """The same generator state, place and colour give the same picture and box."""
    frame = scene().frame(0)
    first, second = (paste_tangle(np.random.default_rng(8), frame, (0.5, 0.5), 0.12, (30, 60, 220)) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert first[1] == second[1]


@pytest.mark.parametrize("centre, radius", [((1.2, 0.5), 0.1), ((0.5, 0.5), 0.0), ((0.5, 0.5), 0.9)])
def test_a_tangle_outside_the_picture_is_refused(centre: tuple[float, float], radius: float):
    """A centre beyond the picture or a senseless radius is named."""
    with pytest.raises(ValueError, match="centre within the picture"):
        paste_tangle(np.random.default_rng(0), np.zeros((100, 100, 3), np.uint8), centre, radius)
