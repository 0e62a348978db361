"""Make a probability of the frame's evidence: two numbers, fitted on split ``val`` (Platt 1999), kept in the checkpoint.

``python -m inference_server.detector.calibrate --checkpoint RUN/best.pt --data DATA``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from inference_server.contract import INPUT_SIZE
from inference_server.detector import options
from inference_server.detector.export import load
from inference_server.detector.labels import NOISY_SOURCES, read
from inference_server.detector.model import Calibration
from inference_server.detector.train import frame_evidence, save

#: Labels that count as failed and as good. ``fail`` is neither: it may be stringing.
FAILED, GOOD = ("spaghetti",), ("normal", "stringing", "other_defect")
#: Strength of the pull towards scale 1, shift 0: val has a few hundred pictures.
PULL = 1.0


def fit(logits: NDArray[np.float64], failed: NDArray[np.bool_]) -> Calibration:
    """Fit scale and shift so that sigmoid(scale x logit + shift) is the share of failed pictures, both classes weighing the same.

    The targets are Platt's, (n+ + 1) / (n+ + 2) and 1 / (n- + 2), which keep a separable set from infinite certainty.
    """
    positives, negatives = int(failed.sum()), int((~failed).sum())
    target = np.where(failed, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    weight = np.where(failed, 0.5 / positives, 0.5 / negatives) * len(logits)

    def cost(x: NDArray[np.float64]) -> float:
        z = np.exp(x[0]) * logits + x[1]
        return float((weight * (np.logaddexp(0, z) - target * z)).sum() + PULL * x[0] ** 2)

    log_scale, shift = minimize(cost, np.zeros(2), method="Nelder-Mead").x
    return Calibration(frame_scale=float(np.exp(log_scale)), frame_shift=float(shift))


def calibrate(checkpoint: Path, data: Path, size: int = INPUT_SIZE) -> Calibration:
    """Fit the network of ``checkpoint`` on the rows of split ``val`` and write the result into the file."""
    detector, _, saved = load(checkpoint)
    wanted = (*FAILED, *GOOD)
    rows = [row for row in read(data) if row.split == "val" and row.source not in NOISY_SOURCES and row.label in wanted]
    logits = frame_evidence(detector, rows, size)
    calibration = fit(logits, np.array([row.label in FAILED for row in rows]))
    saved["calibration"] = tuple(calibration)
    save(saved, checkpoint)
    return calibration


@click.command()
@options.checkpoint
@options.data
@click.option("--threads", default=1, show_default=True)
def command(threads: int, **given: Any) -> None:
    """Fit scale and shift of the frame's evidence on split val."""
    torch.set_num_threads(threads)
    click.echo(json.dumps(calibrate(**given)._asdict()))


if __name__ == "__main__":
    command()
