"""ResNet-50 (He et al., CVPR 2016) without pooling and classifier, under torchvision's names, dense by dilation if asked."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from offline_training.networks.image.weight_file import load_weights, read_weight_file

FEATURE_CHANNELS = 2048

_BLOCKS = (3, 4, 6, 3)
_EXPANSION = 4
# What stands before torchvision's names: MoCo; OLIVINE and SLidR checkpoints; DINO; data-parallel files; plain files.
_PREFIXES = ("module.encoder_q.", "model_images.encoder.", "encoder.", "module.backbone.", "backbone.", "module.", "")
_CLASSIFIER = "fc."


class ResNet50(nn.Module):
    """Normalised images to the map of the last layer: stride 32, or 4 when layers 2 to 4 dilate instead of striding."""

    def __init__(self, dilated: bool) -> None:
        super().__init__()
        self.stride = 4 if dilated else 32
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels, dilation = 64, 1
        for layer, count in enumerate(_BLOCKS, start=1):
            width, stride = 64 << (layer - 1), 1 if layer == 1 else 2
            blocks = [_Bottleneck(channels, width, 1 if dilated else stride, dilation)]  # still the layer before's
            channels = width * _EXPANSION
            dilation = dilation * stride if dilated else 1
            blocks += [_Bottleneck(channels, width, 1, dilation) for _ in range(count - 1)]
            self.add_module(f"layer{layer}", nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> Tensor:
        """images: (I, 3, H, W). Returns (I, 2048, H / stride, W / stride)."""
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(images))), 3, stride=2, padding=1)
        for layer in range(1, len(_BLOCKS) + 1):
            x = self.get_submodule(f"layer{layer}")(x)
        return x


def load_resnet50(weights: Path, dilated: bool) -> ResNet50:
    """ResNet-50 with MoCo, DINO, ImageNet or SLidR/OLIVINE image weights of a local file. Raises BadCheckpoint."""
    network = ResNet50(dilated)
    load_weights(network, _torchvision_names(read_weight_file(weights)), weights)
    return network


def _torchvision_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = next((prefix for prefix in _PREFIXES if f"{prefix}conv1.weight" in tensors), "")
    named = {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return {name: tensor for name, tensor in named.items() if not name.startswith(_CLASSIFIER)}


class _Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up around a shortcut; the 3x3 strides or dilates."""

    def __init__(self, in_channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        out_channels = width * _EXPANSION
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(I, C_in, h, w) to (I, 4 * width, h / stride, w / stride)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))
