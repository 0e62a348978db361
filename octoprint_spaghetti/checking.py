"""Look at pictures from a disk: find them, bring them to JPEG, ask a detector, draw what it saw. No OctoPrint needed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoprint_spaghetti.core.errors import PictureUnusable, SpaghettiError
from octoprint_spaghetti.core.jpeg import check_jpeg
from octoprint_spaghetti.core.words import Answer, Frame, as_json
from octoprint_spaghetti.ports import Detector

_JPEG = {".jpg", ".jpeg"}
_OTHERS = {".png", ".webp", ".bmp"}
#: Ending of the copies that :func:`write_boxed` makes; they are not looked at again.
_BOXED = ".boxed.jpg"
#: Quality of the JPEG that a PNG becomes: nothing that the detector sees is lost (it was trained on qualities from 15 up).
_QUALITY = 95
#: Red as the plugin's pages draw it, in OpenCV's order blue, green, red.
_RED = (40, 40, 220)


@dataclass(frozen=True)
class Checked:
    """What was found in one file: an answer with its time in milliseconds, or a problem in a sentence."""

    file: Path
    answer: Answer | None = None
    ms: float = 0.0
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types; ``xyxy`` are fractions of the picture, ``ms`` covers decoding and looking."""
        if self.answer is None:
            return {"file": str(self.file), "error": self.problem}
        return {
            "file": str(self.file),
            "frame_score": round(self.answer.score, 5),
            "detections": [as_json(detection) for detection in self.answer.detections],
            "ms": round(self.ms, 2),
        }


def find_pictures(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files among ``paths`` and all pictures below the folders among them, in the order of their names."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if is_picture(file))
        else:
            yield path


def is_picture(file: Path) -> bool:
    """Return whether a file is a picture by its name, and no boxed copy."""
    return file.suffix.lower() in _JPEG | _OTHERS and not file.name.endswith(_BOXED) and file.is_file()


def check_picture(file: Path, detector: Detector) -> Checked:
    """Look at one file; a file that cannot be read or answered for becomes a problem, not an exception."""
    try:
        jpeg = read_jpeg(file)
        started = time.perf_counter()
        answer = detector.look(Frame(jpeg, 0.0, str(file)))
    except OSError as error:
        return Checked(file, problem=f"{file} cannot be read ({error.strerror}).")
    except SpaghettiError as error:
        return Checked(file, problem=str(error))
    return Checked(file, answer, (time.perf_counter() - started) * 1e3)


def read_jpeg(file: Path) -> bytes:
    """Return the bytes of a JPEG file as they are, or those of another picture turned into one.

    Raises :class:`OSError` and :class:`PictureUnusable`.
    """
    data = file.read_bytes()
    if file.suffix.lower() not in _OTHERS:
        return check_jpeg(data)
    cv2, numpy = _opencv()
    picture = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise PictureUnusable(f"{file} is not a picture that can be read.")
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


def write_boxed(checked: Checked, folder: Path) -> Path:
    """Write a copy of the picture with its boxes and score into ``folder``; return its path."""
    cv2, numpy = _opencv()
    if checked.answer is None:
        raise PictureUnusable(checked.problem)
    picture = cv2.imdecode(numpy.frombuffer(read_jpeg(checked.file), numpy.uint8), cv2.IMREAD_COLOR)
    rows, columns = picture.shape[:2]
    for detection in checked.answer.detections:
        box = detection.box
        corners = (int(box.left * columns), int(box.top * rows)), (int(box.right * columns), int(box.bottom * rows))
        cv2.rectangle(picture, *corners, _RED, 2)
        cv2.putText(picture, f"{detection.confidence:.2f}", corners[0], cv2.FONT_HERSHEY_SIMPLEX, 0.5, _RED, 1, cv2.LINE_AA)
    cv2.putText(
        picture, f"frame_score {checked.answer.score:.2f}", (6, rows - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _RED, 2, cv2.LINE_AA
    )
    folder.mkdir(parents=True, exist_ok=True)
    target = _free_name(folder, checked.file.name)
    cv2.imwrite(str(target), picture)
    return target


def _free_name(folder: Path, name: str) -> Path:
    """Return a name that no copy has yet: two folders may hold pictures of the same name."""
    target, number = folder / f"{name}{_BOXED}", 2
    while target.exists():
        target, number = folder / f"{name}.{number}{_BOXED}", number + 1
    return target


def _opencv() -> tuple[Any, Any]:
    try:
        import cv2
        import numpy
    except ImportError as error:
        raise PictureUnusable(
            f'Pictures other than JPEG, and boxed copies, need OpenCV ({error}); run: pip install "octoprint-spaghetti[edge]"'
        ) from error
    return cv2, numpy
