"""The two towers of the toy vision-language model: small convolutions for images, a bag of words for text."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lidar_vl_core.foundation.errors import BadImage

CELL_PX = 4  # pixels per cell of the image tower's answer
_PAD_PX = 16  # coarsest stride of the image tower
_GROUPS = 8  # of the norms, which know one image only: an answer does not depend on the rest of a batch
_PICTURE_CHANNELS = 3


class ToyImageEncoder(nn.Module):
    """Images to one unit vector per cell of 4 x 4 pixels: an encoder to 1/16, a decoder back to 1/4, 0.44 M parameters."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = _ConvNormAct(_PICTURE_CHANNELS, 24, stride=2)
        self.quarter = nn.Sequential(_ConvNormAct(24, 48, stride=2), _Residual(48))
        self.eighth = nn.Sequential(_ConvNormAct(48, 96, stride=2), _Residual(96))
        self.sixteenth = nn.Sequential(_ConvNormAct(96, 96, stride=2), _ConvNormAct(96, 96))
        # The image's own colours join late, past the norms: "red" must stay readable from one cell.
        self.fuse = _ConvNormAct(48 + 96 + _PICTURE_CHANNELS, 64, kernel=1)
        self.head = nn.Conv2d(64 + _PICTURE_CHANNELS, channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """images: (I, 3, H, W) RGB of 0..1, any size from 8 pixels. Returns (I, channels, H/4, W/4) unit vectors.

        Sides that 4 does not divide are resized to the nearest that it does, so that the cells lie evenly over the image.
        Raises BadImage below that size.
        """
        height, width = (max(1, round(side / CELL_PX)) * CELL_PX for side in images.shape[-2:])
        if min(images.shape[-2:]) < 2 * CELL_PX:
            raise BadImage(
                f"images: expected at least {2 * CELL_PX} pixels a side, found {images.shape[-1]} x {images.shape[-2]}. "
                "Give larger images."
            )
        if (height, width) != images.shape[-2:]:
            images = F.interpolate(images, (height, width), mode="bilinear", align_corners=False)
        padded = F.pad((images - 0.5) * 4, (0, -width % _PAD_PX, 0, -height % _PAD_PX), mode="replicate")
        colours = F.avg_pool2d(padded, CELL_PX)
        quarter = self.quarter(self.stem(padded))
        eighth = self.eighth(quarter)
        eighth = eighth + _doubled(self.sixteenth(eighth))
        fused = self.fuse(torch.cat([quarter, _doubled(eighth), colours], dim=1))
        embedding = F.normalize(self.head(torch.cat([fused, colours], dim=1)), dim=1)
        return embedding[..., : height // CELL_PX, : width // CELL_PX]


class ToyTextEncoder(nn.Module):
    """The mean of learned word vectors through a small network, to unit length."""

    def __init__(self, words: int, channels: int) -> None:
        """words: how many tokens there are, 0 = padding included."""
        super().__init__()
        self.word_vectors = nn.Embedding(words, channels, padding_idx=0)
        nn.init.normal_(self.word_vectors.weight, std=0.1)  # short ones turn soon: a word is in few captions
        self.hidden = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(2 * channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (B, L) int64, 0 = padding, at least one word in a row. Returns (B, channels) float32 unit rows."""
        is_word = (tokens != 0).unsqueeze(-1).float()
        mean = (self.word_vectors(tokens) * is_word).sum(dim=1) / is_word.sum(dim=1).clamp_min(1.0)
        return F.normalize(mean + self.out(torch.relu(self.hidden(mean))), dim=1)


class _ConvNormAct(nn.Module):
    """Convolution that keeps the size but for its stride, group norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class _Residual(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _ConvNormAct(channels, channels)
        self.second = _ConvNormAct(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
