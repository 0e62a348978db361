"""Read an incident's ``state.json``, which a crash, another program or a stranger may have written: in its shape, or refused."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from octoprint_spaghetti.adapters.json_file import read_json

#: Pictures lie beside the file; no other name is ever opened.
_PICTURE = re.compile(r"[0-9]{3,9}\.jpg")


def read_state(file: Path) -> dict[str, Any]:
    """Return the content: an object with lists of ``states`` and ``frames``. Raises :class:`OSError` and :class:`ValueError`."""
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("label", ""), str):
        raise ValueError("it is no incident")
    if not _all_objects(content.get("states")) or not _all_objects(content.get("frames")):
        raise ValueError("its states or its frames are missing")
    if not all(map(_is_frame, content["frames"])):
        raise ValueError("one of its frames is none")
    return content


def _is_frame(frame: dict[str, Any]) -> bool:
    name, score, detections = frame.get("file"), frame.get("score"), frame.get("detections")
    named = isinstance(name, str) and _PICTURE.fullmatch(name) is not None
    return (
        named and (score is None or _is_number(score)) and _all_objects(detections) and all(map(_is_detection, detections or ()))
    )


def _is_detection(seen: dict[str, Any]) -> bool:
    corners = seen.get("xyxy")
    return isinstance(corners, list) and len(corners) == 4 and all(map(_is_number, [*corners, seen.get("confidence")]))


def _all_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
