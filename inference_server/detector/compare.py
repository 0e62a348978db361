"""Compare exported detectors on split ``val`` alone, to choose one without a look at what is kept for measuring.

``python -m inference_server.detector.compare OLD.onnx NEW.onnx ... --data DATA``. The interval of each gain on the first file is
paired: in every draw, both files are measured on the same groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from inference_server.detector import options
from inference_server.detector.evaluate import Looked, look
from inference_server.detector.labels import NOISY_SOURCES, read
from inference_server.detector.metrics import auroc, bootstrap
from inference_server.detector.quantise import sight
from inference_server.onnx_detector import OnnxDetector


def gain(old: Sequence[Looked], new: Sequence[Looked]) -> tuple[float, float, float]:
    """Return by how much the AUROC of spaghetti against normal, stringing and other defects grows, with its 95 % interval."""
    label = np.array([one.row.label for one in old])
    index = np.flatnonzero(np.isin(label, ["spaghetti", "normal", "stringing", "other_defect"]))
    failed = label == "spaghetti"
    before, after = (np.array([one.answer.frame_score for one in looked]) for looked in (old, new))

    def grows(drawn: NDArray[np.int64]) -> float:
        i = index[drawn]
        was, is_now = (auroc(scores[i][failed[i]], scores[i][~failed[i]]) for scores in (before, after))
        return is_now - was

    low, high = bootstrap([f"{old[i].row.source}:{old[i].row.group}" for i in index], grows)
    return grows(np.arange(len(index))), low, high


@click.command()
@click.argument("models", type=options.EXISTING_FILE, nargs=-1, required=True)
@options.data
def command(models: tuple[Path, ...], data: Path) -> None:
    """Print what each of MODELS sees on split val, and what it gains on the first of them."""
    val = [row for row in read(data) if row.split == "val" and row.source not in NOISY_SOURCES]
    looked = [look(OnnxDetector(model), val) for model in models]
    for model, one in zip(models, looked, strict=True):
        figures = "  ".join(f"{name} {value:.3f}" for name, value in asdict(sight(one)).items())
        more, low, high = gain(looked[0], one)
        click.echo(f"{model.name}: {figures}  gain against normal and defects {more:+.3f} [{low:+.3f}, {high:+.3f}]")


if __name__ == "__main__":
    command()
