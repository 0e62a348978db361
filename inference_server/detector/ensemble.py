"""Let networks that were trained apart answer together, as one file.

``python -m inference_server.detector.ensemble ONE.pt OTHER.pt --out base.pt``. It costs the sum of their times. Unlike a blend, the
networks need not have grown from one another; the less alike they are, the more they bring. Calibrate the result before it is exported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import torch

from inference_server.detector import options
from inference_server.detector.export import served_size
from inference_server.detector.train import save


def ensemble(paths: list[Path]) -> dict[str, Any]:
    """Return a checkpoint that holds those of ``paths`` as members; its other facts are those of the last.

    Raises ValueError when they look at pictures of different sizes.
    """
    saved = [torch.load(path, map_location="cpu", weights_only=True) for path in paths]
    sizes = {served_size(one) for one in saved}
    if len(sizes) > 1:
        raise ValueError(
            f"these networks look at pictures of different sizes ({sorted(sizes)} pixels); only one size can be shared"
        )
    members = [{name: one[name] for name in ("config", "weights", "init", "step")} for one in saved]
    return {
        **{name: saved[-1][name] for name in ("config", "data_sha256")},
        "step": sum(one["step"] for one in saved),
        "members": members,
    }


@click.command()
@click.argument("checkpoints", type=options.EXISTING_FILE, nargs=-1, required=True)
@click.option("--out", type=options.NEW_FILE, required=True, help="The joined .pt file.")
def command(checkpoints: tuple[Path, ...], out: Path) -> None:
    """Join CHECKPOINTS."""
    save(ensemble(list(checkpoints)), out)


if __name__ == "__main__":
    command()
