"""The image tower of a CLIP ViT of open_clip, run by its own modules up to the last block, which is replaced by a dense reading."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.words.image_models.towers.image_tower import CellsOfTower
from offline_training.words.image_models.towers.last_block import Grid, Reading


class OpenClipVit:
    """An ImageTower with keys. Windows may be of any size: position embeddings are interpolated."""

    def __init__(self, visual: Any, reading: Reading) -> None:  # noqa: ANN401 - its modules are read by name
        """visual: open_clip's VisionTransformer. Raises BadConfig if it is not a plain CLIP."""
        _require_plain_clip(visual)
        self._visual = visual
        self._reading = reading
        self.channels = int(self._visual.proj.shape[1])
        self.cell_px = int(self._visual.conv1.kernel_size[0])

    def cells(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, h, w): the patches of `tokens`."""
        x, grid = self._before_last_block(windows)
        return self._as_grid(self._read(x, grid)[:, 1:], grid)

    def tokens(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1 + h*w, C) in the text space, the class token first."""
        return self._read(*self._before_last_block(windows))

    def values(self, windows: Tensor) -> tuple[Tensor, Grid]:
        """(B, 3, H, W) -> values (B, heads, h*w, D) of the patches in the last block, and their grid."""
        x, grid = self._before_last_block(windows)
        _, _, v = self._heads(x)
        return v[:, :, 1:], grid

    def of_attended(self, heads: Tensor) -> Tensor:
        """(B, heads, n, D) attended values -> (B, n, C), by the steps after an attention without residual and MLP."""
        block = self._visual.transformer.resblocks[-1]
        return self._visual.ln_post(block.ls_1(self._joined(heads))) @ self._visual.proj

    def of_grid(self, grid: Grid) -> "CellsOfTower[OpenClipVit]":
        """See ImageTower."""
        visual = deepcopy(self._visual).cpu()
        places = _position_embedding(visual.positional_embedding.detach(), visual.grid_size, grid)
        visual.positional_embedding, visual.grid_size = nn.Parameter(places, requires_grad=False), grid
        return CellsOfTower(OpenClipVit(visual, self._reading), visual)

    def keys(self, windows: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, width, h, w): keys of the last block, sent through its output projection."""
        x, grid = self._before_last_block(windows)
        _, k, _ = self._heads(x)
        return self._as_grid(self._joined(k)[:, 1:], grid)

    def _before_last_block(self, windows: Tensor) -> tuple[Tensor, Grid]:
        """The tokens (B, 1 + h*w, width) that enter the last block."""
        visual = self._visual
        patches = visual.conv1(windows)  # (B, width, h, w)
        grid = (patches.shape[2], patches.shape[3])
        class_token = visual.class_embedding.expand(len(windows), 1, -1)
        x = torch.cat([class_token, patches.flatten(2).transpose(1, 2)], dim=1)
        x = visual.ln_pre(x + _position_embedding(visual.positional_embedding, visual.grid_size, grid))
        for block in visual.transformer.resblocks[:-1]:
            x = block(x)
        return x, grid

    def _read(self, x: Tensor, grid: Grid) -> Tensor:
        """Apply the last block as the reading defines it, then the rest of the tower."""
        attended = self._reading.attend(*self._heads(x), grid)
        if not self._reading.keeps_residual:
            return self.of_attended(attended)
        block = self._visual.transformer.resblocks[-1]
        x = x + block.ls_1(self._joined(attended))
        x = x + block.ls_2(block.mlp(block.ln_2(x)))
        return self._visual.ln_post(x) @ self._visual.proj

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the last block, (B, heads, 1 + h*w, D) each."""
        block = self._visual.transformer.resblocks[-1]
        attention = block.attn
        projected = functional.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
        q, k, v = (each.unflatten(2, (attention.num_heads, -1)).transpose(1, 2) for each in projected.chunk(3, dim=-1))
        return q, k, v

    def _joined(self, heads: Tensor) -> Tensor:
        """(B, heads, n, D) -> (B, n, width) after the attention's output projection."""
        return self._visual.transformer.resblocks[-1].attn.out_proj(heads.transpose(1, 2).flatten(2))

    @staticmethod
    def _as_grid(tokens: Tensor, grid: Grid) -> Tensor:
        return tokens.transpose(1, 2).unflatten(2, grid)


def _position_embedding(embedding: Tensor, trained: Grid, grid: Grid) -> Tensor:
    """(1 + h*w, width): position embeddings, interpolated bicubically as open_clip resizes its weights."""
    if trained == grid:
        return embedding
    places = embedding[1:].T.unflatten(1, trained)[None]  # (1, width, rows, columns)
    resized = functional.interpolate(places, grid, mode="bicubic", align_corners=False, antialias=True)
    return torch.cat([embedding[:1], resized[0].flatten(1).T])


def _require_plain_clip(visual: nn.Module) -> None:
    """Raise BadConfig for a tower whose last steps are not ln_post, class token, projection."""
    from open_clip.transformer import VisionTransformer

    if not isinstance(visual, VisionTransformer):
        found = f"the image tower {type(visual).__name__}"
    elif visual.attn_pool is not None:
        found = "attentional pooling"
    elif visual.pool_type != "tok" or visual.final_ln_after_pool:
        found = f"pool_type {visual.pool_type}, final_ln_after_pool {visual.final_ln_after_pool}"
    elif visual.proj is None or visual.conv1.kernel_size[0] != visual.conv1.kernel_size[1]:
        found = "no projection into the text space, or patches that are not square"
    elif unread := _unread_parts(visual.transformer.resblocks[-1]):
        found = f"a last block with {unread}"
    else:
        return
    raise BadConfig(
        f"name: expected a plain CLIP ViT (class token, no attentional pooling, plain attention), found {found}. "
        "Choose a name such as ViT-B-16, or a ConvNeXt."
    )


def _unread_parts(block: nn.Module) -> str:
    """Steps of an attention block that queries, keys and values do not cover."""
    attention = block.get_submodule("attn")
    needed = ("in_proj_weight", "in_proj_bias", "out_proj", "num_heads")
    missing = [name for name in needed if not hasattr(attention, name)]
    norms = [(block, "ln_attn"), *((attention, name) for name in ("ln_q", "ln_k", "ln_inner"))]
    extra = [name for module, name in norms if not isinstance(getattr(module, name, nn.Identity()), nn.Identity)]
    scales = [name for name in ("logit_scale", "head_scale") if getattr(attention, name, None) is not None]
    return ", ".join([*(f"no {name}" for name in missing), *extra, *scales])
