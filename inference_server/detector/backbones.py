"""What sees first: backbones that answer with features at strides 8, 16 and 32.

- ``shuffle``: ShuffleNetV2 x0.5 (Ma et al. 2018), 0.14 GMAC at 416, which can start from openly licensed weights;
- ``repvgg``: plain 3x3 + ReLU with training-time side branches (Ding et al. 2021), fastest in int8, starts from nothing;
- ``twin``: ``shuffle``, which knows things, beside a short plain tower, which sees strands: the other one has 24 channels
  and a max-pool before it looks twice;
- ``lite0``: EfficientNet-Lite 0 (Liu and Tan 2020), which can start from openly licensed ImageNet weights that know far more than
  ``shuffle``'s (75 % top-1); inverted residuals with ReLU6 and without squeeze-and-excitation;
- ``lite2``: EfficientNet-Lite 2, the same deeper and a little wider (77 % top-1), for 1.6 times the arithmetic.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

#: What the published EfficientNet-Lite weights expect of a picture in 0 to 1: (255 x - 127) / 128.
LITE_MEAN, LITE_SCALE = 127 / 255, 255 / 128


class RepConv(nn.Module):
    """A 3x3 convolution with ReLU that trains with 1x1 and identity branches beside it (RepVGG, Ding et al. 2021)."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.conv1 = nn.Conv2d(c_in, c_out, 1, stride, 0, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.bn0 = nn.BatchNorm2d(c_in) if c_in == c_out and stride == 1 else None
        self.fused: nn.Conv2d | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H / stride, W / stride)."""
        if self.fused is not None:
            return F.relu(self.fused(x))
        y = self.bn3(self.conv3(x)) + self.bn1(self.conv1(x))
        return F.relu(y if self.bn0 is None else y + self.bn0(x))

    def fuse(self) -> None:
        """Fold the branches into one convolution that gives the same answers (in eval mode)."""
        kernel, bias = _folded(self.conv3.weight, self.bn3)
        side, side_bias = _folded(self.conv1.weight, self.bn1)
        kernel, bias = kernel + F.pad(side, (1, 1, 1, 1)), bias + side_bias
        if self.bn0 is not None:
            one = torch.eye(kernel.shape[0], device=kernel.device)[:, :, None, None]
            same, same_bias = _folded(F.pad(one, (1, 1, 1, 1)), self.bn0)
            kernel, bias = kernel + same, bias + same_bias
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, self.conv3.stride, 1)
        conv.weight.data, conv.bias.data = kernel.detach(), bias.detach()
        self.fused = conv
        del self.conv3, self.conv1, self.bn3, self.bn1, self.bn0


def _folded(weight: Tensor, bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of a convolution without bias followed by ``bn`` with its running statistics."""
    assert bn.running_var is not None and bn.running_mean is not None
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    return weight * scale[:, None, None, None], bn.bias - bn.running_mean * scale


def fold_normalisation(module: nn.Module) -> None:
    """Fold each normalisation of ``module`` that directly follows a convolution into it, in place; answers stay the same in eval mode."""
    children = list(module.named_children())
    for (first, conv), (second, bn) in itertools.pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
            setattr(module, first, fuse_conv_bn_eval(conv, bn))
            setattr(module, second, nn.Identity())


class RepVgg(nn.Module):
    """Plain 3x3 convolutions; returns the features at strides 8, 16 and 32."""

    channels = (64, 128, 192)

    def __init__(self) -> None:
        super().__init__()
        # No side branch on the first one: torch 2.13 frees memory twice in the bf16 gradient of a 1x1 convolution of 3 channels.
        self.stem = nn.Sequential(*_conv_bn(3, 16, 3, 2), nn.ReLU(inplace=True), RepConv(16, 32, 2), RepConv(32, 32))
        self.stage8 = nn.Sequential(RepConv(32, 64, 2), RepConv(64, 64))
        self.stage16 = nn.Sequential(RepConv(64, 128, 2), RepConv(128, 128))
        self.stage32 = nn.Sequential(RepConv(128, 192, 2), RepConv(192, 192))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, S, S) -> features of S/8, S/16 and S/32 cells a side."""
        c3 = self.stage8(self.stem(x))
        c4 = self.stage16(c3)
        return c3, c4, self.stage32(c4)


class ShuffleUnit(nn.Module):
    """One unit of ShuffleNetV2; the parameter names are those of the published weights."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        main_in = c_in if stride == 2 else c_in // 2
        main_out = c_out - (c_in if stride == 2 else c_in // 2)
        self.branch_main = nn.Sequential(
            *_conv_bn(main_in, c_out // 2, 1),
            nn.ReLU(inplace=True),
            *_conv_bn(c_out // 2, c_out // 2, 3, stride, depthwise=True),
            *_conv_bn(c_out // 2, main_out, 1),
            nn.ReLU(inplace=True),
        )
        self.branch_proj = (
            nn.Sequential(*_conv_bn(c_in, c_in, 3, 2, depthwise=True), *_conv_bn(c_in, c_in, 1), nn.ReLU(inplace=True))
            if stride == 2
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H / stride, W / stride)."""
        if self.branch_proj is not None:
            return torch.cat((self.branch_proj(x), self.branch_main(x)), 1)
        return torch.cat((x[:, 0::2], self.branch_main(x[:, 1::2])), 1)


def _conv_bn(c_in: int, c_out: int, kernel: int, stride: int = 1, depthwise: bool = False) -> list[nn.Module]:
    groups = c_in if depthwise else 1
    return [nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(c_out)]


class ShuffleNet(nn.Module):
    """ShuffleNetV2 x0.5; returns the features at strides 8, 16 and 32."""

    channels = (48, 96, 192)

    def __init__(self) -> None:
        super().__init__()
        self.first_conv = nn.Sequential(*_conv_bn(3, 24, 3, 2), nn.ReLU(inplace=True))
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.stage2 = _stage(24, 48, 4)
        self.stage3 = _stage(48, 96, 8)
        self.stage4 = _stage(96, 192, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, S, S) -> features of S/8, S/16 and S/32 cells a side."""
        return self.stages(self.first_conv(x))

    def stages(self, stem: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 24, S/2, S/2) -> features of S/8, S/16 and S/32 cells a side."""
        c3 = self.stage2(self.maxpool(stem))
        c4 = self.stage3(c3)
        return c3, c4, self.stage4(c4)


class Twin(ShuffleNet):
    """ShuffleNetV2 x0.5 with a tower of plain 3x3 convolutions beside it; their features are concatenated at strides 8 and 16."""

    channels = (48 + 64, 96 + 96, 192)
    #: Channels of the tower's convolutions down to stride 8 (the first two halve the picture) and to 16 (the first does).
    tower8: tuple[int, ...] = (32, 64, 64)
    tower16: tuple[int, ...] = (96, 96)

    def __init__(self) -> None:
        super().__init__()
        self.texture8 = _tower(24, self.tower8, halvings=2)
        self.texture16 = _tower(self.tower8[-1], self.tower16, halvings=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, S, S) -> features of S/8, S/16 and S/32 cells a side."""
        stem = self.first_conv(x)
        c3, c4, c5 = self.stages(stem)
        t3 = self.texture8(stem)
        return torch.cat((c3, t3), 1), torch.cat((c4, self.texture16(t3)), 1), c5


class InvertedResidual(nn.Module):
    """Widen, look with one filter a channel, narrow (Sandler et al. 2018); the parameter names are those of the published weights."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = c_in * expand
        self._expand_conv: nn.Module
        self._bn0: nn.Module
        self._expand_conv, self._bn0 = _conv_bn_lite(c_in, inner, 1) if expand > 1 else (nn.Identity(), nn.Identity())
        self._widens = expand > 1
        self._depthwise_conv, self._bn1 = _conv_bn_lite(inner, inner, kernel, stride, groups=inner)
        self._project_conv, self._bn2 = _conv_bn_lite(inner, c_out, 1)
        self._kept = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H / stride, W / stride)."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self._widens else x
        y = F.relu6(self._bn1(_conv_same(self._depthwise_conv, y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._kept else y


def _conv_bn_lite(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    padding = kernel // 2 if stride == 1 else 0
    return nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(c_out, eps=1e-3)


def pads_of_same(kernel: int) -> tuple[int, int]:
    """Return how many pixels TensorFlow's SAME adds before and after an even side that a ``kernel`` of odd size halves."""
    return (kernel - 2) // 2, (kernel - 1) // 2


def _conv_same(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Convolve; where that halves the picture, pad one pixel less before than after, as the published weights expect."""
    if conv.stride[0] > 1:
        before, after = pads_of_same(conv.kernel_size[0])
        x = F.pad(x, (before, after, before, after))
    if conv.groups == 1 or not torch.is_autocast_enabled("cpu"):
        return conv(x)
    with torch.autocast(
        "cpu", enabled=False
    ):  # bf16's gradient of one filter a channel takes torch 2.13 three to six times as long
        return conv(x.float()).to(x.dtype)


class Lite(nn.Module):
    """EfficientNet-Lite 0 without its classifier; returns the features at strides 8, 16 and 32."""

    channels: tuple[int, int, int] = (40, 112, 128)
    #: Of each stage: blocks, channels out, kernel, stride of its first block, widening.
    stages: tuple[tuple[int, int, int, int, int], ...] = (
        (1, 16, 3, 1, 1),
        (2, 24, 3, 2, 6),
        (2, 40, 5, 2, 6),
        (3, 80, 3, 2, 6),
        (3, 112, 5, 1, 6),
        (4, 192, 5, 2, 6),
        (1, 320, 3, 1, 6),
    )

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _conv_bn_lite(3, 32, 3, 2)
        blocks: list[nn.Module] = []
        c_in, ends = 32, []
        for repeats, c_out, kernel, stride, expand in self.stages:
            for index in range(repeats):
                blocks.append(InvertedResidual(c_in, c_out, kernel, stride if index == 0 else 1, expand))
                c_in = c_out
            ends.append(len(blocks))
        self._blocks = nn.ModuleList(blocks)
        self._ends = (ends[2], ends[4])
        self.narrow = nn.Sequential(*_conv_bn(c_in, self.channels[2], 1), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, S, S) -> features of S/8, S/16 and S/32 cells a side."""
        y = F.relu6(self._bn0(_conv_same(self._conv_stem, (x - LITE_MEAN) * LITE_SCALE)))
        seen = []
        for index, block in enumerate(self._blocks):
            if index in self._ends:
                seen.append(y)
            y = block(y)
        return seen[0], seen[1], self.narrow(y)

    def freeze(self, blocks: int) -> None:
        """Keep the stem and the first ``blocks`` blocks as they are, statistics too: edges look the same in every picture."""
        for module in (self._conv_stem, self._bn0, *self._blocks[:blocks]):
            module.requires_grad_(False)
            module.train(False)


class Lite2(Lite):
    """EfficientNet-Lite 2: all stages but the first and the last have a block more, and channels are 1.1 times as many."""

    channels = (48, 120, 128)
    stages = (
        (1, 16, 3, 1, 1),
        (3, 24, 3, 2, 6),
        (3, 48, 5, 2, 6),
        (4, 88, 3, 2, 6),
        (4, 120, 5, 1, 6),
        (5, 208, 5, 2, 6),
        (1, 352, 3, 1, 6),
    )


def _tower(c_in: int, channels: tuple[int, ...], halvings: int) -> nn.Sequential:
    inputs = (c_in, *channels[:-1])
    return nn.Sequential(
        *(RepConv(a, b, 2 if i < halvings else 1) for i, (a, b) in enumerate(zip(inputs, channels, strict=True)))
    )


def _stage(c_in: int, c_out: int, units: int) -> nn.Sequential:
    return nn.Sequential(ShuffleUnit(c_in, c_out, 2), *(ShuffleUnit(c_out, c_out, 1) for _ in range(units - 1)))


BACKBONES: Mapping[str, type[RepVgg | ShuffleNet | Lite]] = {
    "repvgg": RepVgg,
    "shuffle": ShuffleNet,
    "twin": Twin,
    "lite0": Lite,
    "lite2": Lite2,
}
