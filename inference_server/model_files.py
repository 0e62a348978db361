"""Where the shipped detectors lie and whether they are whole.

A file is named ``spaghetti-<size>-<pixels>-v<version>.onnx``; beside it lies ``<name>.onnx.sha256``, as ``sha256sum`` writes it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

MODELS = Path(__file__).parent / "models"
_NAME = re.compile(r"spaghetti-(?P<size>[a-z]+)-(?P<pixels>\d+)-v(?P<version>\d+)\.onnx")


class DamagedModel(RuntimeError):
    """A model file is missing or its bytes are not those that were published."""


def default_model(folder: Path = MODELS) -> Path:
    """Return the newest shipped ``nano`` detector; raises :class:`DamagedModel` when there is none."""
    named = [(_NAME.fullmatch(path.name), path) for path in folder.glob("*.onnx")]
    found = [(int(match["version"]), path) for match, path in named if match and match["size"] == "nano"]
    if not found:
        raise DamagedModel(f"there is no detector in {folder}; install the package again")
    return max(found)[1]


def verify(path: Path) -> None:
    """Compare ``path`` with the checksum beside it; raises :class:`DamagedModel` with what to do."""
    note = path.with_suffix(".onnx.sha256")
    if not path.is_file() or not note.is_file():
        raise DamagedModel(f"{path if not path.is_file() else note} is missing; install the package again")
    expected = note.read_text().split()[0]
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise DamagedModel(f"{path} was changed or damaged: its sha256 is not {expected[:12]}...; install the package again")
