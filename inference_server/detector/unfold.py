"""Make a checkpoint of an exported detector, to train on from it: whoever has the shipped file alone can teach it their own pictures.

``python -m inference_server.detector.unfold spaghetti-base-640-v2.onnx --detector base --like WEIGHTS --data DATA --out base-v2.pt``

The file holds each convolution with its normalisation folded in. Unfolding puts a normalisation behind it again whose statistics are
measured on training scenes, so that the answers stay the same while training goes on as it did before the export.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import onnx
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from inference_server.detector import options
from inference_server.detector.backbones import BACKBONES, RepConv
from inference_server.detector.dataset import Recipe, Scenes
from inference_server.detector.export import unpacked
from inference_server.detector.labels import read
from inference_server.detector.model import SIZES, Calibration, Detector
from inference_server.detector.provenance import made_of
from inference_server.detector.train import Config, save, start_from

#: What :class:`inference_server.detector.model.Served` calls the network inside it.
PREFIX = "detector."
#: How torch begins the name of a weight that it has folded with what follows.
NAMELESS = "onnx::"
#: A channel whose kernel is shorter than this is dead; it has no scale of its own to be given.
DEAD = 1e-6
#: Scenes looked at together when statistics are measured; of more, memory is all that takes time.
AT_ONCE = 4


def exported_weights(model: onnx.ModelProto) -> dict[str, Tensor]:
    """Return the network's weights by their names in a fused :class:`Detector`.

    Raises ValueError for a file that keeps no names of some weights, such as that of nano v2.
    """
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in unpacked(model).graph.initializer}
    if any(name.startswith(NAMELESS) for name in stored):
        raise ValueError("this file keeps no names of its weights; export the network again from its checkpoint")
    return {name.removeprefix(PREFIX): torch.tensor(array) for name, array in stored.items() if name.startswith(PREFIX)}


@torch.no_grad()
def unfold(detector: Detector, weights: Mapping[str, Tensor], pictures: Iterable[Tensor]) -> Detector:
    """Give ``detector`` the answers of the fused ``weights``, in place; returned in eval mode.

    Kernels get the length for each channel that they have in ``detector``, which decides how fast they learn (van Laarhoven 2017,
    "L2 regularization versus batch and weight normalization"). ``pictures`` (B, 3, S, S) in 0 to 1 are what statistics are measured on.

    Raises ValueError when the weights are of another network.
    """
    missing = {name.rpartition(".")[0] for name in weights}
    for name, convolution, norm in _normalised(detector):
        missing.discard(name)
        _put_behind(convolution, norm, *_taken(weights, name))
    for name, module in detector.named_modules():
        if isinstance(module, RepConv):
            _silence(module)
        elif name in missing and isinstance(module, (nn.Conv2d, nn.Linear)):
            missing.discard(name)
            weight, bias = _taken(weights, name)
            module.load_state_dict({"weight": weight, "bias": bias})
    if missing:
        raise ValueError(f"these weights are of another network: it has no {min(missing)!r}")
    measure(detector.eval(), pictures)
    return detector


def _normalised(detector: Detector) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """Yield each convolution that a normalisation follows, by the name that the two have when they are fused."""
    for name, module in detector.named_modules():
        if isinstance(module, RepConv):
            yield f"{name}.fused", module.conv3, module.bn3
            continue
        for (inner, convolution), (_, norm) in itertools.pairwise(module.named_children()):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                yield f"{name}.{inner}", convolution, norm


def _taken(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    try:
        return weights[f"{name}.weight"], weights[f"{name}.bias"]
    except KeyError as absent:
        raise ValueError(f"these weights are of another network: they have no {absent}") from None


def _put_behind(convolution: nn.Conv2d, norm: nn.BatchNorm2d, weight: Tensor, bias: Tensor) -> None:
    """Split a fused kernel into one of the present length and a normalisation that scales it and adds ``bias``."""
    if weight.shape != convolution.weight.shape:
        raise ValueError(f"these weights are of another network: {tuple(weight.shape)} is not {tuple(convolution.weight.shape)}")
    fused, present = (kernel.flatten(1).norm(dim=1) for kernel in (weight, convolution.weight))
    scale = torch.where((fused > DEAD) & (present > DEAD), fused / present.clamp(min=DEAD), torch.ones_like(fused))
    convolution.weight.copy_(weight / scale[:, None, None, None])
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.copy_(scale * (1.0 + norm.eps) ** 0.5)
    norm.bias.copy_(bias)


def _silence(branches: RepConv) -> None:
    """Leave what the branches beside the 3x3 convolution say out: it has been folded into that."""
    for norm in (branches.bn1, branches.bn0):
        if norm is not None:
            nn.init.zeros_(norm.weight)
            nn.init.zeros_(norm.bias)


def measure(detector: Detector, pictures: Iterable[Tensor]) -> None:
    """Set each normalisation's statistics to those of ``pictures``, and its scale and shift so that the answers stay the same."""
    norms = [module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)]
    sums = {norm: torch.zeros(2, norm.num_features, dtype=torch.float64) for norm in norms}
    seen = dict.fromkeys(norms, 0)

    def add(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0]
        sums[norm] += torch.stack((x.mean((0, 2, 3)), x.square().mean((0, 2, 3)))).double() * len(x)
        seen[norm] += len(x)

    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    for x in pictures:
        detector(x)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        assert norm.running_mean is not None and norm.running_var is not None
        mean, square = (sums[norm] / max(1, seen[norm])).float()
        variance = (square - mean.square()).clamp(min=0.0)
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        norm.bias += scale * (mean - norm.running_mean)
        norm.weight.copy_(scale * torch.sqrt(variance + norm.eps))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


@click.command()
@click.argument("model", type=options.EXISTING_FILE)
@options.data
@click.option("--detector", type=click.Choice(list(SIZES)), required=True, help="Which of the sizes it is.")
@click.option("--backbone", type=click.Choice(sorted(BACKBONES)), help="Another backbone than the size's own.")
@click.option("--like", type=options.EXISTING_FILE, help="The weights its training began with, for the lengths of the kernels.")
@click.option("--scenes", default=288, show_default=True, help="Training scenes that the statistics are measured on.")
@click.option("--threads", default=1, show_default=True, help="Torch's threads.")
@click.option("--out", type=options.NEW_FILE, required=True, help="The checkpoint, a .pt file for --init and blend.")
def command(
    model: Path, data: Path, detector: str, backbone: str | None, like: Path | None, scenes: int, threads: int, out: Path
) -> None:
    """Make a checkpoint of MODEL, an exported detector, to train on from it."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)  # of the branches that begin without a say
    size, proto = SIZES[detector], onnx.load(str(model))
    facts = {entry.key: entry.value for entry in proto.metadata_props}
    config = Config(backbone or size.backbone, size.width, int(facts["input_size"]), Recipe(int(facts["input_size"])))
    network = Detector(config.backbone, config.width)
    if like is not None:
        start_from(network, like)
    batches = DataLoader(Scenes(read(data), config.recipe, scenes), batch_size=AT_ONCE)
    try:
        weights = exported_weights(proto)
        unfold(network, weights, (batch["image"].float().div_(255) for batch in batches))
    except ValueError as wrong:
        raise click.ClickException(str(wrong)) from wrong
    kept: dict[str, Any] = made_of(dataclasses.asdict(config), data, model, None)
    calibration = tuple(Calibration(**json.loads(facts["calibration"])))
    save({**kept, "weights": network.state_dict(), "step": int(facts["trained_steps"]), "calibration": calibration}, out)
    click.echo(f"{out} answers as {model.name} does")


if __name__ == "__main__":
    command()
