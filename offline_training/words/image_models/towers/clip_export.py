"""Both towers of a CLIP as ONNX graphs for robots: tokenised sentences, and images of one size."""

from copy import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from offline_training.words.image_models.base.picture_windows import WindowSizes, scaled_size
from offline_training.words.image_models.towers.image_tower import ImageTower
from offline_training.words.image_models.towers.tower_onnx import tower_graph

if TYPE_CHECKING:
    import onnx


def text_tower_onnx(clip: nn.Module) -> "onnx.ModelProto":
    """tokens (B, L) int64, L the context length -> embeddings (B, C) float32 unit rows, B open.

    clip: of open_clip, with encode_text(); its image tower is left out.
    """
    tower = _TextTower(clip)
    device = next(clip.parameters()).device
    length: Any = clip.context_length
    example = torch.ones((2, int(length)), dtype=torch.int64)
    try:
        return tower_graph(tower.cpu(), example, "tokens", "embeddings", {0: "B"})
    finally:
        tower.to(device)


def image_tower_onnx(
    tower: ImageTower, sizes: WindowSizes, mean_std: tuple[Tensor, Tensor], size: tuple[int, int]
) -> "onnx.ModelProto":
    """image (1, 3, height, width) float32 RGB of 0..1 -> features (1, C, h, w) float32 of unit length.

    The image is scaled as for windows, then processed as a whole: position embeddings are stretched over it, where
    windows of the training size would have kept them. Features equal those of a model whose window is the whole image.
    """
    height, width = size
    scaled = scaled_size(height, width, sizes)
    grid = (scaled[0] // sizes.cell_px, scaled[1] // sizes.cell_px)
    mean, std = (values.detach().cpu() for values in mean_std)
    whole = _WholePicture(tower.of_grid(grid), mean, std, size, scaled)
    return tower_graph(whole, torch.rand(1, 3, height, width), "image", "features", {})


class _TextTower(nn.Module):
    """encode_text() alone."""

    def __init__(self, clip: nn.Module) -> None:
        super().__init__()
        self.clip = copy(clip)  # shares all weights
        self.clip._modules = {name: part for name, part in clip._modules.items() if name != "visual"}

    def forward(self, tokens: Tensor) -> Tensor:
        return self.clip.encode_text(tokens, normalize=True)  # type: ignore[operator]


class _WholePicture(nn.Module):
    """The steps around a tower: scaling, colour normalisation, unit length."""

    mean: Tensor
    std: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(
        self, cells: nn.Module, mean: Tensor, std: Tensor, size: tuple[int, int], scaled: tuple[int, int]
    ) -> None:
        super().__init__()
        self.cells = cells
        self._scales = size != scaled
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, values)
        for name, old, new in (("rows", size[0], scaled[0]), ("columns", size[1], scaled[1])):
            self.register_buffer(name, _scaling(old, new))

    def forward(self, image: Tensor) -> Tensor:
        if self._scales:
            image = self.rows @ image @ self.columns.T
        return functional.normalize(self.cells((image - self.mean) / self.std), dim=1)


def _scaling(old: int, new: int) -> Tensor:
    """(new, old) matrix that scales a column of pixels as images are scaled before windows, without rounding to bytes."""
    unit = torch.eye(old)[None, None]
    return functional.interpolate(unit, (new, old), mode="bilinear", align_corners=False, antialias=True)[0, 0]
