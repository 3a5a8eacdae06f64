"""The image tower of a SigLIP of open_clip, its attention pooling applied to each patch alone."""

from copy import deepcopy
from typing import Any

from torch import Tensor

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.words.image_models.towers.image_tower import CellsOfTower
from offline_training.words.image_models.towers.last_block import Grid


class Siglip2Tower:
    """An ImageTower without keys. Windows may be of any size: position embeddings are interpolated."""

    def __init__(self, visual: Any) -> None:  # noqa: ANN401 - its modules are read by name
        """visual: open_clip's TimmModel around a ViT with pooling "map". Raises BadConfig for another network."""
        from timm.layers import AttentionPoolLatent
        from timm.models.vision_transformer import VisionTransformer

        trunk = getattr(visual, "trunk", None)
        pool = getattr(trunk, "attn_pool", None)
        if (
            not isinstance(trunk, VisionTransformer)
            or not isinstance(pool, AttentionPoolLatent)
            or pool.latent_len != 1
            or pool.pos_embed is not None
            or trunk.num_prefix_tokens
            or len(getattr(visual, "head", ()))
        ):
            raise BadConfig(
                f"name: expected a SigLIP (a ViT of patches only, pooled by attention with one query), found "
                f"{type(trunk).__name__} pooled by {type(pool).__name__}. Choose a name such as ViT-B-16-SigLIP2-256."
            )
        self._visual: Any = visual
        self._trunk: Any = trunk
        self.cell_px: int = int(self._trunk.patch_embed.patch_size[0])
        self.channels = int(
            self._trunk.head.out_features if hasattr(self._trunk.head, "out_features") else pool.out_features
        )

    def cells(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, h, w): the output of the pooling if it attended to one patch only."""
        tokens, grid = self.tokens(windows)
        _, values = self._trunk.attn_pool.kv(tokens).chunk(2, dim=-1)
        return self.behind_attention(values).transpose(1, 2).unflatten(2, grid)

    def tokens(self, windows: Tensor) -> tuple[Tensor, Grid]:
        """(B, 3, H, W) -> (B, h*w, width) normalised patches that enter the pooling, and their grid."""
        from timm.layers import resample_abs_pos_embed

        trunk = self._trunk
        patches = trunk.patch_embed.proj(windows)  # (B, width, h, w)
        grid = (patches.shape[2], patches.shape[3])
        places = trunk.pos_embed
        if grid != tuple(trunk.patch_embed.grid_size):
            places = resample_abs_pos_embed(
                places, new_size=list(grid), old_size=list(trunk.patch_embed.grid_size), num_prefix_tokens=0
            )
        x = trunk.norm_pre(trunk.patch_embed.norm(patches.flatten(2).transpose(1, 2)) + places)
        return trunk.norm(trunk.blocks(x)), grid

    def behind_attention(self, values: Tensor) -> Tensor:
        """(B, n, width) attended values -> (B, n, C): the pooling's projection and MLP, then the trunk's head."""
        pool = self._trunk.attn_pool
        x = pool.proj(values)
        if pool.mlp is not None:
            x = x + pool.mlp(pool.norm(x))
        return self._trunk.head(self._trunk.fc_norm(x))

    def of_grid(self, grid: Grid) -> "CellsOfTower[Siglip2Tower]":
        """See ImageTower."""
        visual = deepcopy(self._visual).cpu()
        visual.trunk.set_input_size((grid[0] * self.cell_px, grid[1] * self.cell_px))
        return CellsOfTower(Siglip2Tower(visual), visual)
