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


def peaks(detector: OnnxDetector, rows: list[Row], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (n,) the strongest peak, 0 to 1, that is left of each picture in whose corner something was seen."""
    found = []
    for row in rows:
        answer = detector.look(prepare(with_tangle(row, rng), size=detector.input_size))
        confidence, is_ignored = strongest_outside(answer)
        if is_ignored:
            found.append(confidence**2 / answer.frame_score)
    return np.array(found)


@click.command()
@click.argument("models", type=options.EXISTING_FILE, nargs=-1, required=True)
@options.data
def command(models: tuple[Path, ...], data: Path) -> None:
    """Print scale and shift of a peak's log-odds, fitted to all of MODELS together."""
    rows = read(data)
    all_peaks, all_failed = [], []
    for model in models:
        detector = OnnxDetector(model)
        for failed in (False, True):
            rng = np.random.default_rng(1)
            peak = peaks(detector, chosen(rows, failed, rng), rng)
            all_peaks.append(peak)
            all_failed.append(np.full(len(peak), failed))
            kind = "failed" if failed else "good"
            quantiles = " ".join(f"{value:.2f}" for value in np.percentile(peak, [5, 25, 50, 75, 95]))
            click.echo(f"{model.name}: {len(peak)} {kind} pictures, peaks at 5, 25, 50, 75, 95 %: {quantiles}")
    peak, failed_ones = np.clip(np.concatenate(all_peaks), 0.02, 0.98), np.concatenate(all_failed)
    weight = np.where(failed_ones, FAILED / failed_ones.mean(), (1 - FAILED) / (1 - failed_ones.mean()))
    scale, shift, *_ = fit(np.log(peak / (1 - peak)), failed_ones, weight)
    click.echo(f"scale {scale:.2f}, shift {shift:.2f}")


if __name__ == "__main__":
    command()
