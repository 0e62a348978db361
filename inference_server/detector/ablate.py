"""Take one thing out of the training at a time and measure what it was worth, small and short, from the same start and seed.

``python -m inference_server.detector.ablate --data DATA --init WEIGHTS --out ablation.json`` prints the table of the model card. A run
of 300 steps at 224 pixels says which parts matter early on, not what they are worth at the end of a long one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray

from inference_server.detector import options
from inference_server.detector.dataset import Mix, Recipe
from inference_server.detector.export import load
from inference_server.detector.geometry import ViewRange
from inference_server.detector.labels import NOISY_SOURCES, Row, read
from inference_server.detector.metrics import auroc, bootstrap
from inference_server.detector.train import Config, frame_evidence, train

#: Side in pixels at which the small networks are measured: as much larger than in training as 416 is than 320.
MEASURED_OVER_TRAINED = 1.3
#: How often pseudo-labelled pictures of each class are shown, as in the shipped run.
PSEUDO_SHARE = 0.18

Evidence = NDArray[np.float64]


@dataclass(frozen=True)
class Loss:
    """What went away with one part: the fall of an AUROC and its 95 % interval over groups."""

    by: float
    low: float
    high: float


def variants(whole: Config) -> Mapping[str, Config]:
    """Return the whole recipe and, by the name of what is missing, each with one thing taken out that it has."""
    recipe, mix = whole.recipe, whole.recipe.mix

    def with_recipe(**changes: object) -> Config:
        return replace(whole, recipe=replace(recipe, **changes))  # type: ignore[arg-type]

    lacking = {
        "pseudo-labels": with_recipe(mix=replace(mix, pseudo=0.0, pseudo_good=0.0)),
        "rendered tangles": with_recipe(mix=replace(mix, rendered=0.0)),
        "pasted tangles": with_recipe(mix=replace(mix, pasted=0.0)),
        "crops without a tangle": with_recipe(mix=replace(mix, crop=0.0)),
        "distractors and pasted pieces": with_recipe(distractors=0.0, patches=0.0),
        "other cameras": with_recipe(cameras=False),
        "other views": with_recipe(view=ViewRange(zoom=(0.99, 1.01), aspect=1.0, tilted=0.0, turned=0.0)),
        "averaged weights": replace(whole, average=0.0),
    }
    return {"nothing": whole, **{name: config for name, config in lacking.items() if config != whole}}


def evidence_of(config: Config, data: Path, init: Path, pseudo: Path | None, val: list[Row], size: int) -> Evidence:
    """Train one variant in a folder that is thrown away and return the evidence (n,) of each picture of ``val``."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train(data, run, config, init, pseudo)
        detector, _, _ = load(run / "last.pt")
    return frame_evidence(detector, val, size)


def separation(evidence: Evidence, val: list[Row], others: frozenset[str]) -> float:
    """Return the AUROC of spaghetti against ``others``."""
    label = np.array([row.label for row in val])
    return auroc(evidence[label == "spaghetti"], evidence[np.isin(label, list(others))])


def compare(whole: Evidence, without: Evidence, val: list[Row], others: frozenset[str]) -> Loss:
    """Return how far the AUROC of spaghetti against ``others`` falls; both are measured on the same groups in each draw."""
    label = np.array([row.label for row in val])
    index = np.flatnonzero(np.isin(label, ["spaghetti", *others]))
    failed = label == "spaghetti"

    def fall(drawn: NDArray[np.int64]) -> float:
        i = index[drawn]
        old, new = (auroc(evidence[i][failed[i]], evidence[i][~failed[i]]) for evidence in (whole, without))
        return old - new

    low, high = bootstrap([f"{val[i].source}:{val[i].group}" for i in index], fall)
    return Loss(fall(np.arange(len(index))), low, high)


AGAINST: Mapping[str, frozenset[str]] = {
    "normal": frozenset({"normal"}),
    "all others": frozenset({"normal", "stringing", "other_defect"}),
}


@click.command()
@options.data
@click.option(
    "--init", type=options.EXISTING_FILE, required=True, help="Where all variants start: backbone weights or a run's .pt."
)
@click.option("--pseudo", type=options.EXISTING_FILE, help="Pseudo-labels for the unlabelled split.")
@click.option("--out", type=options.NEW_FILE, required=True, help="All figures as JSON, written after each variant.")
@click.option(
    "--size",
    default=224,
    show_default=True,
    callback=options.multiple_of_32,
    help="Side of the training pictures in pixels, a multiple of 32.",
)
@click.option("--steps", default=300, show_default=True, help="Steps of each variant.")
@click.option("--seed", default=0, show_default=True, help="Seed of all chance, the same for each variant.")
@click.option("--loaders", default=1, show_default=True, help="Processes that make scenes.")
def command(data: Path, init: Path, pseudo: Path | None, out: Path, size: int, steps: int, seed: int, loaders: int) -> None:
    """Print what each part of the training is worth on split val."""
    share = PSEUDO_SHARE if pseudo else 0.0
    served = round(size * MEASURED_OVER_TRAINED / 32) * 32
    recipe = Recipe(size, seed, Mix(pseudo=share, pseudo_good=share))
    whole = Config(
        recipe=recipe, steps=steps, warm_up=steps // 10, check_every=steps, average=0.98, served=served, loaders=loaders
    )
    val = [row for row in read(data) if row.split == "val" and row.source not in NOISY_SOURCES]
    found: dict[str, Evidence] = {}
    losses: dict[str, dict[str, Loss]] = {}
    for name, config in variants(whole).items():
        torch.manual_seed(seed)
        found[name] = evidence_of(config, data, init, pseudo, val, served)
        if name == "nothing":
            reached = ", ".join(f"{separation(found[name], val, labels):.3f} against {a}" for a, labels in AGAINST.items())
            click.echo(f"whole recipe, {steps} steps at {size} px, AUROC: {reached}\n")
            continue
        losses[name] = {against: compare(found["nothing"], found[name], val, labels) for against, labels in AGAINST.items()}
        click.echo(line(name, losses[name]))
        out.write_text(
            json.dumps({one: {a: asdict(loss) for a, loss in by.items()} for one, by in losses.items()}, indent=2) + "\n"
        )


def line(name: str, losses: Mapping[str, Loss]) -> str:
    """Lay one variant out as a row of a Markdown table."""
    cells = (f"{loss.by:+.3f} [{loss.low:+.3f}, {loss.high:+.3f}]" for loss in losses.values())
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    command()
