"""Let a trained network label the unlabelled split for a second round; only what it is sure of is kept.

``python -m inference_server.detector.pseudo MODEL.onnx --data DATA --out pseudo.jsonl``. Each picture is looked at eight
times (four turns, mirrored) and the mean score counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from inference_server.detector import options
from inference_server.detector.labels import Row, read
from inference_server.onnx_detector import OnnxDetector
from inference_server.pixels import Prepared, prepare

#: Families of unlabelled pictures that are mostly good prints, by the beginning of their group's name (see the data's README); the
#: others are mostly tangles. A label is kept only where network and family agree: on its own the network would teach itself
#: that the small, dark tangles which it misses are good.
MOSTLY_GOOD = ("youtube", "frame")
#: Mean score from which a picture of a mostly failed family counts as failed, and up to which one of a mostly good family as good.
SURELY_FAILED, SURELY_GOOD = 0.6, 0.35
#: A box needs this confidence in the upright look, and this share of the strongest box's.
SURE_BOX, BESIDE_BEST = 0.35, 0.7
#: How far a pseudo-label's probability stays from certainty.
DOUBT = 0.05


def looks(prepared: Prepared) -> Iterator[Prepared]:
    """Yield the picture in its eight orientations, the upright one first."""
    for mirrored in (prepared.image, prepared.image[:, :, ::-1]):
        for turns in range(4):
            image = np.ascontiguousarray(np.rot90(mirrored, turns, (1, 2)))
            yield Prepared(image, prepared.window, prepared.scene, prepared.thumbnail)


def label(detector: OnnxDetector, row: Row) -> dict[str, object] | None:
    """Return what the network is sure of about ``row``: id, frame (probability), boxes; None where it is not."""
    answers = [detector.look(view) for view in looks(prepare(row.path.read_bytes(), size=detector.input_size))]
    score = float(np.mean([answer.frame_score for answer in answers]))
    if row.group.partition(":")[2].startswith(MOSTLY_GOOD):
        return {"id": row.id, "frame": DOUBT, "boxes": []} if score <= SURELY_GOOD else None
    confidences = answers[0].confidences
    boxes = answers[0].boxes[confidences >= max(SURE_BOX, BESIDE_BEST * float(confidences[0]))]
    if score < SURELY_FAILED or not len(boxes):
        return None
    return {"id": row.id, "frame": 1 - DOUBT, "boxes": boxes.round(4).tolist()}


@click.command()
@click.argument("model", type=options.EXISTING_FILE)
@options.data
@click.option("--out", type=options.NEW_FILE, required=True, help="One JSON object per line.")
def command(model: Path, data: Path, out: Path) -> None:
    """Label the unlabelled split with MODEL."""
    detector = OnnxDetector(model)
    rows = [row for row in read(data) if row.split == "unlabelled"]
    sure = [line for row in tqdm(rows, unit="picture") if (line := label(detector, row)) is not None]
    out.write_text("".join(json.dumps(line) + "\n" for line in sure))
    failed = sum(bool(line["boxes"]) for line in sure)
    click.echo(
        f"{len(rows)} pictures: {failed} surely failed, {len(sure) - failed} surely good, {len(rows) - len(sure)} left out"
    )


if __name__ == "__main__":
    command()
