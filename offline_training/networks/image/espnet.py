"""ESPNet (Mehta et al., ECCV 2018): a segmentation network of 0.36 M parameters, small enough to teach on a CPU.

An efficient spatial pyramid (ESP) reduces the channels, convolves at dilations 1 to 16 in parallel, adds the pyramid
up level by level (hierarchical feature fusion, against gridding) and concatenates. Names are those of the authors'
public weights.
"""

from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lidar_vl_core.foundation.errors import BadConfig, BadImage
from offline_training.networks.image.weight_file import load_weights, read_weight_file

FEATURE_STRIDE = 4  # pixels per cell of ESPNet.features
SIDE_STEP = 8  # what the sides of images are multiples of

_LEVEL2_BLOCKS, _LEVEL3_BLOCKS = 2, 8  # p and q of the paper
_DILATIONS = (1, 2, 4, 8, 16)
_NORM_EPSILON = 1e-3
# Cityscapes, in the order blue, green, red, of 0..255; the authors divide by 255 once more after the spread.
_MEAN_BGR = (72.3923111, 82.90893555, 73.15840149)
_STD_BGR = (45.3192215, 46.15289307, 44.91483307)


class ESPNet(nn.Module):
    """Images normalised by `normalise_for_espnet` to class scores of the same size; sides are multiples of 8."""

    def __init__(self, classes: int = 20) -> None:
        """Raises BadConfig for fewer classes than there are dilations: the decoder's pyramid has a channel of each."""
        super().__init__()
        if classes < len(_DILATIONS):
            raise BadConfig(f"classes: expected at least {len(_DILATIONS)} for ESPNet, found {classes}. Add classes.")
        self.classes = classes
        self.encoder = _Encoder(classes)
        self.br = _norm(classes)
        self.up_l3 = nn.Sequential(nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False))
        self.level3_C = _Conv(131, classes, 1)
        self.combine_l2_l3 = nn.Sequential(_NormAct(2 * classes), _PyramidBlock(2 * classes, classes))
        self.up_l2 = nn.Sequential(nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False), _NormAct(classes))
        self.conv = _ConvNormAct(classes + 16, classes, 3)
        self.classifier = nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False)

    @property
    def feature_channels(self) -> int:
        """Channels of `features`."""
        return 131 + 256 + self.classes

    def forward(self, images: Tensor) -> Tensor:
        """images: (I, 3, H, W). Returns scores (I, classes, H, W). Raises BadImage for sides that 8 does not divide."""
        levels = self.encoder(images)
        fused = self._fusing_block.bn(self._fused(levels))
        return self.classifier(self.conv(torch.cat([self.up_l2(fused), levels.half], dim=1)))

    def features(self, images: Tensor) -> Tensor:
        """What the network knows of each place: (I, feature_channels, H/4, W/4).

        Level 2 of the encoder (131 channels, where it is exact), level 3 (256, what it is, upsampled from H/8) and the
        decoder's map that fuses both (one channel per class): one of them alone would be poor. Each channel is less its mean
        over its spread in the network's training, as its norm knows them; the learned scales after the norms are so
        small and so different that a linear head on them learns slowly.
        """
        levels = self.encoder(images)
        eighth = self.encoder.b3.standardised(levels.eighth)
        upsampled = F.interpolate(eighth, scale_factor=2, mode="bilinear", align_corners=False)
        fused = self._fusing_block.bn.standardised(self._fused(levels))
        return torch.cat([self.encoder.b2.standardised(levels.quarter), upsampled, fused], dim=1)

    def _fused(self, levels: "_Levels") -> Tensor:
        """Levels 2 and 3 joined, before norm and activation: (I, classes, H/4, W/4)."""
        coarse = self.up_l3(self.br(self.encoder.classifier(self.encoder.b3(levels.eighth))))
        joined = torch.cat([self.level3_C(self.encoder.b2(levels.quarter)), coarse], dim=1)
        return self._fusing_block.pyramid(self.combine_l2_l3[0](joined))

    @property
    def _fusing_block(self) -> "_PyramidBlock":
        return cast("_PyramidBlock", self.combine_l2_l3[1])


def load_espnet(weights: Path) -> ESPNet:
    """ESPNet with the weights, and the class count, of a file. Raises BadCheckpoint for a file of another network."""
    tensors = read_weight_file(weights)
    network = ESPNet(len(tensors["br.weight"])) if "br.weight" in tensors else ESPNet()
    load_weights(network, tensors, weights)
    return network


def normalise_for_espnet(images: Tensor) -> Tensor:
    """RGB (I, 3, H, W) float of 0..1 to what the public weights were trained on."""
    mean = images.new_tensor(_MEAN_BGR).view(3, 1, 1)
    std = images.new_tensor(_STD_BGR).view(3, 1, 1)
    return (images.flip(1) * 255 - mean) / std / 255


class _Levels(NamedTuple):
    """Maps of the encoder; the last two before their norm and activation."""

    half: Tensor  # (I, 16, H/2, W/2)
    quarter: Tensor  # (I, 131, H/4, W/4)
    eighth: Tensor  # (I, 256, H/8, W/8)


class _Encoder(nn.Module):
    """Three levels of halved resolution; the image itself, averaged down, joins the first two again."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.level1 = _ConvNormAct(3, 16, 3, stride=2)
        self.b1 = _NormAct(16 + 3)
        self.level2_0 = _PyramidDown(16 + 3, 64)
        self.level2 = nn.Sequential(*(_PyramidBlock(64, 64) for _ in range(_LEVEL2_BLOCKS)))
        self.b2 = _NormAct(128 + 3)
        self.level3_0 = _PyramidDown(128 + 3, 128)
        self.level3 = nn.Sequential(*(_PyramidBlock(128, 128) for _ in range(_LEVEL3_BLOCKS)))
        self.b3 = _NormAct(256)
        self.classifier = _Conv(256, classes, 1)

    def forward(self, images: Tensor) -> _Levels:
        """images: (I, 3, H, W)."""
        if images.shape[-2] % SIDE_STEP or images.shape[-1] % SIDE_STEP:
            raise BadImage(
                f"images: expected sides that {SIDE_STEP} divides, found {images.shape[-1]} x {images.shape[-2]}. "
                "Resize them first."
            )
        image_half = F.avg_pool2d(images, 3, stride=2, padding=1)
        image_quarter = F.avg_pool2d(image_half, 3, stride=2, padding=1)
        half = self.level1(images)
        first = self.level2_0(self.b1(torch.cat([half, image_half], dim=1)))
        quarter = torch.cat([self.level2(first), first, image_quarter], dim=1)
        first = self.level3_0(self.b2(quarter))
        return _Levels(half, quarter, torch.cat([first, self.level3(first)], dim=1))


class _Pyramid(nn.Module):
    """Reduce, convolve at five dilations, add up from the second on, concatenate: (I, C_in, h, w) to (I, C_out, h', w')."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        width = out_channels // len(_DILATIONS)
        self.c1 = _Conv(in_channels, width, kernel, stride)
        first = out_channels - (len(_DILATIONS) - 1) * width  # what does not divide goes to dilation 1
        for dilation in _DILATIONS:
            conv = _Conv(width, first if dilation == 1 else width, 3, dilation=dilation)
            self.add_module(f"d{dilation}", conv)

    def pyramid(self, x: Tensor) -> Tensor:
        """Fused maps of all dilations, before norm and activation."""
        reduced = self.c1(x)
        maps = [self.get_submodule(f"d{dilation}")(reduced) for dilation in _DILATIONS]
        for level in range(2, len(maps)):
            maps[level] = maps[level] + maps[level - 1]
        return torch.cat(maps, dim=1)


class _PyramidDown(_Pyramid):
    """ESP that halves the resolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel=3, stride=2)
        self.bn = _norm(out_channels)
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(I, C_in, h, w) to (I, C_out, h/2, w/2)."""
        return self.act(self.bn(self.pyramid(x)))


class _PyramidBlock(_Pyramid):
    """ESP with a shortcut where the widths are equal."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel=1, stride=1)
        self.bn = _NormAct(out_channels)
        self.has_shortcut = in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(I, C_in, h, w) to (I, C_out, h, w)."""
        y = self.pyramid(x)
        return self.bn(x + y if self.has_shortcut else y)


class _Conv(nn.Module):
    """Convolution without bias that keeps the size but for its stride."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = (kernel - 1) // 2 * dilation
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _ConvNormAct(_Conv):
    """Convolution, norm, PReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride)
        self.bn = _norm(out_channels)
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class _NormAct(nn.Module):
    """Norm, PReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = _norm(channels)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))

    def standardised(self, x: Tensor) -> Tensor:
        """Without the learned scale, shift and activation: mean 0 and spread 1 over what the network was trained on."""
        return F.batch_norm(x, self.bn.running_mean, self.bn.running_var, eps=self.bn.eps)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_NORM_EPSILON)
