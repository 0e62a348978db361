"""Ask whether other classes than spaghetti would be worth an output: a linear probe on what the trained network sees.

``python -m inference_server.detector.probe --checkpoint RUN/last.pt --data DATA``. The probe is a logistic regression on the pooled
features of the whole frame, fitted on split ``train`` and measured on ``val``. An output of the network itself, trained for it, would
do somewhat better; one that the probe cannot tell from normal prints at all is not worth the try.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from inference_server.detector import options
from inference_server.detector.export import load, served_size
from inference_server.detector.labels import NOISY_SOURCES, Row, read
from inference_server.detector.metrics import auroc, bootstrap, recall_above, threshold_at
from inference_server.detector.model import Detector
from inference_server.pixels import prepare

#: Strength of the pull of each weight towards zero, chosen without a look at val: 384 weights for a few hundred pictures.
PULL = 0.01
#: What might become a class, and what it is measured against.
ASKED: Sequence[tuple[str, str]] = (("stringing", "normal"), ("other_defect", "normal"))

#: The one collection that has all of them: between two collections, the probe would learn who took the pictures.
COLLECTION = "autozmj"
#: Share of the collection's own pictures that may fire when it is asked about those of other collections.
OWN_FALSE_ALARMS = 0.05

Features = NDArray[np.float64]  # (n, features)


@torch.no_grad()
def features(detector: Detector, rows: Sequence[Row], size: int) -> Features:
    """Return the mean and the maximum of each channel at stride 32 for each picture."""
    found = []
    for row in rows:
        x = torch.from_numpy(prepare(row.path.read_bytes(), size=size).image[None]).float().div_(255)
        c5 = detector.context(detector.backbone(x)[2])
        found.append(torch.cat((c5.mean((2, 3)), c5.amax((2, 3))), 1)[0].double().numpy())
    return np.stack(found)


def fit(x: Features, positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fit a logistic regression with equal weight for both sides; returns a weight for each feature (of unit spread) and the shift."""
    share = np.where(positive, 0.5 / positive.mean(), 0.5 / (~positive).mean())
    inputs = np.concatenate((x, np.ones((len(x), 1))), 1)

    def cost(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = inputs @ w
        p = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
        value = float((share * (np.logaddexp(0, z) - positive * z)).mean() + PULL * (w[:-1] ** 2).sum())
        return value, inputs.T @ (share * (p - positive)) / len(x) + 2 * PULL * np.append(w[:-1], 0.0)

    result: NDArray[np.float64] = minimize(cost, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    return result


@click.command()
@options.checkpoint
@options.data
@click.option("--threads", default=1, show_default=True, help="Torch's threads.")
def command(checkpoint: Path, data: Path, threads: int) -> None:
    """Print how well a linear probe tells each possible class, within the one collection that has all of them."""
    torch.set_num_threads(threads)
    detector, _, saved = load(checkpoint)
    rows = [row for row in read(data) if row.source not in NOISY_SOURCES]
    parts = {split: [row for row in rows if row.split == split and row.source == COLLECTION] for split in ("train", "val")}
    parts["elsewhere"] = [
        row for row in rows if row.split in ("train", "val") and row.source != COLLECTION and row.label == "normal"
    ]
    seen = {split: features(detector, part, served_size(saved)) for split, part in parts.items()}
    middle, spread = seen["train"].mean(0), seen["train"].std(0) + 1e-6
    document: dict[str, Any] = {}
    for asked, against in ASKED:
        x, y = {}, {}
        for split, part in parts.items():
            label = np.array([row.label for row in part])
            chosen = np.isin(label, [asked, against])
            x[split], y[split] = (seen[split][chosen] - middle) / spread, label[chosen] == asked
        weights = fit(x["train"], y["train"])
        score = x["val"] @ weights[:-1]
        fires = threshold_at(x["val"][~y["val"]] @ weights[:-1], OWN_FALSE_ALARMS)
        elsewhere = recall_above(((seen["elsewhere"] - middle) / spread) @ weights[:-1], fires)
        truth = y["val"]
        groups = [row.group for row in parts["val"] if row.label in (asked, against)]
        low, high = bootstrap(groups, lambda i, s=score, t=truth: auroc(s[i][t[i]], s[i][~t[i]]))  # type: ignore[misc]
        value = auroc(score[truth], score[~truth])
        document[f"{asked} against {against}"] = {"auroc": round(value, 3), "low": round(low, 3), "high": round(high, 3)}
        document[f"{asked} against {against}"] |= {
            "recall": round(recall_above(score[truth], fires), 3),
            "elsewhere": round(elsewhere, 3),
        }
        click.echo(
            f"{asked} against {against}: AUROC {value:.3f} [{low:.3f}, {high:.3f}], {truth.sum()} against {(~truth).sum()} pictures; "
            f"where {OWN_FALSE_ALARMS:.0%} of these {against} fire: recall {recall_above(score[truth], fires):.2f}, "
            f"normal pictures of other collections that fire {elsewhere:.2f}"
        )
    click.echo(json.dumps(document))


if __name__ == "__main__":
    command()
