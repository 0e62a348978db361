"""What the network is taught by: one loss for each head, weighed by how much is known. Computed in float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from inference_server.detector.model import Raw, decoded_boxes


class Losses(NamedTuple):
    """Mean loss of each head over the batch, and their weighted sum ``total``."""

    total: Tensor
    peaks: Tensor
    sides: Tensor
    mask: Tensor
    frame: Tensor


#: Chosen so that each head's loss moves the shared features about equally after the first hundred steps.
WEIGHTS = {"peaks": 0.5, "sides": 1.0, "mask": 3.0, "frame": 1.5}
#: The frame's label is never quite certain: 0.02 instead of 0 keeps logits where a calibration can still move them.
SMOOTHING = 0.02


def loss(raw: Raw, target: Mapping[str, Tensor]) -> Losses:
    """Compare the network's logits with a batch of :func:`inference_server.detector.dataset.targets`."""
    size = target["image"].shape[-1]
    parts = {
        "peaks": peak_loss(raw.peaks.float(), target["peaks"], target["peaks_known"]),
        "sides": side_loss(raw.sides.float(), target["sides"], target["sides_weight"], size),
        "mask": _mean(
            F.binary_cross_entropy_with_logits(raw.mask.float(), target["mask"], reduction="none"), target["mask_known"]
        ),
        "frame": _mean(
            F.binary_cross_entropy_with_logits(
                raw.frame.float(), target["frame"].clamp(SMOOTHING, 1 - SMOOTHING), reduction="none"
            ),
            target["frame_trust"],
        ),
    }
    total = torch.stack([parts[name] * weight for name, weight in WEIGHTS.items()]).sum()
    return Losses(total, **parts)


def peak_loss(logits: Tensor, hills: Tensor, known: Tensor) -> Tensor:
    """Focal loss with less penalty near a centre (CornerNet, Law and Deng 2018, equation 1), for each tangle."""
    p = torch.sigmoid(logits).clamp(1e-5, 1 - 1e-5)
    top = (hills == 1.0).float()
    found = torch.log(p) * (1 - p) ** 2 * top
    false = torch.log(1 - p) * p**2 * (1 - hills) ** 4 * (1 - top)
    return -((found + false) * known).sum() / top.sum().clamp(min=1.0)


def side_loss(sides: Tensor, wanted: Tensor, weight: Tensor, size: int) -> Tensor:
    """1 - GIoU (Rezatofighi et al. 2019) between the boxes of each weighted cell."""
    a, b = decoded_boxes(sides, size), decoded_boxes(wanted, size)
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    common = (low[:, 2:] - high[:, :2]).clamp(min=0).prod(1)
    hull = (high[:, 2:] - low[:, :2]).clamp(min=0).prod(1).clamp(min=1e-7)
    union = ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - common).clamp(min=1e-7)
    giou = common / union - (hull - union) / hull
    return _mean((1 - giou)[:, None], weight)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1.0)
