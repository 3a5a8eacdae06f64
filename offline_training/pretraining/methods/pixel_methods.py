"""Methods that compare single points with single pixels, without classes: PPKT and ScaLR."""

import torch
from torch import Tensor
from torch.nn import functional as F

from offline_training.losses.pair_sampling import draw_pairs
from offline_training.losses.ppkt import paired_info_nce
from offline_training.losses.scalr import direction_distance
from offline_training.networks.projection_heads import PointHead, ProjectionHeads
from offline_training.pretraining.methods.objective import Objective, PointFeatures, image_size, required
from offline_training.pretraining.views.pretrain_batch import PretrainBatch
from offline_training.runs.ranks import gather_rows


class Ppkt(Objective):
    """InfoNCE between points and their pixels, over a uniform draw of pairs."""

    heads: ProjectionHeads

    def __init__(self, heads: ProjectionHeads, matches: int, temperature: float, gather_negatives: bool) -> None:
        super().__init__()
        self.heads, self.matches, self.temperature = heads, matches, temperature
        self.gather_negatives = gather_negatives

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """`loss`."""
        point, pixel = drawn_pairs(self.heads, features, required(teacher_map), batch, self.matches, generator)
        if self.gather_negatives:
            point, pixel = gather_rows(point), gather_rows(pixel)
        return {"loss": paired_info_nce(point, pixel, self.temperature)}


def drawn_pairs(
    heads: ProjectionHeads,
    features: PointFeatures,
    teacher_map: Tensor,
    batch: PretrainBatch,
    matches: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Point and pixel features, (M, D) each, of at most `matches` pairs drawn uniformly."""
    chosen = draw_pairs(torch.ones(len(batch.pair_row), device=batch.pair_row.device), matches, generator)
    point = features.rows(heads.point)[batch.pair_row[chosen]]
    return point, heads.pixel.at(teacher_map, batch.pair_image[chosen], batch.pair_uv[chosen], image_size(batch))


class Scalr(Objective):
    """Each point takes over the direction of the frozen feature of its pixel; there is no head on the pictures."""

    heads: PointHead

    def __init__(self, heads: PointHead) -> None:
        """heads: to as many channels as the teacher has."""
        super().__init__()
        self.heads = heads

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """`loss`, over all pairs."""
        point = features.rows(self.heads)[batch.pair_row]
        pixel = bilinear_at(required(teacher_map), batch.pair_image, batch.pair_uv, image_size(batch))
        return {"loss": direction_distance(point, pixel)}


def bilinear_at(feature_map: Tensor, image_index: Tensor, pixel_uv: Tensor, size: tuple[int, int]) -> Tensor:
    """(P, C) of a map (I, C, h, w) at pixels of pictures of `size` (height, width), the corners of both aligned.

    image_index: (P,) int64; pixel_uv: (P, 2) column, row.
    """
    scale = torch.tensor([2.0 / max(size[1] - 1, 1), 2.0 / max(size[0] - 1, 1)], device=pixel_uv.device)
    grid = (pixel_uv * scale - 1.0).to(feature_map.dtype)  # -1..1, as grid_sample counts
    sampled = feature_map.new_zeros((len(image_index), feature_map.shape[1]))
    for number, one_map in enumerate(feature_map):
        mine = torch.nonzero(image_index == number).squeeze(1)
        if len(mine):
            there = F.grid_sample(one_map[None], grid[mine][None, None], padding_mode="border", align_corners=True)
            sampled[mine] = there[0, :, 0].T
    return sampled
