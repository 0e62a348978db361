"""The network: a small backbone, a light feature pyramid and three heads (boxes, mask, whole frame).

``image`` (B, 3, S, S) in 0 to 1 RGB  ->  raw logits (:class:`Raw`); :class:`Served` turns those into the tensors of
:mod:`inference_server.contract`. Every operator has a TensorRT counterpart and there is no NonMaxSuppression:
peaks are picked by max-pooling, duplicates dropped by a 20 x 20 overlap matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference_server.contract import CONFIDENCE_FLOOR, TOP_K
from inference_server.detector.backbones import BACKBONES, RepConv, fold_normalisation

#: Pixels of input per cell of the box head and of the mask head.
BOX_STRIDE, MASK_STRIDE = 8, 16
#: A box is a duplicate of a stronger one when they share this part of the smaller one's area. A tangle has no
#: true outline, so a part of a tangle inside a larger box is the same tangle.
SAME_TANGLE_OVERLAP = 0.6
#: Peaks looked at before duplicates are dropped.
CANDIDATES = 40
#: Probability of a positive cell or frame that the untrained network answers (Lin et al. 2017, focal loss, section 3.3).
PRIOR = 0.02
#: Boxes are predicted as exp(x) * this many pixels from the cell's centre to each side, so that x = 0 is a middling tangle.
SIDE_SCALE_PX = 48.0
#: Share of training frames in which the frame's head must do without the look of the whole: a small tangle hardly changes it.
LOCAL_ONLY = 0.4
#: Cells of the mask that speak for the frame: 8 of 26 x 26 are a tangle of about 45 x 45 pixels.
WITNESS_CELLS = 8
#: exp() of more than this would leave any picture; clamping keeps bf16 and int8 finite.
LARGEST_SIDE_LOG = 3.0


class Raw(NamedTuple):
    """What the heads say before any decision, all logits: S is the input's side in pixels."""

    peaks: Tensor  # (B, 1, S/8, S/8)
    sides: Tensor  # (B, 4, S/8, S/8) log of the distance to left, top, right, bottom in SIDE_SCALE_PX
    mask: Tensor  # (B, 1, S/16, S/16)
    frame: Tensor  # (B, 1)


def evidence(raw: Raw) -> Tensor:
    """Sum the log-odds of three witnesses of the whole frame, (B, 1): the frame's head, the best peak, the strongest cells of the mask.

    The frame's head alone overlooks a small tangle that the other two see: on val, spaghetti against everything else, AUROC
    0.890 alone and 0.900 together. What the sum is worth as a probability is for the calibration to say.
    """
    cells = torch.topk(raw.mask.flatten(1), WITNESS_CELLS, 1).values.mean(1, keepdim=True)
    return raw.frame + raw.peaks.amax((2, 3)) + cells


@dataclass(frozen=True)
class Size:
    """One of the detectors that this code makes: its backbone, channels of the pyramid, and pixels of the side it is served at."""

    backbone: str
    width: int
    pixels: int
    most_gmac: float  # multiply-accumulates a picture may cost, in billions


#: ``nano`` costs least; ``base`` sees most, for what is small at 416 pixels is seen at 640.
SIZES: Mapping[str, Size] = {"nano": Size("twin", 64, 416, 1.0), "base": Size("lite0", 64, 640, 10.0)}


class Detector(nn.Module):
    """Backbone, pyramid to stride 8, and the heads for peaks and sides, mask and whole frame."""

    def __init__(self, backbone: str = "shuffle", width: int = 64) -> None:
        """Build the network; ``width`` is the number of channels of the pyramid."""
        super().__init__()
        self.backbone = BACKBONES[backbone]()
        c3, c4, c5 = self.backbone.channels
        self.context = RepConv(c5, c5)
        self.lateral5, self.lateral4, self.lateral3 = (nn.Conv2d(c, width, 1) for c in (c5, c4, c3))
        self.smooth4, self.smooth3 = RepConv(width, width), RepConv(width, width)
        self.mask_tower = RepConv(width, width)
        self.mask_head = nn.Conv2d(width, 1, 1)
        self.box_tower = RepConv(width, width)
        self.peak_head, self.side_head = nn.Conv2d(width, 1, 1), nn.Conv2d(width, 4, 1)
        self.frame_head = nn.Sequential(
            nn.Linear(2 * c5 + width + 2, 64), nn.ReLU(inplace=True), nn.Dropout(0.2), nn.Linear(64, 1)
        )
        for head in (self.peak_head, self.mask_head):
            nn.init.constant_(head.bias, _logit(PRIOR))
        nn.init.zeros_(self.side_head.bias)

    def forward(self, x: Tensor) -> Raw:
        """Look at ``x`` (B, 3, S, S), RGB, 0 to 1; S is a multiple of 32."""
        c3, c4, c5 = self.backbone(x)
        c5 = self.context(c5)  # (B, 192, S/32, S/32)
        p4 = self.smooth4(self.lateral4(c4) + _doubled(self.lateral5(c5)))  # (B, width, S/16, S/16)
        p3 = self.smooth3(self.lateral3(c3) + _doubled(p4))  # (B, width, S/8, S/8)
        region = self.mask_tower(p4)
        mask = self.mask_head(region)
        box = self.box_tower(p3)
        peaks = self.peak_head(box)
        return Raw(peaks, self.side_head(box), mask, self._frame(c5, region, mask, peaks))

    def _frame(self, c5: Tensor, region: Tensor, mask: Tensor, peaks: Tensor) -> Tensor:
        """Judge the whole frame by its overall look and by the place that looks most like a tangle."""
        attention = torch.softmax(mask.flatten(2).float(), -1)  # (B, 1, cells)
        at_worst = (region.flatten(2) * attention).sum(-1)  # (B, width)
        strongest = torch.cat((mask.amax((2, 3)), peaks.amax((2, 3))), 1)  # (B, 2)
        overall = torch.cat((c5.mean((2, 3)), c5.amax((2, 3))), 1)  # (B, 384)
        if self.training:
            overall = overall * (torch.rand(len(overall), 1, device=overall.device) > LOCAL_ONLY)
        return self.frame_head(torch.cat((overall, at_worst, strongest.clamp(-8, 8)), 1))

    def fuse(self) -> Detector:
        """Fold every training-time branch into its convolution, in place; answers stay the same. Call in eval mode."""
        for module in list(self.modules()):
            if isinstance(module, RepConv) and module.fused is None:
                module.fuse()
            else:
                fold_normalisation(module)
        return self


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _logit(p: float) -> float:
    return float(torch.logit(torch.tensor(p)))


def load_backbone(detector: Detector, state: Mapping[str, Tensor]) -> None:
    """Start a backbone from published weights: ShuffleNetV2's that were trained on BGR / 255, or EfficientNet-Lite's on RGB.

    ``state`` is a state dict with the names of ShuffleNetV2, with or without the prefix ``backbone.``, or those of EfficientNet-Lite.
    """
    names = {key.removeprefix("backbone."): value for key, value in state.items()}
    own = detector.backbone.state_dict()
    weights = {key: names[key] for key in own if key in names}
    missing = [key for key in own if key not in names and not key.endswith("num_batches_tracked") and not is_new(key)]
    if missing:
        raise ValueError(f"these weights are not of this backbone: {len(missing)} tensors are missing, such as {missing[0]!r}")
    if "first_conv.0.weight" in weights:
        weights["first_conv.0.weight"] = weights["first_conv.0.weight"].flip(1)  # BGR -> RGB
    detector.backbone.load_state_dict(weights, strict=False)


def is_new(name: str) -> bool:
    """Return whether a backbone's parameter is one that no published weights have."""
    return "texture" in name or "narrow" in name


def grow(detector: Detector, state: Mapping[str, Tensor]) -> None:
    """Start ``detector`` from the weights of a smaller one of ours: what is new to it begins without a say.

    A convolution with more inputs takes the known ones over and weighs the new ones zero, so that the answers stay the same.
    """
    own = detector.state_dict()
    for name, value in state.items():
        if own[name].shape != value.shape:
            wider = torch.zeros_like(own[name])
            wider[:, : value.shape[1]] = value
            value = wider
        own[name] = value
    detector.load_state_dict(own)


def decoded_boxes(sides: Tensor, size: int) -> Tensor:
    """Turn ``sides`` (B, 4, H, W) into boxes (B, 4, H, W): left, top, right, bottom as fractions of the input, unclipped."""
    reach = sides.float().clamp(-LARGEST_SIDE_LOG, LARGEST_SIDE_LOG).exp() * (SIDE_SCALE_PX / size)
    rows, columns = sides.shape[2:]
    y = ((torch.arange(rows, device=sides.device) + 0.5) / rows)[None, :, None].expand(sides.shape[0], rows, columns)
    x = ((torch.arange(columns, device=sides.device) + 0.5) / columns)[None, None, :].expand(sides.shape[0], rows, columns)
    return torch.stack((x - reach[:, 0], y - reach[:, 1], x + reach[:, 2], y + reach[:, 3]), 1)


class Calibration(NamedTuple):
    """Scale and shift of the frame's evidence and of the mask's logits that make probabilities of them (Platt scaling)."""

    frame_scale: float = 1.0
    frame_shift: float = 0.0
    mask_scale: float = 1.0
    mask_shift: float = 0.0


class Served(nn.Module):
    """The fused network with everything around it that a caller should not have to know: the graph that is exported."""

    def __init__(self, detector: Detector, calibration: Calibration, size: int) -> None:
        """Wrap ``detector`` for pictures of ``size`` x ``size`` pixels."""
        super().__init__()
        self.detector = detector
        self.calibration = calibration
        self.size = size

    def forward(self, image: Tensor, window: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Look at ``image`` uint8 (N, 3, S, S) that shows the part ``window`` float32 (N, 4) of a picture.

        Returns boxes (N, K, 4), confidences (N, K), classes (N, K), frame_score (N, 1), heatmap (N, S/16, S/16).
        """
        raw = self.detector(image.float() / 255.0)
        c = self.calibration
        frame_score = torch.sigmoid(evidence(raw) * c.frame_scale + c.frame_shift)
        boxes, confidences = self._picked(raw, frame_score)
        heatmap = torch.round(torch.sigmoid(raw.mask[:, 0] * c.mask_scale + c.mask_shift) * 255.0).to(torch.uint8)
        classes = torch.zeros_like(confidences).to(torch.int32)
        return _in_picture(boxes, window, confidences), confidences, classes, frame_score, heatmap

    def _picked(self, raw: Raw, frame_score: Tensor) -> tuple[Tensor, Tensor]:
        """Pick the peaks, strongest first; returns boxes (N, K, 4) in fractions of the input and confidences (N, K)."""
        score = torch.sigmoid(raw.peaks)
        score = torch.where(F.max_pool2d(score, 3, 1, 1) > score, torch.zeros_like(score), score).flatten(1)
        top, index = torch.topk(score, CANDIDATES, 1)  # (N, C)
        boxes = decoded_boxes(raw.sides, self.size).flatten(2).transpose(1, 2)  # (N, cells, 4)
        boxes = torch.gather(boxes, 1, index[:, :, None].expand(-1, -1, 4)).clamp(0.0, 1.0)
        # A peak counts as much as the frame that it is in: the geometric mean keeps both on one scale.
        confidence = torch.sqrt(top * frame_score) * self._first_of_its_kind(boxes)
        confidence, order = torch.topk(confidence, TOP_K, 1)
        confidence = torch.where(confidence < CONFIDENCE_FLOOR, torch.zeros_like(confidence), confidence)
        return torch.gather(boxes, 1, order[:, :, None].expand(-1, -1, 4)), confidence

    def _first_of_its_kind(self, boxes: Tensor) -> Tensor:
        """Return (N, C) 1 for a box that no stronger one overlaps ("Fast NMS", Bolya et al. 2019), else 0."""
        low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
        high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
        extent = (high - low).clamp(min=0.0)
        area = (boxes[:, :, 2] - boxes[:, :, 0]) * (boxes[:, :, 3] - boxes[:, :, 1])
        smaller = torch.minimum(area[:, :, None], area[:, None, :]).clamp(min=1e-6)
        overlap = extent[..., 0] * extent[..., 1] / smaller  # (N, C, C), symmetric
        stronger = torch.triu(torch.ones(CANDIDATES, CANDIDATES), diagonal=1)
        worst = (overlap * stronger).amax(1)  # for each box, over the stronger ones
        return (worst < SAME_TANGLE_OVERLAP).to(boxes.dtype)


def _in_picture(boxes: Tensor, window: Tensor, confidences: Tensor) -> Tensor:
    """Map boxes from fractions of the window to fractions of the whole picture; rows without confidence become zero."""
    low, high = window[:, None, :2], window[:, None, 2:]
    extent = high - low
    mapped = torch.cat((low + boxes[..., :2] * extent, low + boxes[..., 2:] * extent), -1).clamp(0.0, 1.0)
    return mapped * (confidences > 0.0).to(mapped.dtype)[..., None]


def count_macs(detector: Detector, size: int) -> int:
    """Count the multiply-accumulates of one picture of ``size`` x ``size`` pixels in convolutions and linear layers."""
    total = 0

    def add(module: nn.Module, _: object, out: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += module.weight[0].numel() * out[0].numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()

    hooks = [m.register_forward_hook(add) for m in detector.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        detector(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return total
