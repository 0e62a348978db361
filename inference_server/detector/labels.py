"""Read ``labels.jsonl`` and say what each picture may teach. Which split a row is in is never changed here."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference_server.detector.geometry import NO_BOXES, Boxes, merged

#: Collections whose labels are too noisy for any figure (see the data's README).
NOISY_SOURCES = frozenset({"fd1"})
#: Collections that draw several small boxes on one tangle and leave parts of it out.
PARTIAL_BOX_SOURCES = frozenset({"spaghetti3d", "3dprinting6", "mrv_final"})


@dataclass(frozen=True)
class Row:
    """One picture. ``boxes`` (n, 4) fractions, or None where nobody drew any; ``group`` and ``cluster`` as in the data."""

    id: str
    path: Path
    source: str
    label: str
    boxes: Boxes | None
    group: str
    cluster: str
    split: str


@dataclass(frozen=True)
class Lesson:
    """What a label says: the frame's probability of spaghetti, how much to trust that, and its boxes or their absence; all 0 to 1."""

    frame: float
    trust: float
    places: float = 1.0


#: ``fail`` is spaghetti or stringing; ``other_defect`` is seldom a tangle that nobody named.
LESSONS: Mapping[str, Lesson] = {
    "spaghetti": Lesson(1.0, 1.0, 1.0),
    "fail": Lesson(0.8, 0.4, 0.4),
    "stringing": Lesson(0.0, 0.8, 0.8),
    "other_defect": Lesson(0.0, 0.6, 0.6),
    "normal": Lesson(0.0, 1.0, 1.0),
}
#: How far a collection with noisy labels is trusted against the others.
NOISY_TRUST = 0.4


def lesson(row: Row) -> Lesson:
    """Return what ``row`` teaches; raises KeyError for ``unknown``, which teaches nothing until a model has labelled it."""
    given = LESSONS[row.label]
    if row.source not in NOISY_SOURCES:
        return given
    return Lesson(given.frame, given.trust * NOISY_TRUST, given.places * NOISY_TRUST)


def read(data: Path) -> list[Row]:
    """Read all rows of ``data``/labels.jsonl; raises FileNotFoundError with a sentence when there is none."""
    index = data / "labels.jsonl"
    if not index.is_file():
        raise FileNotFoundError(f"there is no labels.jsonl in {data}; name the folder of the pictures with --data")
    return [_row(json.loads(line), data) for line in index.read_text().splitlines() if line.strip()]


def _row(fields: Mapping[str, Any], data: Path) -> Row:
    boxes = fields["boxes"]
    return Row(
        id=fields["id"],
        path=data / fields["file"],
        source=fields["source"],
        label=fields["label"],
        boxes=None if boxes is None else np.asarray(boxes, dtype=np.float32).reshape(-1, 4),
        group=fields["group"],
        cluster=fields["cluster"],
        split=fields["split"],
    )


def tangles(row: Row) -> Boxes:
    """Return one box for each tangle of ``row`` (fractions), small boxes joined; none where nobody drew any."""
    return NO_BOXES if row.boxes is None else merged(row.boxes)


def trainable(rows: Iterable[Row]) -> list[Row]:
    """Keep the labelled rows that may be trained on: split ``train`` and nothing else."""
    return [row for row in rows if row.split == "train"]


def data_hash(data: Path) -> str:
    """Return the sha256 of the label file, by which a run names the data it was trained on."""
    return hashlib.sha256((data / "labels.jsonl").read_bytes()).hexdigest()


def sampling_weights(
    rows: list[Row], evenness: float = 0.7, source_evenness: float = 0.4
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return (n,) probabilities so that a cluster of many copies, or a long video, counts little more than a single picture.

    ``evenness`` 1 makes all clusters equal, 0 all pictures. ``source_evenness`` 1 makes all collections equal, 0 leaves them as large as
    they are: of one with nearly all of the good prints the network would learn its bed, and not what a good print is.
    """
    sizes = Counter(_kin(row) for row in rows)
    weights = np.array([sizes[_kin(row)] ** -evenness for row in rows])
    sources = np.array([row.source for row in rows])
    for source in set(sources):
        weights[sources == source] *= weights[sources == source].sum() ** -source_evenness
    weights *= [lesson_weight(row) for row in rows]
    return weights / weights.sum()


def _kin(row: Row) -> str:
    """Name what ``row`` is a copy of: unlabelled frames have no clusters worth the name, but come from few videos."""
    return row.group if row.split == "unlabelled" else row.cluster


def lesson_weight(row: Row) -> float:
    """Return how often ``row`` is shown against a trusted one: noisy collections seldom."""
    return 0.25 if row.source in NOISY_SOURCES else 1.0
