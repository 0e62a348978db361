"""Where the shipped detectors lie and whether they are whole.

A file is named ``spaghetti-<size>-<pixels>-v<version>.onnx``; beside it lies ``<name>.onnx.sha256``, as ``sha256sum`` writes it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

MODELS = Path(__file__).parent / "models"
#: Largest file that is shipped, in bytes: a wheel and a Pi's card have to carry it.
MAX_BYTES = 8 * 1024 * 1024
#: ``base`` sees more, ``nano`` costs a quarter: for one CPU that looks at the prints of hundreds, and for slow computers beside a printer.
Size = Literal["base", "nano"]
SIZES: tuple[Size, ...] = ("base", "nano")
DEFAULT_SIZE: Size = "base"
_NAME = re.compile(r"spaghetti-(?P<size>[a-z]+)-(?P<pixels>\d+)-v(?P<version>\d+)\.onnx")
#: How the name of such a file begins, of its int8 copy, or of a model of the user's own that keeps to it; and what an engine's name says.
_PIXELS = re.compile(r"spaghetti-[a-z]+-(\d+)-v\d+|.*-(\d+)px-")


class DamagedModel(RuntimeError):
    """A model file is missing, its bytes are not those that were published, or it cannot be told what it is."""


def default_model(folder: Path = MODELS, size: Size = DEFAULT_SIZE) -> Path:
    """Return the newest shipped detector of a size; raises :class:`DamagedModel` when there is none."""
    named = [(_NAME.fullmatch(path.name), path) for path in folder.glob("*.onnx")]
    found = [(int(match["version"]), path) for match, path in named if match and match["size"] == size]
    if not found:
        raise DamagedModel(f"there is no detector of the size {size} in {folder}; install the package again")
    return max(found)[1]


def int8_of(path: Path) -> Path | None:
    """Return the int8 file that lies beside the fp32 file ``path``, None where there is none."""
    beside = path.with_name(f"{path.stem}-int8.onnx")
    return beside if beside.is_file() else None


def named_pixels(path: Path) -> int | None:
    """Return the side in pixels that the name of a model or engine says, None where it says none."""
    named = _PIXELS.match(path.stem)
    return int(named[1] or named[2]) if named else None


def misnamed(path: Path, pixels: int) -> str | None:
    """Return a sentence about a new file whose name says other pixels than its graph looks at, None where nothing is wrong."""
    named = named_pixels(path)
    return f"{path.name} says {named} pixels, but it would look at {pixels}; name it so" if named not in (None, pixels) else None


def pixels_of(path: Path) -> int:
    """Return the side in pixels of the square picture that a model or engine looks at, from its name, else from its graph.

    Raises :class:`DamagedModel` where neither says it.
    """
    named = named_pixels(path)
    if named is not None:
        return named
    if path.suffix != ".onnx":
        raise DamagedModel(
            f"{path.name} does not say how many pixels it looks at; name it like spaghetti-base-640-v2{path.suffix}"
        )
    from inference_server.onnx_detector import BadModel, OnnxDetector  # ONNX Runtime is loaded for a file of a strange name alone

    try:
        return OnnxDetector(path).input_size
    except BadModel as error:
        raise DamagedModel(str(error)) from error


def verify(path: Path, sha256: str | None = None) -> None:
    """Compare ``path`` with ``sha256``, else with the checksum beside it; raises :class:`DamagedModel` with what to do."""
    note = checksum_note(path)
    missing = path if not path.is_file() else note if sha256 is None and not note.is_file() else None
    if missing is not None:
        raise DamagedModel(f"{missing} is missing; install the package again, or fetch the file again")
    expected = (sha256 or note.read_text(encoding="utf-8").split()[0]).strip().lower()
    if checksum(path) != expected:
        raise DamagedModel(
            f"{path} was changed or damaged: its sha256 is not {expected[:12]}...; install the package again, or fetch the file again"
        )


def checksum(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()  # also on the Pi's older Python, which has no hashlib.file_digest


def checksum_note(path: Path) -> Path:
    """Return the file beside ``path`` that holds its checksum."""
    return path.with_name(f"{path.name}.sha256")


def put_in_place(draft: Path, path: Path) -> None:
    """Move the finished model ``draft`` to ``path``, which has the same name, with its checksum beside it.

    The checksum goes first: a kill between the two leaves one that fits no file, or not the older one, and :func:`verify` says so.
    """
    write_checksum(draft, checksum(draft))
    checksum_note(draft).replace(checksum_note(path))
    draft.replace(path)


def write_checksum(path: Path, sha256: str) -> None:
    """Write ``sha256`` beside ``path``, as ``sha256sum`` writes it."""
    checksum_note(path).write_text(f"{sha256}  {path.name}\n", encoding="utf-8")
