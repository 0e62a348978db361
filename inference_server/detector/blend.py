"""Average the weights of runs that grew from one another ("model soup", Wortsman et al. 2022).

``python -m inference_server.detector.blend RUN/last.pt NEXT/last.pt --out blend.pt``. A network fine-tuned at another size and the one it
came from err in different places; their mean answers in one network's time. Calibrate the result before it is exported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import torch

from inference_server.detector import options
from inference_server.detector.train import save


def blend(paths: list[Path]) -> dict[str, Any]:
    """Return a checkpoint with the mean of the weights of ``paths``; its other facts are those of the last.

    Raises ValueError when the networks are not of one shape.
    """
    saved = [torch.load(path, map_location="cpu", weights_only=True) for path in paths]
    shapes = [{name: value.shape for name, value in one["weights"].items()} for one in saved]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError("these checkpoints are of different networks; only runs that grew from one another can be averaged")
    facts = {name: saved[-1][name] for name in ("config", "data_sha256", "init", "step")}
    weights = {
        name: torch.stack([one["weights"][name] for one in saved]).mean(0) if value.dtype.is_floating_point else value
        for name, value in saved[-1]["weights"].items()
    }
    return {**facts, "weights": weights}


@click.command()
@click.argument("checkpoints", type=options.EXISTING_FILE, nargs=-1, required=True)
@click.option("--out", type=options.NEW_FILE, required=True, help="The blended .pt file.")
def command(checkpoints: tuple[Path, ...], out: Path) -> None:
    """Average the weights of CHECKPOINTS."""
    save(blend(list(checkpoints)), out)


if __name__ == "__main__":
    command()
