"""A CLIP ViT whose last attention is replaced by a DINO's patch similarity (ProxyCLIP), on the DINO's grid."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.foundation.files import sha256_of
from offline_training.networks.image.weight_file import load_weights, read_weight_file
from offline_training.words.image_models.base.config import OpenClipConfig
from offline_training.words.image_models.base.open_clip_package import open_clip_package
from offline_training.words.image_models.towers.image_tower import CellsOfTower
from offline_training.words.image_models.towers.last_block import Grid
from offline_training.words.image_models.towers.open_clip_vit import OpenClipVit
from offline_training.words.image_models.towers.open_clip_weights import Colors, download_command
from offline_training.words.image_models.towers.proxy_affinity import proxy_weights, resized_values

_RANDOM_SEED = 0
_OF_TRAINING = ("head.", "prototypes.")  # parts of a DINO's training file other than the backbone


class ProxyClip:
    """An ImageTower without keys; its cells are the DINO's patches. No residual, no MLP."""

    def __init__(self, clip: OpenClipVit, dino: Any, clip_colors: tuple[Colors, Colors]) -> None:  # noqa: ANN401 - timm's
        """dino: a ViT of timm that takes images of any size; clip_colors: mean and deviation by which windows are normalised."""
        self.dino: Any = dino.eval().requires_grad_(requires_grad=False)
        self._clip = clip
        self.channels = clip.channels
        self.cell_px = int(self.dino.patch_embed.patch_size[0])
        mean, std = _colors(self.dino)
        scale = torch.tensor(clip_colors[1]) / torch.tensor(std)
        shift = (torch.tensor(clip_colors[0]) - torch.tensor(mean)) / torch.tensor(std)
        self._scale, self._shift = (
            scale[:, None, None],
            shift[:, None, None],
        )  # from CLIP's colour normalisation to the DINO's

    def cells(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) normalised for CLIP -> (B, C, h, w); for CLIP they are resized to whole patches of its own."""
        grid = (windows.shape[2] // self.cell_px, windows.shape[3] // self.cell_px)
        weights = proxy_weights(self.dino_patches(windows))  # (B, n, n)
        values, own_grid = self._clip.values(_whole_patches(windows, self._clip.cell_px))
        attended = weights[:, None] @ resized_values(values, own_grid, grid)
        return self._clip.of_attended(attended).transpose(1, 2).unflatten(2, grid)

    def dino_patches(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) normalised for CLIP -> (B, h*w, D): the DINO's last patch tokens, normalised."""
        recoloured = windows * self._scale.to(windows) + self._shift.to(windows)
        tokens = self.dino.forward_features(recoloured)
        return tokens[:, self.dino.num_prefix_tokens :]

    def of_grid(self, grid: Grid) -> CellsOfTower:
        """See ImageTower."""
        tower = deepcopy(self)
        tower.dino.cpu()
        size = (grid[0] * self.cell_px, grid[1] * self.cell_px)
        tower.dino.set_input_size(size)
        own = self._clip.cell_px
        clip = self._clip.of_grid((max(round(size[0] / own), 1), max(round(size[1] / own), 1)))
        tower._clip = clip.tower
        return CellsOfTower(tower, tower.dino, clip)


def load_dino(config: OpenClipConfig) -> tuple[nn.Module, str | None]:
    """The DINO of a configuration and the hash of its weights, None for random ones.

    Raises BadModelPackage without weights, BadConfig for another network, BadCheckpoint for weights that do not match.
    """
    if config.dino_weights is None and not config.allow_random_weights:
        raise BadModelPackage(
            f"dino_weights: expected a file of weights for {config.dino}, found none. Fetch them with "
            f"`{download_command(f'timm/{config.dino}')}` and set it to FOLDER/model.safetensors; or try the pipeline "
            "without them by --allow-random-weights."
        )
    dino, filtered = _build(config.dino)
    if config.dino_weights is None:
        return dino, None
    path = Path(config.dino_weights)
    tensors = {
        name.removeprefix("module.").removeprefix("backbone."): tensor
        for name, tensor in read_weight_file(path).items()
    }
    backbone = {name: tensor for name, tensor in tensors.items() if not name.startswith(_OF_TRAINING)}
    load_weights(dino, filtered(backbone, dino), path)
    return dino, sha256_of(path)


def _build(name: str) -> tuple[nn.Module, Callable[..., Any]]:
    """A ViT of timm with reproducible random weights, and the function that converts published weights to its layout."""
    open_clip_package()  # also needs timm and torchvision, and says what to install
    import timm
    from timm.models import eva, vision_transformer

    if not timm.is_model(name):
        raise BadConfig(f"dino: expected a model of timm, found {name!r}. The published one: vit_base_patch8_224.dino.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_RANDOM_SEED)
        try:
            dino = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
        except TypeError:  # dynamic_img_size: not a ViT
            dino = None
    if isinstance(dino, eva.Eva):
        return dino, eva.checkpoint_filter_fn
    if isinstance(dino, vision_transformer.VisionTransformer):
        return dino, vision_transformer.checkpoint_filter_fn
    raise BadConfig(f"dino: expected a ViT, found {name}. The published one: vit_base_patch8_224.dino.")


def _colors(dino: Any) -> tuple[Colors, Colors]:  # noqa: ANN401 - timm's
    """Mean and deviation of images 0..1 in the training of its weights, as stated by timm."""
    stated = dino.pretrained_cfg
    return tuple(stated["mean"]), tuple(stated["std"])


def _whole_patches(windows: Tensor, patch_px: int) -> Tensor:
    """Resize (B, 3, H, W) bilinearly to sides that are multiples of a patch."""
    size = [max(round(side / patch_px), 1) * patch_px for side in windows.shape[2:]]
    if size == list(windows.shape[2:]):
        return windows
    return functional.interpolate(windows, size, mode="bilinear", align_corners=False)
