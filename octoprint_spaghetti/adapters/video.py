"""Take pictures out of a video or a time-lapse with OpenCV, which the extra ``[edge]`` brings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoprint_spaghetti.core.errors import PictureUnusable

#: Quality of the JPEG that a frame becomes, as for other pictures that are none.
_QUALITY = 95
#: A video is read to its end; one that claims to have none stops here (27 hours at one frame a second).
MOST_FRAMES = 100_000


@dataclass(frozen=True)
class Pick:
    """Which frames of a video are taken: each ``nth``, or one for each ``every_s`` seconds of the video's own clock."""

    nth: int = 1
    every_s: float | None = None


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a video: its ``number`` from 1, its second on the video's clock, and as a JPEG file."""

    number: int
    at: float
    jpeg: bytes


def video_frames(file: Path, pick: Pick) -> Iterator[VideoFrame]:
    """Yield the picked frames in order; raises :class:`PictureUnusable` when the file is no video that can be read."""
    cv2 = _opencv()
    capture = cv2.VideoCapture(str(file))
    try:
        number = taken = 0
        while taken < MOST_FRAMES and capture.grab():
            number += 1
            at = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
            if _is_picked(pick, number, at, taken):
                taken += 1
                yield VideoFrame(number, at, _jpeg(cv2, capture, file))
    finally:
        capture.release()
    if not taken:
        raise PictureUnusable(
            f"{file} is neither a folder of pictures, nor a video that OpenCV can read, nor a trace of a print."
        )


def _is_picked(pick: Pick, number: int, at: float, taken: int) -> bool:
    if pick.every_s is None:
        return (number - 1) % pick.nth == 0
    return at >= taken * pick.every_s


def _jpeg(cv2: Any, capture: Any, file: Path) -> bytes:
    read, picture = capture.retrieve()
    if not read:
        raise PictureUnusable(f"{file} holds a frame that OpenCV cannot decode; convert it to another format.")
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


def _opencv() -> Any:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # a file that is no video is told in a sentence of ours
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    try:
        import cv2
    except ImportError as error:
        raise PictureUnusable(f'Videos need OpenCV ({error}); run: pip install "octoprint-spaghetti[edge]"') from error
    return cv2
