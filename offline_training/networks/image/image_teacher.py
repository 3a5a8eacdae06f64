"""ImageTeacher: a frozen image network whose maps a point network learns from; one interface for all kinds."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from lidar_vl_core.foundation.errors import BadConfig, BadImage, BadRequest
from lidar_vl_core.foundation.near_names import did_you_mean
from offline_training.networks.image.espnet import FEATURE_STRIDE, SIDE_STEP, ESPNet, load_espnet, normalise_for_espnet
from offline_training.networks.image.resnet50 import FEATURE_CHANNELS, ResNet50, load_resnet50
from offline_training.networks.image.weight_path import require_teacher_weights

_IMAGENET_MEAN_RGB = (0.485, 0.456, 0.406)
_IMAGENET_STD_RGB = (0.229, 0.224, 0.225)


class ImageTeacher(nn.Module):
    """Images to feature maps, always in eval mode and without gradients; it normalises the images itself.

    It refuses train mode, so keep it beside the module that is trained and not inside: `train()` reaches children.
    """

    def __init__(self, network: nn.Module, out_channels: int, stride: int, side_step: int | None = None) -> None:
        """network: RGB of 0..1 to the map; side_step: what sides of images must be multiples of, else the stride."""
        super().__init__()
        self.network = network
        self.out_channels = out_channels
        self.stride = stride
        self.side_step = side_step or stride
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "ImageTeacher":
        """Raises BadRequest when asked for train mode: a moving teacher would silently be another method."""
        if mode:
            raise BadRequest(
                "image teacher: expected to stay in eval mode, found a call of train(). The teacher is frozen, batch norm "
                "statistics included: keep it outside the module that is trained."
            )
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """images: (I, 3, H, W) float RGB of 0..1. Returns (I, out_channels, H/stride, W/stride).

        Raises BadImage for sides that the network does not map evenly.
        """
        _, channels, height, width = images.shape
        if channels != 3 or height % self.side_step or width % self.side_step or not min(height, width):
            raise BadImage(
                f"images: expected 3 channels and sides that {self.side_step} divides, found {tuple(images.shape)}. "
                "Choose a suitable image_size."
            )
        return self.network(images)


def build_image_teacher(
    kind: str, weights: Path | None, allow_random_weights: bool = False, before_norm: bool = False
) -> ImageTeacher:
    """The teacher of a kind with the weights of a local file; nothing is downloaded.

    kind: a key of TEACHERS, or timm:<name>; before_norm: of the latter, what its last norm reads (ScaLR's x_pre_norm). Random weights serve tests and must be allowed. Raises BadConfig for an
    unknown kind or missing weights, BadCheckpoint for weights that do not fit.
    """
    name_in_timm = kind.removeprefix("timm:")
    build = TEACHERS.get(kind) if name_in_timm == kind else partial(_timm_teacher, name_in_timm, before_norm)
    if build is None:
        known = ", ".join((*TEACHERS, "timm:<name>"))
        raise BadConfig(f"teacher: expected one of {known}, found {kind!r}.{did_you_mean(kind, TEACHERS)}")
    require_teacher_weights(kind, weights, allow_random_weights)
    return build(weights)


def _espnet_teacher(weights: Path | None) -> ImageTeacher:
    espnet = ESPNet() if weights is None else load_espnet(weights)
    return ImageTeacher(_EspnetFeatures(espnet), espnet.feature_channels, FEATURE_STRIDE, SIDE_STEP)


def _resnet_teacher(dilated: bool, weights: Path | None) -> ImageTeacher:
    resnet = ResNet50(dilated) if weights is None else load_resnet50(weights, dilated)
    normalise = _Normalise(_IMAGENET_MEAN_RGB, _IMAGENET_STD_RGB)
    return ImageTeacher(nn.Sequential(normalise, resnet), FEATURE_CHANNELS, resnet.stride)


def _timm_teacher(name: str, before_norm: bool, weights: Path | None) -> ImageTeacher:
    from offline_training.networks.image.timm_backbone import TimmBackbone

    backbone = TimmBackbone(name, weights, before_norm)
    normalise = _Normalise(backbone.mean_rgb, backbone.std_rgb)
    return ImageTeacher(nn.Sequential(normalise, backbone), backbone.out_channels, backbone.stride)


class _Normalise(nn.Module):
    """Less a mean, over a spread, per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean_rgb: tuple[float, ...], std_rgb: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean_rgb).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std_rgb).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class _EspnetFeatures(nn.Module):
    """ESPNet read before its scores."""

    def __init__(self, espnet: ESPNet) -> None:
        super().__init__()
        self.espnet = espnet

    def forward(self, images: Tensor) -> Tensor:
        return self.espnet.features(normalise_for_espnet(images))


TEACHERS: Mapping[str, Callable[[Path | None], ImageTeacher]] = {  # beside them any backbone of timm
    "resnet50_dilated": partial(_resnet_teacher, True),
    "resnet50": partial(_resnet_teacher, False),
    "espnet": _espnet_teacher,
}
