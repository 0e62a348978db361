"""Boxes and clips by the real ffmpeg, decoded again by OpenCV; and what happens when it is not what it should be."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np
import pytest

from octoprint_spaghetti.adapters import ffmpeg
from octoprint_spaghetti.adapters.ffmpeg import CLIP_SIDE, Marked, View, boxed, clip, find_ffmpeg
from octoprint_spaghetti.core.errors import EvidenceError
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.jpeg import size_wh
from tests.demo.test_whole_run import processes_that_name

FFMPEG = find_ffmpeg(None) or ""
needs_ffmpeg = pytest.mark.skipif(not FFMPEG, reason="no ffmpeg; run scripts/test, or install the package ffmpeg")
BOX = Box(0.25, 0.5, 0.5, 0.75)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a drawing take its time: nothing here is about the speed of this computer."""
    monkeypatch.setattr(ffmpeg, "PICTURE_S", 60.0)


def grey(level: int = 128, width: int = 640, height: int = 480) -> bytes:
    """Return a JPEG of one grey."""
    return bytes(cv2.imencode(".jpg", np.full((height, width, 3), level, np.uint8))[1].tobytes())


def is_red(pixel: np.ndarray) -> bool:
    """Return whether a pixel, BGR, is the colour of the boxes."""
    blue, green, red = (int(value) for value in pixel)
    return red > 180 and red - green > 80 and red - blue > 80


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def clip_frames(gif: bytes, tmp_path: Path) -> list[np.ndarray]:
    (tmp_path / "clip.gif").write_bytes(gif)
    video = cv2.VideoCapture(str(tmp_path / "clip.gif"))
    frames = []
    while (found := video.read())[0]:
        frames.append(found[1])
    video.release()
    return frames


@needs_ffmpeg
@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (481, 361)])
def test_a_box_is_drawn_where_the_failure_is_and_nowhere_else(size: tuple[int, int]) -> None:
    """The line runs along its edges; the picture keeps its size, and what is inside and outside of the box its grey."""
    width, height = size
    made = boxed(FFMPEG, Marked(grey(128, width, height), ((BOX, 0.9),)))
    picture = decoded(made)
    assert size_wh(made) == size
    row, column = round(0.6 * height), round(0.4 * width)
    left, top = picture[row, round(0.25 * width) + 1], picture[round(0.5 * height) + 1, column]
    assert is_red(left) and is_red(top)
    for inside_or_outside in (picture[row, column], picture[row, round(0.2 * width)], picture[5, 5]):
        assert abs(int(inside_or_outside.mean()) - 128) < 10


@needs_ffmpeg
@pytest.mark.parametrize("flags", [[], [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]])
def test_every_kind_of_jpeg_gets_its_box(flags: list[int]) -> None:
    """Cameras send 4:2:0, 4:2:2 and 4:4:4; a night camera sends grey alone."""
    full = bytes(cv2.imencode(".jpg", np.full((240, 320, 3), 90, np.uint8), flags)[1].tobytes())
    night = bytes(cv2.imencode(".jpg", np.full((240, 320), 90, np.uint8))[1].tobytes())
    for jpeg in (full, night):
        assert is_red(decoded(boxed(FFMPEG, Marked(jpeg, ((BOX, 0.9),))))[130, 81])


@needs_ffmpeg
@pytest.mark.parametrize(
    ("view", "size", "edge"),
    [
        pytest.param(View(flip_h=True), (640, 480), (0.5, 0.6), id="flipped left to right"),
        pytest.param(View(flip_v=True), (640, 480), (0.25, 0.4), id="flipped upside down"),
        pytest.param(View(turned=True), (480, 640), (0.6, 0.75), id="turned counter-clockwise"),
        pytest.param(View(flip_h=True, flip_v=True, turned=True), (480, 640), (0.4, 0.25), id="all of it"),
    ],
)
def test_a_picture_is_shown_the_way_up_that_octoprint_shows_it(
    view: View, size: tuple[int, int], edge: tuple[float, float], tmp_path: Path
) -> None:
    """Flipped first, then turned, with its boxes; a picture without boxes too, and the clip. ``edge``: a point of the box's left line."""
    made = boxed(FFMPEG, Marked(grey(), ((BOX, 0.9),), view))
    picture = decoded(made)
    column, row = (round(share * side) for share, side in zip(edge, size))
    near = picture[max(0, row - 4) : row + 4, max(0, column - 4) : column + 4].reshape(-1, 3)
    assert size_wh(made) == size_wh(boxed(FFMPEG, Marked(grey(), (), view))) == size
    assert any(is_red(pixel) for pixel in near)
    height, width = clip_frames(clip(FFMPEG, [Marked(grey(), (), view)]), tmp_path)[0].shape[:2]
    assert (width > height) == (size[0] > size[1])


@needs_ffmpeg
def test_a_weak_box_is_not_drawn_and_costs_no_process() -> None:
    """The page shows none either; the picture is the very same."""
    jpeg = grey()
    assert boxed("/nowhere/ffmpeg", Marked(jpeg, ((BOX, 0.2),))) is jpeg
    assert boxed("/nowhere/ffmpeg", Marked(jpeg)) is jpeg


@needs_ffmpeg
def test_a_clip_shows_each_picture_with_its_own_boxes(tmp_path: Path) -> None:
    """Small enough for a messenger, a quarter of a second each, and the last one stays for a while."""
    pictures = [Marked(grey(60)), Marked(grey(120), ((BOX, 0.9),)), Marked(grey(180))]
    frames = clip_frames(clip(FFMPEG, pictures), tmp_path)
    assert len(frames) == 3 + round(ffmpeg.CLIP_HOLD_S * ffmpeg.CLIP_FPS)
    assert frames[0].shape[:2] == (360, CLIP_SIDE)
    column, row = round(0.25 * CLIP_SIDE) + 1, round(0.6 * 360)
    assert [is_red(frame[row, column]) for frame in frames[:3]] == [False, True, False]
    assert [round(float(frame[5, 5].mean()), -1) for frame in frames[:3]] == [60.0, 120.0, 180.0]
    assert abs(float(frames[-1].mean()) - 180.0) < 6.0


@needs_ffmpeg
def test_a_small_or_tall_picture_is_not_stretched(tmp_path: Path) -> None:
    """A clip is never larger than the camera's picture, and keeps its shape."""
    assert clip_frames(clip(FFMPEG, [Marked(grey(width=320, height=240))]), tmp_path)[0].shape[:2] == (240, 320)
    assert clip_frames(clip(FFMPEG, [Marked(grey(width=720, height=1280))]), tmp_path)[0].shape[:2] == (CLIP_SIDE, 270)


@needs_ffmpeg
def test_pictures_of_another_size_are_left_out_of_the_clip(tmp_path: Path) -> None:
    """The camera's resolution was changed in between: the newest pictures count."""
    pictures = [Marked(grey(60, 320, 240)), Marked(grey(120)), Marked(grey(180), ((BOX, 0.9),))]
    frames = clip_frames(clip(FFMPEG, pictures), tmp_path)
    assert [round(float(frame[5, 5].mean()), -1) for frame in frames[:2]] == [120.0, 180.0]


@needs_ffmpeg
def test_what_is_no_picture_is_a_sentence() -> None:
    """A damaged incident does not end in a broken file."""
    for make in (lambda: boxed(FFMPEG, Marked(b"no picture", ((BOX, 0.9),))), lambda: clip(FFMPEG, [Marked(b"no picture")])):
        with pytest.raises(EvidenceError, match="ffmpeg could not read the pictures"):
            make()


def test_no_pictures_make_no_clip() -> None:
    """An incident whose pictures could not be written."""
    with pytest.raises(EvidenceError, match="no pictures"):
        clip(FFMPEG, [])


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes no longer than a message can wait, and the process is gone."""
    script = tmp_path / "ffmpeg"
    script.write_text(f"#!/bin/sh\nexec tail -f {script}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(ffmpeg, "PICTURE_S", 0.5)
    with pytest.raises(EvidenceError, match=r"longer than 0\.5 s"):
        boxed(str(script), Marked(grey(), ((BOX, 0.9),)))
    assert processes_that_name(tmp_path) == []


def test_the_program_of_the_time_lapses_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who told OctoPrint where ffmpeg is need not tell us; a path that leads nowhere does not count."""
    script = tmp_path / "my-ffmpeg"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert find_ffmpeg(str(script)) == str(script)
    assert find_ffmpeg(str(tmp_path / "gone")) == (FFMPEG or None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg(None) is None
