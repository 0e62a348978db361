"""Look at pictures from a disk: find them, bring them to JPEG, ask a detector, draw what it saw. No OctoPrint needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octoprint_spaghetti.core.errors import AnswerInvalid, PictureRefused, PictureUnusable, ServerOverloaded, ServerTooSlow
from octoprint_spaghetti.core.jpeg import MOST_BYTES, without_trailer
from octoprint_spaghetti.core.picture_kind import FOREIGN, HEAD_BYTES, HEIC, JPEG, PICTURES, WEB_PAGE, header_size_wh, kind_of
from octoprint_spaghetti.core.words import Answer, Frame, as_json
from octoprint_spaghetti.ports import Detector

#: Files of these names are pictures whatever is in them: one that is damaged, or is none, is to be told and not passed over.
_NAMES = {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"}
#: Ending of the copies that :func:`write_boxed` makes; they are not looked at again.
_BOXED = ".boxed.jpg"
#: As ``inference_server/pixels.py`` has it: the detector looks at no larger picture.
MOST_PIXELS = 40_000_000
#: As many pixels of four bytes, uncompressed.
_MOST_FILE_BYTES = 4 * MOST_PIXELS
#: Quality of the JPEG that a PNG becomes: nothing that the detector sees is lost (it was trained on qualities from 15 up).
_QUALITY = 95
#: What is the matter with one picture, or soon over; everything else would meet the next picture too.
_OF_THIS_PICTURE = (PictureUnusable, PictureRefused, AnswerInvalid, ServerTooSlow, ServerOverloaded)
#: Red as the plugin's pages draw it, in OpenCV's order blue, green, red.
_RED = (40, 40, 220)


@dataclass(frozen=True)
class Checked:
    """What was found in one file: an answer to its ``jpeg`` with its time in milliseconds, or a problem in a sentence."""

    file: Path
    answer: Answer | None = None
    ms: float = 0.0
    problem: str = ""
    jpeg: bytes = field(default=b"", repr=False)

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


def find_pictures(paths: Iterable[Path], skip: Callable[[Path], object] = lambda file: None) -> Iterator[Path]:
    """Yield the files among ``paths`` and all pictures below the folders among them, in the order of their names.

    ``skip`` is told of each file in a folder that is no picture. Raises :class:`PictureUnusable` for a folder that cannot be read.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        try:
            files = sorted(filter(_is_original, path.rglob("*")))
        except OSError as error:
            raise PictureUnusable(f"{path} cannot be read ({error.strerror}).") from error
        for file in files:
            if is_picture(file):
                yield file
            else:
                skip(file)


def is_picture(file: Path) -> bool:
    """Return whether a file is a picture by its name or by its content, and no boxed copy."""
    return _is_original(file) and (file.suffix.lower() in _NAMES or _kind_of_file(file) in PICTURES)


def _is_original(file: Path) -> bool:
    return not file.name.endswith(_BOXED) and file.is_file()


def told_of_skipped(files: Sequence[Path]) -> str:
    """Return in a sentence how many files in folders were no pictures, and what to do with those that are some elsewhere."""
    told = f"{len(files)} {'file was' if len(files) == 1 else 'files were'} skipped as no picture to look at"
    foreign = [kind for kind in map(_kind_of_file, files) if kind in FOREIGN]
    kinds = " or ".join(sorted(set(foreign)))
    return f"{told}; of these {len(foreign)} {kinds}, to be saved as JPEG or PNG first." if foreign else f"{told}."


def check_picture(file: Path, detector: Detector) -> Checked:
    """Look at one file; a file that cannot be read or answered for becomes a problem, not an exception.

    Raises :class:`DetectorError` when nobody can look, at this file or at the next.
    """
    try:
        jpeg = read_jpeg(file)
        started = time.perf_counter()
        answer = detector.look(Frame(jpeg, 0.0, str(file)))
    except OSError as error:
        return Checked(file, problem=f"{file} cannot be read ({error.strerror}).")
    except _OF_THIS_PICTURE as error:
        return Checked(file, problem=str(error))
    return Checked(file, answer, (time.perf_counter() - started) * 1e3, jpeg=jpeg)


def read_jpeg(file: Path) -> bytes:
    """Return the bytes of a JPEG file up to the end of its picture, or those of another picture turned into one.

    Raises :class:`OSError`, and :class:`PictureUnusable` with a sentence about the file.
    """
    if file.stat().st_size > _MOST_FILE_BYTES:
        raise PictureUnusable(_too_large(_MOST_FILE_BYTES))
    data = file.read_bytes()
    kind = kind_of(data[:HEAD_BYTES])
    if not data:
        raise PictureUnusable("The file is empty; copy it again from where it came.")
    if kind == WEB_PAGE:
        raise PictureUnusable("The file is a web page and no picture; save the picture itself.")
    if kind == HEIC:
        raise PictureUnusable(_said_of_foreign(kind))
    return _whole(data) if kind == JPEG else _turned_into_jpeg(data, kind)


def _whole(data: bytes) -> bytes:
    jpeg = without_trailer(data)
    if jpeg is None:
        raise PictureUnusable("The picture in the file was cut off in the middle; copy it again from where it came.")
    if len(jpeg) > MOST_BYTES:
        raise PictureUnusable(_too_large(MOST_BYTES))
    return jpeg


def _turned_into_jpeg(data: bytes, kind: str) -> bytes:
    size = header_size_wh(data[:HEAD_BYTES])
    if size is not None:
        _check_size(*size)
    picture = _decoded(data, kind)
    rows, columns = picture.shape[:2]
    _check_size(columns, rows)
    return _encoded(picture)


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise PictureUnusable(
            f"The picture has {width} x {height} pixels, and at most {MOST_PIXELS // 1_000_000} megapixels are looked at; "
            "make it smaller."
        )


def _decoded(data: bytes, kind: str = JPEG) -> Any:
    """Return the pixels (rows, columns, BGR) as the camera delivered them: the orientation tag turns no box of the detector's.

    Raises :class:`PictureUnusable`.
    """
    cv2, numpy = _opencv()
    try:
        picture = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:  # such as a header that claims more pixels than OpenCV takes
        picture = None
    if picture is not None:
        return picture
    if kind in FOREIGN:
        raise PictureUnusable(_said_of_foreign(kind))
    raise PictureUnusable(
        f"The file is {f'a damaged {kind}' if kind else 'no picture that can be read'}; save it as JPEG or PNG."
    )


def _encoded(picture: Any) -> bytes:
    """Return pixels as a JPEG file; raises :class:`PictureUnusable` when a side is longer than a JPEG's can be."""
    cv2, _numpy = _opencv()
    try:
        done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    except cv2.error:
        done = False
    if not done:
        rows, columns = picture.shape[:2]
        raise PictureUnusable(f"The picture has {columns} x {rows} pixels, too many for a JPEG; make its longer side shorter.")
    return bytes(jpeg.tobytes())


def write_boxed(checked: Checked, folder: Path) -> Path:
    """Write a copy of the picture with its boxes and score into ``folder``; return its path.

    Raises :class:`PictureUnusable`, and :class:`OSError` when the copy cannot be written.
    """
    cv2, _numpy = _opencv()
    if checked.answer is None:
        raise PictureUnusable(checked.problem)
    picture = _decoded(checked.jpeg)
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
    target.write_bytes(_encoded(picture))
    return target


def _free_name(folder: Path, name: str) -> Path:
    """Return a name that no copy has yet: two folders may hold pictures of the same name."""
    target, number = folder / f"{name}{_BOXED}", 2
    while target.exists():
        target, number = folder / f"{name}.{number}{_BOXED}", number + 1
    return target


def _kind_of_file(file: Path) -> str:
    """Return of what kind a file is by its content; empty when that is not known, or the file cannot be read."""
    try:
        with file.open("rb") as stream:
            return kind_of(stream.read(HEAD_BYTES))
    except OSError:
        return ""


def _said_of_foreign(kind: str) -> str:
    return f"The file is a {kind} picture, which cannot be looked at; save it as JPEG or PNG."


def _too_large(most_bytes: int) -> str:
    return f"The picture has more than {most_bytes // 1_000_000} MB; make it smaller."


def _opencv() -> tuple[Any, Any]:
    try:
        import cv2
        import numpy
    except ImportError as error:
        raise PictureUnusable(
            f'Pictures other than JPEG, and boxed copies, need OpenCV ({error}); run: pip install "octoprint-spaghetti[edge]"'
        ) from error
    return cv2, numpy
