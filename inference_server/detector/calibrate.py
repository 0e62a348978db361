"""Make a probability of the frame's evidence: two numbers, fitted on split ``val`` (Platt 1999), kept in the checkpoint.

``python -m inference_server.detector.calibrate --checkpoint RUN/best.pt --data DATA``
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from inference_server.detector import options
from inference_server.detector.export import load, served_size
from inference_server.detector.labels import NOISY_SOURCES, read
from inference_server.detector.model import Calibration
from inference_server.detector.train import frame_evidence, save

#: What the pictures are assumed to show that a detector is asked about; val itself has too few good prints. ``fail`` is left out:
#: it may be stringing. A probability is only as right as this assumption: halve the failures and it should fall.
SHARES: Mapping[str, float] = {"spaghetti": 0.30, "normal": 0.55, "stringing": 0.08, "other_defect": 0.07}
#: Strength of the pull towards a scale of 1: val has a few hundred pictures.
PULL = 1.0


def fit(evidence: NDArray[np.float64], failed: NDArray[np.bool_], weight: NDArray[np.float64] | None = None) -> Calibration:
    """Fit scale and shift so that sigmoid(scale x evidence + shift) is the share of failed pictures, each counted ``weight`` times.

    The targets are Platt's, (n+ + 1) / (n+ + 2) and 1 / (n- + 2), which keep a separable set from infinite certainty.
    """
    weight = np.ones(len(evidence)) if weight is None else weight / weight.mean()
    target = np.where(failed, (failed.sum() + 1) / (failed.sum() + 2), 1 / ((~failed).sum() + 2))

    def cost(x: NDArray[np.float64]) -> float:
        z = np.exp(x[0]) * evidence + x[1]
        return float((weight * (np.logaddexp(0, z) - target * z)).sum() + PULL * x[0] ** 2)

    log_scale, shift = minimize(cost, np.zeros(2), method="Nelder-Mead").x
    return Calibration(frame_scale=float(np.exp(log_scale)), frame_shift=float(shift))


def weights(labels: Sequence[str]) -> NDArray[np.float64]:
    """Return (n,) how often each picture counts so that the labels have :data:`SHARES`."""
    count = Counter(labels)
    return np.array([SHARES[label] / count[label] for label in labels])


def calibrate(checkpoint: Path, data: Path, size: int | None = None) -> Calibration:
    """Fit the network of ``checkpoint`` on the rows of split ``val`` and write the result into the file."""
    detector, _, saved = load(checkpoint)
    rows = [row for row in read(data) if row.split == "val" and row.source not in NOISY_SOURCES and row.label in SHARES]
    labels = [row.label for row in rows]
    evidence = frame_evidence(detector, rows, size or served_size(saved))
    calibration = fit(evidence, np.array([label == "spaghetti" for label in labels]), weights(labels))
    saved["calibration"] = tuple(calibration)
    save(saved, checkpoint)
    return calibration


@click.command()
@options.checkpoint
@options.data
@click.option("--threads", default=1, show_default=True, help="Torch's threads.")
def command(threads: int, **given: Any) -> None:
    """Fit scale and shift of the frame's evidence on split val."""
    torch.set_num_threads(threads)
    click.echo(json.dumps(calibrate(**given)._asdict()))


if __name__ == "__main__":
    command()
