"""Any image backbone of timm as a teacher: the last map of a CNN, or the patch tokens of a ViT laid out as a map."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.optional_imports import require_packages
from offline_training.networks.image.weight_file import load_weights, read_weight_file


class TimmBackbone(nn.Module):
    """Normalised images of any size that the stride divides to a map (I, out_channels, H / stride, W / stride)."""

    def __init__(self, name: str, weights: Path | None, before_norm: bool = False) -> None:
        """weights: a local file, else random; before_norm: the tokens that a ViT's last norm reads. Raises BadConfig for a name that timm does not know, BadCheckpoint for weights."""
        super().__init__()
        network = _create(name)
        self.out_channels = int(network.num_features)
        self.stride = int(network.feature_info[-1]["reduction"])
        self.mean_rgb: tuple[float, ...] = network.pretrained_cfg["mean"]
        self.std_rgb: tuple[float, ...] = network.pretrained_cfg["std"]
        if weights is not None:
            load_weights(network, _timm_names(network, read_weight_file(weights)), weights)
        if before_norm:
            _leave_out_last_norm(network, name)
        self.prefix_tokens = int(getattr(network, "num_prefix_tokens", 0))
        self.network = network
        self._require_any_size(name)

    def forward(self, images: Tensor) -> Tensor:
        """images: (I, 3, H, W)."""
        rows, columns = images.shape[-2] // self.stride, images.shape[-1] // self.stride
        features = self.network.forward_features(images)
        if features.ndim == 3:  # tokens; those that stand for no patch come first
            features = features[:, self.prefix_tokens :].reshape(len(images), rows, columns, -1)
        channels_last = features.shape[1:] == (rows, columns, self.out_channels)
        return features.permute(0, 3, 1, 2) if channels_last else features

    @torch.no_grad()
    def _require_any_size(self, name: str) -> None:
        """Raise BadConfig where the network takes only the size it was made for, as some with windows do."""
        rows, columns = 3, 5
        try:
            found = self.eval()(torch.zeros(1, 3, rows * self.stride, columns * self.stride)).shape
        except (AssertionError, RuntimeError) as error:
            found = str(error)
        if found != (1, self.out_channels, rows, columns):
            raise BadConfig(
                f"teacher: expected a timm model that maps images of any size, found {name} ({found} for {rows} x "
                f"{columns} cells of {self.stride} pixels). Choose a CNN or a ViT with absolute or rotary positions."
            )


def _create(name: str) -> Any:  # noqa: ANN401  timm's models share no type
    require_packages(f"teacher: timm:{name}", "timm")
    import timm

    if not timm.is_model(name):
        raise BadConfig(f"teacher: expected the name of a timm model, found {name!r}. `timm.list_models()` lists them.")
    try:  # vision transformers take other sizes than they were trained on only when told so; CNNs know no such option
        network = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
    except TypeError:
        network = timm.create_model(name, pretrained=False, num_classes=0)
    if not getattr(network, "feature_info", None) or not hasattr(network, "forward_features"):
        raise BadConfig(
            f"teacher: expected a timm model that gives feature maps, found {name!r}. Choose another model."
        )
    return network


def _leave_out_last_norm(network: Any, name: str) -> None:  # noqa: ANN401
    """Raises BadConfig for a network whose tokens no last norm reads."""
    if not hasattr(network, "blocks") or not isinstance(getattr(network, "norm", None), nn.LayerNorm):
        raise BadConfig(
            f"teacher_features: before_norm: expected a ViT of timm whose tokens a last norm reads, found {name}. "
            "Write teacher_features: last."
        )
    network.norm = nn.Identity()


def _timm_names(network: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:  # noqa: ANN401
    """Tensors under timm's names: its own conversion of published files (DINOv2, ...), without the classifier."""
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    converted = tensors if convert is None else convert(tensors, network)
    classifiers = network.pretrained_cfg.get("classifier") or ()
    classifiers = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    dropped = tuple(f"{name}." for name in classifiers)
    return {name: tensor for name, tensor in converted.items() if not name.startswith(dropped)}
