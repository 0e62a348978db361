"""What sees first: four backbones that answer with features at strides 8, 16 and 32.

- ``shuffle``: ShuffleNetV2 x0.5 (Ma et al. 2018), 0.14 GMAC at 416, which can start from openly licensed weights;
- ``repvgg``: plain 3x3 + ReLU with training-time side branches (Ding et al. 2021), fastest in int8, starts from nothing;
- ``twin``: ``shuffle``, which knows things, beside a short plain tower, which sees strands: the other one has 24 channels
  and a max-pool before it looks twice;
- ``broad``: ``twin`` with a wider and deeper tower.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


class Broad(Twin):
    """The same with a tower of two to three times the channels and one more convolution at each stride, for a GPU."""

    channels = (48 + 160, 96 + 256, 192)
    tower8 = (96, 160, 160, 160)
    tower16 = (256, 256, 256)


def _tower(c_in: int, channels: tuple[int, ...], halvings: int) -> nn.Sequential:
    inputs = (c_in, *channels[:-1])
    return nn.Sequential(
        *(RepConv(a, b, 2 if i < halvings else 1) for i, (a, b) in enumerate(zip(inputs, channels, strict=True)))
    )


def _stage(c_in: int, c_out: int, units: int) -> nn.Sequential:
    return nn.Sequential(ShuffleUnit(c_in, c_out, 2), *(ShuffleUnit(c_out, c_out, 1) for _ in range(units - 1)))


BACKBONES: Mapping[str, type[RepVgg] | type[ShuffleNet]] = {"repvgg": RepVgg, "shuffle": ShuffleNet, "twin": Twin, "broad": Broad}
