"""JSON on the disk that a crash at any byte leaves whole: a reader sees the old content or the new one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def replace_json(file: Path, content: Any, *, durable: bool = True) -> None:
    """Write beside the file, flush to the disk when it is to survive a power cut, then rename. Raises :class:`OSError`."""
    partial = file.with_name(f".{file.name}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
    partial.replace(file)
