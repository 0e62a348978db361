"""JSON on the disk that a crash at any byte leaves whole: a reader sees the old content or the new one."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

#: Whole numbers beyond 64 bits are no time, layer or count, and may not even be a float.
_MOST = 2**63


def read_json(file: Path) -> Any:
    """Return a file's content. Raises :class:`OSError`, and :class:`ValueError` for what is no JSON.

    That is also what no browser reads again (NaN, infinity, a number beyond a float's range), and what is nested without end.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"), parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def replace_json(file: Path, content: Any, *, durable: bool = True) -> None:
    """Write beside the file, flush to the disk when it is to survive a power cut, then rename. Raises :class:`OSError`."""
    partial = file.with_name(f".{file.name}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
    partial.replace(file)


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) > _MOST:
        raise ValueError(f"{text[:20]}... is no number")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number")
    return number
