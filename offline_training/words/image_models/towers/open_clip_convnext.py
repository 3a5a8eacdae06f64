"""The image tower of a ConvNeXt CLIP of open_clip: its head applied to each cell instead of their mean."""

from copy import deepcopy
from typing import Any

from torch import Tensor

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.words.image_models.towers.image_tower import CellsOfTower


class OpenClipConvNext:
    """An ImageTower of 32 pixels a cell."""

    def __init__(self, visual: Any) -> None:  # noqa: ANN401 - its modules are read by name
        """visual: open_clip's TimmModel around a ConvNeXt. Raises BadConfig for another trunk or another pooling."""
        from timm.models.convnext import ConvNeXt

        trunk = getattr(visual, "trunk", None)
        pooling = str(getattr(getattr(getattr(trunk, "head", None), "global_pool", None), "pool_type", "none"))
        if not isinstance(trunk, ConvNeXt) or pooling != "avg":
            raise BadConfig(
                f"name: expected a ConvNeXt that averages its cells, found {type(trunk).__name__} with pooling {pooling}. "
                "Choose a name such as convnext_large_d_320, or a plain CLIP ViT such as ViT-B-16."
            )
        self._visual = visual
        self.cell_px = int(visual.trunk.feature_info[-1]["reduction"])
        self.channels = int(
            [weight for weight in visual.get_submodule("head").parameters() if weight.ndim == 2][-1].shape[0]
        )

    def cells(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, h, w): `head` of every cell."""
        features = self.trunk_features(windows)  # (B, F, h, w)
        projected = self.head(features.movedim(1, -1).flatten(0, 2))
        return projected.unflatten(0, (len(features), *features.shape[2:])).movedim(-1, 1)

    def of_grid(self, grid: tuple[int, int]) -> "CellsOfTower[OpenClipConvNext]":
        """See ImageTower; a ConvNeXt has no position embeddings."""
        visual = deepcopy(self._visual).cpu()
        return CellsOfTower(OpenClipConvNext(visual), visual)

    def trunk_features(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, F, h, w), before pooling."""
        return self._visual.trunk.forward_features(windows)

    def head(self, rows: Tensor) -> Tensor:
        """(n, F) -> (n, C): the trunk's norm, then open_clip's projection, which the package applies after pooling."""
        return self._visual.head(self._visual.trunk.forward_head(rows[:, :, None, None]))  # a mean over one cell
