"""What the detector says of the pictures from which prints are put together, grouped by the print that they are of."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from inference_server.scene import Scene
from octoprint_spaghetti.core.geometry import Box
from octoprint_spaghetti.core.words import Answer, Frame
from octoprint_spaghetti.ports import Detector

#: No policy looks at a fainter box, or at more of them.
_LEAST_CONFIDENCE, _MOST_BOXES = 0.05, 5
#: Logits are kept finite: 0.0001 to 0.9999.
_MOST_LOGIT = 9.2
#: Rendered failures: one frame lays 400 mm of filament, about 7 s at 60 mm/s.
SCENE_FRAME_S = 7.0
_SCENE_SIZE, _SCENE_FAILURE_AT, _SCENE_FRAMES = (640, 360), 2, 30
#: Collections whose labels are too noisy for a figure, or whose pictures are mostly not of prints.
_LEFT_OUT = frozenset({"fd1", "22y_bound"})
_WEBCAMS = frozenset({"emptydeck_P2", "herakleios"})


class Kind(Enum):
    """What a print shows, and how well that is known."""

    WEBCAM = "good prints, webcam"  # several frames of each print
    PHOTO = "good prints, one photograph each"
    HARD = "sound prints with stringing, blobs or other flaws, one photograph each"
    TANGLE = "tangles, photographs and phone videos"
    RENDERED = "rendered failures"


@dataclass(frozen=True)
class Look:
    """What was said of one picture: the score's logit, and its boxes, each with the logit of its confidence."""

    logit: float
    boxes: tuple[tuple[Box, float], ...]


@dataclass(frozen=True)
class Print:
    """The looks at one print, in the order in which they were taken."""

    name: str
    kind: Kind
    looks: tuple[Look, ...]


def measure(data: Path, detector: Detector) -> list[Print]:
    """Look at the good prints and at split ``val`` of the pictures below ``data``; sequences are never looked at."""
    found: dict[tuple[Kind, str], list[Look]] = defaultdict(list)
    same: dict[str, str] = {}  # recordings that share a frame are one print
    first_of: dict[bytes, str] = {}
    for line in (data / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        kind = _kind(row)
        if kind is None:
            continue
        jpeg = (data / row["file"]).read_bytes()
        owner = first_of.setdefault(jpeg, row["cluster"])
        if owner != row["cluster"]:
            same[row["cluster"]] = owner
            continue
        found[kind, same.get(row["cluster"], row["cluster"])].append(_looked_at(jpeg, detector))
    return [Print(name, kind, tuple(looks)) for (kind, name), looks in found.items()]


def rendered(seeds: Iterable[int], detector: Detector) -> Iterator[Print]:
    """Render failures and look at them; a print's looks begin with the first frame in which something is wrong."""
    for seed in seeds:
        scene = Scene(seed, _SCENE_SIZE, _SCENE_FRAMES, _SCENE_FAILURE_AT)
        looks = [_looked_at(scene.jpeg(number), detector) for number in range(_SCENE_FAILURE_AT, _SCENE_FRAMES)]
        yield Print(f"rendered {seed}", Kind.RENDERED, tuple(looks))


def logit(share: float) -> float:
    """Return the logit of a probability, kept within bounds."""
    return min(_MOST_LOGIT, max(-_MOST_LOGIT, math.log(share / (1.0 - share)) if 0.0 < share < 1.0 else (share - 0.5) * 1e9))


def _kind(row: dict[str, Any]) -> Kind | None:
    """Return what a labelled picture is good for here, None for nothing."""
    if row["source"] in _LEFT_OUT or row["split"] not in ("val", "eval_only"):
        return None
    if row["label"] == "normal":
        return Kind.WEBCAM if row["source"] in _WEBCAMS else Kind.PHOTO
    return {"spaghetti": Kind.TANGLE, "stringing": Kind.HARD, "other_defect": Kind.HARD}.get(row["label"])


def _looked_at(jpeg: bytes, detector: Detector) -> Look:
    answer: Answer = detector.look(Frame(jpeg, 0.0, ""))
    boxes = [seen for seen in answer.detections[:_MOST_BOXES] if seen.confidence >= _LEAST_CONFIDENCE]
    return Look(logit(answer.score), tuple((seen.box, logit(seen.confidence)) for seen in boxes))
