"""From JPEG bytes to what the detector eats, in one place for training, checking, serving and the Pi.

The picture (or the region asked for) is *stretched* to the square input: fractions then need no letterbox
arithmetic, no input pixel is padding, and most public training pictures were stretched the same way.
Needs numpy and OpenCV, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference_server.contract import THUMBNAIL_COLUMNS, THUMBNAIL_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Fractions = tuple[float, float, float, float]
WHOLE: Fractions = (0.0, 0.0, 1.0, 1.0)

#: A decoded picture larger than this is refused before a pixel of it is decoded (a JPEG of a few kB can claim 65,535 x 65,535).
MAX_PIXELS = 40_000_000
#: Stretching up by a little costs no detail a detector could use; decoding at half the size saves 40 % of the time
#: (720p at 1/2 is 360 rows for a network that looks at 416, 1080p 540 for one that looks at 640).
SMALLEST_SCALE = 0.84
#: Smallest side of a region that may be asked for, as a fraction of the picture.
SMALLEST_REGION = 0.02
#: Laplacian variance of a sharp webcam picture scaled to the thumbnail's parent (luma 0 to 255) that counts as sharpness 0.5.
HALF_SHARP = 60.0


class BadPicture(ValueError):
    """The bytes are not a picture this detector can look at; the message says why."""


@dataclass(frozen=True)
class Prepared:
    """One frame, ready for the detector.

    ``image`` uint8 (3, S, S) RGB; ``window`` float32 (4,) fractions of the picture that ``image`` shows;
    ``scene`` float32 (3,) brightness, contrast, sharpness, each 0 to 1, of the whole picture or region;
    ``thumbnail`` uint8 (24, 32) luma.
    """

    image: NDArray[np.uint8]
    window: NDArray[np.float32]
    scene: NDArray[np.float32]
    thumbnail: NDArray[np.uint8]


def prepare(jpeg: bytes | NDArray[np.uint8], roi: Fractions | None = None, *, size: int) -> Prepared:
    """Decode one JPEG file and scale it for a detector that looks at ``size`` x ``size`` pixels.

    ``roi`` (left, top, right, bottom as fractions) crops that region out of the full-resolution picture first.
    Raises :class:`BadPicture` for bytes that are no complete JPEG, or for a region that is none.
    """
    data = np.frombuffer(jpeg, dtype=np.uint8) if isinstance(jpeg, (bytes, bytearray, memoryview)) else jpeg
    window = WHOLE if roi is None else checked_region(roi)
    width, height = jpeg_size(data)
    bgr = _decode(data, _reduction(width * (window[2] - window[0]), height * (window[3] - window[1]), size))
    if roi is not None:
        bgr, window = _crop(bgr, window)
    small = cv2.resize(bgr, (size, size), interpolation=_interpolation(bgr.shape, size))
    luma = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    return Prepared(
        image=_planes(small),
        window=np.asarray(window, dtype=np.float32),
        scene=describe_scene(luma),
        thumbnail=cv2.resize(luma, (THUMBNAIL_COLUMNS, THUMBNAIL_ROWS), interpolation=cv2.INTER_AREA),
    )


def jpeg_size(data: NDArray[np.uint8] | bytes) -> tuple[int, int]:
    """Read (width, height) in pixels from a JPEG's header.

    Raises :class:`BadPicture` when there is none, when the end of the file is missing, or when the picture is too large.
    """
    raw = data.tobytes() if isinstance(data, np.ndarray) else bytes(data)
    if raw[:2] != b"\xff\xd8":
        raise BadPicture(f"not a JPEG: {len(raw)} bytes that begin with {raw[:12]!r}")
    if raw.rstrip(b"\x00\r\n")[-2:] != b"\xff\xd9":
        raise BadPicture(f"a JPEG that was cut off after {len(raw)} bytes")
    at = 2
    while at + 9 <= len(raw):
        if raw[at] != 0xFF:
            break
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = int.from_bytes(raw[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # SOFn holds the size
            height, width = int.from_bytes(raw[at + 5 : at + 7], "big"), int.from_bytes(raw[at + 7 : at + 9], "big")
            if width * height > MAX_PIXELS:
                raise BadPicture(
                    f"a picture of {width} x {height} pixels; at most {MAX_PIXELS // 1_000_000} megapixels are looked at"
                )
            if width and height:
                return width, height
            break
        if length < 2:
            break
        at += 2 + length
    raise BadPicture(f"a JPEG without a size in its header ({len(raw)} bytes)")


def checked_region(roi: Fractions) -> Fractions:
    """Clip a region to the picture; raise :class:`BadPicture` when nothing worth looking at is left."""
    values = np.asarray(roi, dtype=np.float64)
    if values.shape != (4,) or not np.isfinite(values).all():
        raise BadPicture(f"a region is four fractions left,top,right,bottom, not {roi!r}")
    left, top, right, bottom = np.clip(values, 0.0, 1.0).tolist()
    if right - left < SMALLEST_REGION or bottom - top < SMALLEST_REGION:
        raise BadPicture(f"the region {roi!r} is smaller than {SMALLEST_REGION:.0%} of the picture")
    return left, top, right, bottom


def parse_region(text: str) -> Fractions:
    """Read the request parameter ``roi`` ("l,t,r,b"); raises :class:`BadPicture`."""
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise BadPicture(f"a region is four fractions left,top,right,bottom, not {text!r}") from None
    return checked_region((left, top, right, bottom))


def describe_scene(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure brightness (mean luma), contrast (spread of luma) and sharpness (edges) of a grey picture, each 0 to 1."""
    mean, spread = _mean_and_spread(luma)
    # The Laplacian of bytes is whole numbers from -1020 to 1020.
    edges = _mean_and_spread(cv2.Laplacian(luma, cv2.CV_16S))[1] ** 2
    return np.asarray([mean / 255.0, min(1.0, spread / 127.5), edges / (edges + HALF_SHARP)], dtype=np.float32)


def _mean_and_spread(values: NDArray[np.generic]) -> tuple[float, float]:
    """Return mean and standard deviation; OpenCV passes over the picture once, numpy several times (0.1 and 0.5 ms for two)."""
    mean, spread = cv2.meanStdDev(values)
    return float(mean[0, 0]), float(spread[0, 0])


def _planes(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (rows, columns, BGR) as planes (RGB, rows, columns); a quarter of what numpy's transposing copy costs."""
    blue, green, red = cv2.split(bgr)
    return np.stack((red, green, blue))


_FLAGS = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}


def _reduction(width: float, height: float, size: int) -> int:
    """Return the largest of 8, 4, 2, 1 by which libjpeg may shrink while decoding and still cover the input."""
    for factor in (8, 4, 2):
        if min(width, height) / factor >= size * SMALLEST_SCALE:
            return factor
    return 1


def _interpolation(shape: tuple[int, ...], size: int) -> int:
    """Average where bilinear sampling would skip pixels (1080p decoded at 1/2 is 2.3 times as wide as the input)."""
    return cv2.INTER_AREA if max(shape[:2]) >= 2 * size else cv2.INTER_LINEAR


def _decode(data: NDArray[np.uint8], reduction: int) -> NDArray[np.uint8]:
    try:
        # The orientation tag is left alone: boxes are fractions of the picture as the camera delivered it.
        bgr = cv2.imdecode(data, _FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise BadPicture(f"a JPEG of {data.size} bytes that cannot be decoded ({error.err})") from None
    if bgr is None:
        raise BadPicture(f"a JPEG of {data.size} bytes that cannot be decoded")
    return bgr


def _crop(bgr: NDArray[np.uint8], window: Fractions) -> tuple[NDArray[np.uint8], Fractions]:
    """Cut a region out along whole pixels; return it with the fractions it really covers."""
    rows, columns = bgr.shape[:2]
    left, right = int(window[0] * columns), max(int(window[2] * columns + 0.999), int(window[0] * columns) + 1)
    top, bottom = int(window[1] * rows), max(int(window[3] * rows + 0.999), int(window[1] * rows) + 1)
    right, bottom = min(right, columns), min(bottom, rows)
    return bgr[top:bottom, left:right], (left / columns, top / rows, right / columns, bottom / rows)
