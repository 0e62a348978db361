"""Train the detector: ``spaghetti-server train --data DATA --run RUN``; the same command goes on after a stop.

Leaves in RUN: config.json (every knob and the sha256 of each file that went in), metrics.jsonl (one line per check), curves.png,
last.pt (to resume), best.pt (averaged weights of the best check on val). One CPU core does about 50 pictures of 320 x 320 a second.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from inference_server.detector import options
from inference_server.detector.backbones import BACKBONES, Lite
from inference_server.detector.dataset import Mix, PseudoLabel, Recipe, Scenes
from inference_server.detector.labels import NOISY_SOURCES, Row, read
from inference_server.detector.losses import loss
from inference_server.detector.metrics import auroc, recall_above, threshold_at
from inference_server.detector.model import SIZES, Detector, evidence, grow, is_new, load_backbone
from inference_server.detector.provenance import made_of, refuse_another_run
from inference_server.pixels import prepare

#: Splits that may teach; the others choose a network or measure it.
TEACHING = frozenset({"train", "unlabelled"})


@dataclass(frozen=True)
class Config:
    """Every knob of a run; written beside its results."""

    # network: `nano` of inference_server.detector.model.SIZES
    backbone: str = "twin"
    width: int = 64
    served: int = SIZES["nano"].pixels  # pixels of the side at which it is checked, calibrated and exported
    # data: what the scenes are made of, and the seed of all chance
    recipe: Recipe = field(default_factory=Recipe)
    # optimisation: AdamW, linear warm-up, cosine to a hundredth
    steps: int = 4000
    minutes: float = 0.0  # where not 0, time drives the cosine and ends the run, and `steps` is only a bound
    batch: int = 32
    rate: float = 1.5e-3
    backbone_rate: float = 0.5  # of `rate`: what published weights have of the backbone moves less, given or not
    frozen: int = 0  # blocks of a `lite` backbone, from the stem on, that do not move at all
    decay: float = 0.03
    warm_up: int = 150
    clip: float = 5.0
    average: float = 0.998  # decay per step of the averaged weights, which are the ones that are judged and kept
    # machine
    bf16: bool = True
    threads: int = 1
    loaders: int = 1
    check_every: int = 500


def refuse_shared_clusters(rows: Iterable[Row]) -> None:
    """Raise click.ClickException where a cluster is in a split that teaches and in one that chooses or measures."""
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row.cluster, set()).add(row.split)
    cut = sorted(cluster for cluster, found in splits.items() if found & TEACHING and found - TEACHING)
    if cut:
        raise click.ClickException(
            f"the splits cut {len(cut)} clusters, such as {cut[0]}: copies of what is trained on would be measured on; "
            "move each cluster to one side in labels.jsonl"
        )


def done(step: int, seconds: float, config: Config) -> float:
    """Return which part of the run lies behind ``step`` after ``seconds`` of training, 0 to 1."""
    by_steps = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    by_time = seconds / (60 * config.minutes) if config.minutes else 0.0
    return min(1.0, max(by_time if config.minutes else by_steps, float(step >= config.steps)))


def learning_rate(step: int, seconds: float, config: Config) -> float:
    """Return the share of ``config.rate`` at ``step``, after ``seconds`` of training."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done(step, seconds, config)))


class Averaged:
    """An exponential average of a network's weights and statistics."""

    def __init__(self, detector: Detector, decay: float) -> None:
        """Start from the weights as they are."""
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in detector.state_dict().items()}

    def update(self, detector: Detector, step: int) -> None:
        """Move towards the weights as they are now; faster in the first steps, which are not worth keeping."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in detector.state_dict().items():
            if value.dtype.is_floating_point:
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name].copy_(value)


@dataclass(frozen=True)
class Check:
    """How the averaged weights do on split ``val`` (``fd1`` left out)."""

    auroc: float
    auroc_defect: float  # the same against stringing and other defects
    recall_at_1_percent: float
    recall_fail: float

    def rank(self) -> float:
        """Return the figure that decides which weights are kept: val has few good pictures, so only the smooth figures count."""
        return self.auroc + 0.5 * self.auroc_defect


@torch.no_grad()
def frame_evidence(detector: Detector, rows: list[Row], size: int, batch: int = 16) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return (n,) the evidence of each row's frame, in log-odds, decoded as it is when served."""
    logits = []
    for start in range(0, len(rows), batch):
        images = [prepare(row.path.read_bytes(), size=size).image for row in rows[start : start + batch]]
        x = torch.from_numpy(np.stack(images)).float().div_(255).to(memory_format=torch.channels_last)
        logits.append(evidence(detector(x))[:, 0].double().numpy())
    return np.concatenate(logits)


def check(detector: Detector, rows: list[Row], size: int) -> Check:
    """Measure a network in eval mode on the rows of split ``val``."""
    val = [row for row in rows if row.split == "val" and row.source not in NOISY_SOURCES]
    logits = frame_evidence(detector, val, size)
    labels = np.array([row.label for row in val])
    failed, good = logits[labels == "spaghetti"], logits[labels == "normal"]
    near = logits[np.isin(labels, ["stringing", "other_defect"])]
    bar = threshold_at(good, 0.01)
    return Check(
        auroc=auroc(failed, good),
        auroc_defect=auroc(failed, near),
        recall_at_1_percent=recall_above(failed, bar),
        recall_fail=recall_above(logits[labels == "fail"], bar),
    )


def stream(scenes: Scenes, config: Config, start: int) -> Iterator[dict[str, Tensor]]:
    """Yield batches from scene ``start`` on, made by loader processes."""
    loader = DataLoader(
        Subset(scenes, range(start, len(scenes))),
        batch_size=config.batch,
        num_workers=config.loaders,
        prefetch_factor=6 if config.loaders else None,
        drop_last=True,
        worker_init_fn=_one_thread_each,
        generator=torch.Generator(),  # scenes have chance of their own; the default one is the network's, which goes on after a stop
    )
    yield from loader


def _one_thread_each(_: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def optimizer(detector: Detector, config: Config) -> torch.optim.AdamW:
    """Make AdamW; biases and normalisation do not decay, the backbone moves slower."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in detector.named_parameters():
        if not parameter.requires_grad:
            continue
        given = config.backbone != "repvgg" and name.startswith("backbone.") and not is_new(name)
        groups.setdefault((given, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "share": config.backbone_rate if slow else 1.0,
                "weight_decay": config.decay if decays else 0.0,
            }
            for (slow, decays), parameters in groups.items()
        ],
        lr=config.rate,
        betas=(0.9, 0.99),
    )


def train(data: Path, run: Path, config: Config, init: Path | None = None, pseudo: Path | None = None) -> Check:
    """Train until ``config.steps``, resuming from RUN/last.pt if it is there; returns the best check.

    ``init`` is a checkpoint of ours or published backbone weights to start from; ``pseudo`` a file of pseudo-labels.
    Raises click.ClickException for data whose splits cut a cluster, and for a run that was begun with other settings.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.recipe.seed)
    run.mkdir(parents=True, exist_ok=True)
    rows = read(data)
    refuse_shared_clusters(rows)
    facts = made_of(dataclasses.asdict(config), data, init, pseudo)
    scenes = Scenes(rows, config.recipe, config.steps * config.batch, read_pseudo(pseudo))

    detector = Detector(config.backbone, config.width)
    if init is not None:
        start_from(detector, init)
    detector = detector.to(memory_format=torch.channels_last)
    freeze(detector, config.frozen)
    averaged = Averaged(detector, config.average)
    adam = optimizer(detector, config)
    judged = Detector(config.backbone, config.width).to(memory_format=torch.channels_last).eval()
    step, spent, best = 0, 0.0, None
    if (run / "last.pt").exists():
        saved = torch.load(run / "last.pt", map_location="cpu", weights_only=True)
        refuse_another_run(run, saved, facts)
        detector.load_state_dict(saved["live"])
        adam.load_state_dict(saved["adam"])
        averaged.weights, step, spent = saved["weights"], saved["step"], saved.get("seconds", 0.0)
        best = Check(**saved["best"]) if saved["best"] else None
        if "generator" in saved:  # the first runs did not keep it
            torch.set_rng_state(saved["generator"])
    (run / "config.json").write_text(json.dumps(facts, indent=2) + "\n")

    sums, since, began, seconds = torch.zeros(5), 0, time.monotonic(), spent
    bar = tqdm(stream(scenes, config, step * config.batch), initial=step, total=config.steps, unit="step", mininterval=10)
    for batch in bar if done(step, spent, config) < 1.0 else ():
        for group in adam.param_groups:
            group["lr"] = config.rate * group["share"] * learning_rate(step, seconds, config)
        x = batch["image"].float().div_(255).to(memory_format=torch.channels_last)  # (B, 3, S, S)
        freeze(detector.train(), config.frozen)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            raw = detector(x)
        parts = loss(raw, batch)
        adam.zero_grad(set_to_none=True)
        parts.total.backward()
        nn.utils.clip_grad_norm_(detector.parameters(), config.clip)
        adam.step()
        averaged.update(detector, step)
        step += 1
        sums += torch.stack(parts).detach()
        since += 1
        seconds = spent + time.monotonic() - began
        over = done(step, seconds, config) >= 1.0
        if step % config.check_every and not over:
            continue
        judged.load_state_dict(averaged.weights)
        found = check(judged, rows, config.served)
        means = dict(zip(parts._fields, (sums / since).tolist(), strict=True))
        line = {"step": step, "seconds": round(seconds, 1), "loss": means, "val": dataclasses.asdict(found)}
        with (run / "metrics.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        sums, since = torch.zeros(5), 0
        on_val = "  ".join(f"{name} {value:.3f}" for name, value in dataclasses.asdict(found).items())
        bar.write(f"step {step}  loss {means['total']:.3f}  {on_val}")
        kept = {**facts, "weights": averaged.weights, "step": step, "seconds": seconds}
        if best is None or found.rank() >= best.rank():
            best = found
            save(kept, run / "best.pt")
        live = {
            "live": detector.state_dict(),
            "adam": adam.state_dict(),
            "generator": torch.get_rng_state(),  # of dropout
            "best": dataclasses.asdict(best),
        }
        save({**kept, **live}, run / "last.pt")
        draw_curves(run)
        if over:
            break
    assert best is not None, "a run has at least one step"
    return best


def freeze(detector: Detector, blocks: int) -> None:
    """Freeze the first ``blocks`` blocks of a ``lite`` backbone; 0 freezes nothing, not even the stem."""
    if not blocks:
        return
    if not isinstance(detector.backbone, Lite):
        raise click.UsageError("--frozen is for the lite backbones.")
    detector.backbone.freeze(blocks)


def start_from(detector: Detector, path: Path) -> None:
    """Load a checkpoint of ours, or published weights into the backbone alone."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    if "weights" in state:
        grow(detector, state["weights"])
    else:
        load_backbone(detector, state)


def read_pseudo(path: Path | None) -> dict[str, PseudoLabel]:
    """Read pseudo-labels: one JSON object per line with id, frame and boxes."""
    if path is None:
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["id"]: PseudoLabel(line["frame"], np.asarray(line["boxes"], np.float32).reshape(-1, 4)) for line in lines}


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all."""
    draft = path.with_suffix(".tmp")
    torch.save(state, draft)
    draft.replace(path)


def draw_curves(run: Path) -> None:
    """Draw losses and figures on val over steps as RUN/curves.png."""
    from matplotlib.figure import Figure  # only here: importing it takes as long as fifty steps

    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in lines[0]["loss"]:
        left.plot(steps, [line["loss"][name] for line in lines], label=name)
    for name in lines[0]["val"]:
        right.plot(steps, [line["val"][name] for line in lines], label=name)
    for axes, title in ((left, "training loss"), (right, "val")):
        axes.set(title=title, xlabel="step")
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(run / "curves.png", dpi=110)


#: What the shares of a mix without pseudo-labels add up to.
OTHER_SHARES = sum(dataclasses.astuple(Mix()))


@click.command()
@options.data
@click.option("--run", type=options.FOLDER, required=True, help="Folder for results; an existing run goes on.")
@click.option("--init", type=options.EXISTING_FILE, help="A run's .pt, or backbone weights to start from.")
@click.option("--pseudo", type=options.EXISTING_FILE, help="Pseudo-labels for the unlabelled split.")
@click.option(
    "--pseudo-share",
    default=0.0,
    show_default=True,
    help=f"Share of pseudo-labelled pictures, of failed and of good ones each, against {OTHER_SHARES:.2f}, the sum of all other shares.",
)
@click.option(
    "--pseudo-good-share", type=float, help="Another share for the good ones of these; they are what a webcam sees all day."
)
@click.option(
    "--detector", type=click.Choice(list(SIZES)), default="nano", show_default=True, help="Which of the sizes to train."
)
@click.option("--backbone", type=click.Choice(sorted(BACKBONES)), help="Another backbone than the size's own.")
@click.option(
    "--size",
    type=int,
    callback=options.multiple_of_32,
    help="Side of the training pictures in pixels, a multiple of 32; default: as served.",
)
@click.option("--steps", default=4000, show_default=True, help="Optimiser steps in all.")
@click.option(
    "--minutes",
    default=0.0,
    show_default=True,
    help="Let time drive the schedule and end the run, --steps is then a bound; with 0 the steps drive it.",
)
@click.option("--batch", default=32, show_default=True, help="Pictures per step.")
@click.option("--rate", default=1.5e-3, show_default=True, help="Largest learning rate.")
@click.option(
    "--backbone-rate",
    default=0.5,
    show_default=True,
    help="Share of --rate for the backbone (but repvgg and what no published weights have), also without --init; the heads go at --rate.",
)
@click.option("--frozen", default=0, show_default=True, help="First blocks of a lite backbone that stay as they came.")
@click.option("--warm-up", default=150, show_default=True, help="Steps in which the learning rate rises.")
@click.option("--average", default=0.998, show_default=True, help="Decay per step of the averaged weights; less for a short run.")
@click.option("--seed", default=0, show_default=True, help="Seed of all chance: scenes, first weights and dropout.")
@click.option("--threads", default=1, show_default=True, help="Torch's threads; more seldom help beside a loader.")
@click.option("--loaders", default=1, show_default=True, help="Processes that make scenes; one feeds one core of training.")
@click.option("--check-every", default=500, show_default=True, help="Steps between checks on val.")
@click.option("--bf16/--fp32", default=True, show_default=True, help="bf16 is faster on processors that have it.")
def command(
    data: Path,
    run: Path,
    init: Path | None,
    pseudo: Path | None,
    pseudo_share: float,
    pseudo_good_share: float | None,
    detector: str,
    backbone: str | None,
    size: int | None,
    seed: int,
    **knobs: Any,
) -> None:
    """Train the detector on labelled pictures; the same command resumes a run that was stopped."""
    chosen = SIZES[detector]
    good_share = pseudo_share if pseudo_good_share is None else pseudo_good_share
    config = Config(
        backbone=backbone or chosen.backbone,
        width=chosen.width,
        served=chosen.pixels,
        recipe=Recipe(size or chosen.pixels, seed, Mix(pseudo=pseudo_share, pseudo_good=good_share)),
        **knobs,
    )
    best = train(data, run, config, init, pseudo)
    click.echo(json.dumps(dataclasses.asdict(best)))


if __name__ == "__main__":
    command()
