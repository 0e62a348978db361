"""Fit what a peak is worth while something that does not count is in the picture: a logo in an ignore zone, a forgiven lattice.

``python -m inference_server.detector.beside MODEL.onnx ... --data DATA``. A tangle is drawn into a corner of good and of failed
pictures of split ``train``, and the boxes in that corner are left out, as ``octoprint_spaghetti/core/zones.py`` does. What is left
of a good picture should not count, what is left of a failed one should.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from inference_server.detector import options
from inference_server.detector.calibrate import fit
from inference_server.detector.geometry import area
from inference_server.detector.labels import NOISY_SOURCES, Row, read, tangles, trainable
from inference_server.detector.strands import draw_tangle
from inference_server.onnx_detector import Answer, OnnxDetector
from inference_server.pixels import prepare

#: The corner that does not count, and the tangle in it: left, top, right, bottom as fractions of the picture.
CORNER = 0.3
DRAWN = (0.03, 0.03, 0.25, 0.25)
#: Pictures of either kind; no two of one cluster.
PICTURES = 150
#: Share of failed pictures that is assumed, as :data:`inference_server.detector.calibrate.SHARES` has it.
FAILED = 0.3
#: Evidence from which the plugin suspects, ``suspect_at`` of its ``core/patience.py``.
SUSPECT = 0.30


def chosen(rows: list[Row], failed: bool, rng: np.random.Generator) -> list[Row]:
    """Return pictures of one kind, with nothing in the corner that somebody boxed."""
    kind = [row for row in trainable(rows) if row.source not in NOISY_SOURCES and _is_usable(row, failed)]
    by_cluster = {kind[index].cluster: kind[index] for index in rng.permutation(len(kind))}
    return list(by_cluster.values())[:PICTURES]


def _is_usable(row: Row, failed: bool) -> bool:
    if not failed:
        return row.label in ("normal", "stringing", "other_defect")
    boxes = tangles(row)
    return row.label == "spaghetti" and len(boxes) > 0 and bool((boxes[:, :2] > CORNER).any(1).all())


def with_tangle(row: Row, rng: np.random.Generator) -> bytes:
    """Return the picture of ``row`` with a tangle drawn into its corner, as JPEG."""
    image = cv2.imread(str(row.path), cv2.IMREAD_COLOR)
    rows, columns = image.shape[:2]
    left, top, right, bottom = (int(side * whole) for side, whole in zip(DRAWN, (columns, rows) * 2, strict=True))
    draw_tangle(rng, image, (left, top, right, bottom))
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def strongest_outside(answer: Answer) -> tuple[float, bool]:
    """Return the largest confidence of the boxes that are not in the corner, and whether one is in it."""
    some = answer.confidences > 0
    boxes, confidences = answer.boxes[some], answer.confidences[some]
    shared = np.clip(np.minimum(boxes[:, 2:], CORNER) - boxes[:, :2], 0, None).prod(1)
    outside = shared < 0.5 * area(boxes)
    return float(confidences[outside].max(initial=0.0)), bool((~outside).any())


def left(detector: OnnxDetector, rows: list[Row], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (n, 2) of each picture in whose corner something was seen: the largest confidence that is left, and its peak, 0 to 1."""
    found = []
    for row in rows:
        answer = detector.look(prepare(with_tangle(row, rng), size=detector.input_size))
        confidence, is_ignored = strongest_outside(answer)
        if is_ignored:
            found.append((confidence, confidence**2 / answer.frame_score))
    return np.array(found).reshape(-1, 2)


def log_odds(peak: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-odds of probabilities, which are kept from certainty."""
    within = np.clip(peak, 0.02, 0.98)
    return np.log(within / (1 - within))


@click.command()
@click.argument("models", type=options.EXISTING_FILE, nargs=-1, required=True)
@options.data
def command(models: tuple[Path, ...], data: Path) -> None:
    """Print scale and shift of a peak's log-odds, fitted to all of MODELS together, and what is suspect with and without them."""
    rows = read(data)
    found: dict[tuple[str, bool], NDArray[np.float64]] = {}
    for model in models:
        detector = OnnxDetector(model)
        for failed in (False, True):
            rng = np.random.default_rng(1)
            found[model.name, failed] = left(detector, chosen(rows, failed, rng), rng)
    evidence = log_odds(np.concatenate([one[:, 1] for one in found.values()]))
    is_failed = np.concatenate([np.full(len(one), failed) for (_, failed), one in found.items()])
    weight = np.where(is_failed, FAILED / is_failed.mean(), (1 - FAILED) / (1 - is_failed.mean()))
    scale, shift, *_ = fit(evidence, is_failed, weight)
    click.echo(
        f"scale {scale:.2f}, shift {shift:.2f}; share of pictures above {SUSPECT} by the largest confidence, and by its peak:"
    )
    for (name, failed), one in found.items():
        by_peak = np.minimum(one[:, 0], 1 / (1 + np.exp(-(scale * log_odds(one[:, 1]) + shift))))
        shares = f"{(one[:, 0] > SUSPECT).mean():.2f} {(by_peak > SUSPECT).mean():.2f}"
        click.echo(f"  {name}: {shares} of {len(one)} {'failed' if failed else 'good'} pictures")


if __name__ == "__main__":
    command()
