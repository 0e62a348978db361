"""Folders and scenes as what a camera plays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demo.frames import FolderFrames, NoFrames, SceneFrames
from inference_server.scene import Scene

#: The first bytes of a JPEG file.
START = b"\xff\xd8\xff"


def folder(path: Path, *names: str) -> Path:
    """Write a file for each name that begins as a JPEG does and holds its own name."""
    for name in names:
        (path / name).write_bytes(START + name.encode())
    return path


def test_frames_are_played_in_natural_order(tmp_path: Path):
    """Frame 9 comes before frame 10, whatever the number of digits, and other files are left out."""
    frames = FolderFrames(folder(tmp_path, "frame10.jpg", "frame9.jpg", "frame100.JPG", "frame1.jpeg", "notes.txt"))
    assert [frames.jpeg(i) for i in range(len(frames))] == [
        START + name for name in (b"frame1.jpeg", b"frame9.jpg", b"frame10.jpg", b"frame100.JPG")
    ]


def test_a_frame_is_known_by_the_digits_at_the_end_of_its_name(tmp_path: Path):
    """``example1-00042.jpg`` is frame 42; a name without digits at its end is its place counted from 1."""
    frames = FolderFrames(folder(tmp_path, "example1-00042.jpg", "example1-00043.jpg", "last.jpg"))
    assert [frames.number(i) for i in range(3)] == [42, 43, 3]


def test_a_folder_without_pictures_is_refused(tmp_path: Path):
    """An empty folder, and a path that is none, are named in a sentence."""
    with pytest.raises(NoFrames, match=r"holds no \.jpg file"):
        FolderFrames(tmp_path)
    with pytest.raises(NoFrames, match="is not a folder"):
        FolderFrames(tmp_path / "missing")


def test_files_that_are_called_jpg_and_are_none_are_named(tmp_path: Path):
    """The first of them is named, and how many more there are; an empty file is one."""
    folder(tmp_path, "frame1.jpg")
    (tmp_path / "frame2.jpg").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(NoFrames, match=r"frame2\.jpg is not a JPEG file, whatever its name says; convert or remove"):
        FolderFrames(tmp_path)
    (tmp_path / "frame3.jpg").touch()
    with pytest.raises(NoFrames, match=r"frame2\.jpg .* \(one of 2 such files\)"):
        FolderFrames(tmp_path)


def test_a_scene_is_drawn_ahead_and_waits_for_nobody():
    """Frames come out as the scene draws them, under its own index, and closing ends the painter at once."""
    scene = Scene(2, size=(320, 180), frames=2000, failure_at=4)
    frames = SceneFrames(scene)
    try:
        assert frames.jpeg(5) == scene.jpeg(5)
        assert (frames.number(5), len(frames)) == (5, 2000)
    finally:
        frames.close()
    with pytest.raises(TimeoutError):
        frames.jpeg(1999)


def test_a_painter_that_fails_tells_whoever_waits():
    """An error while drawing reaches the reader with its cause, and does not leave them waiting."""

    class Broken(Scene):
        def frame(self, i: int) -> np.ndarray:
            raise ArithmeticError("no paint")

    frames = SceneFrames(Broken(1, size=(64, 48), frames=3, failure_at=1))
    with pytest.raises(RuntimeError, match="could not be drawn: no paint"):
        frames.jpeg(2)
    frames.close()
