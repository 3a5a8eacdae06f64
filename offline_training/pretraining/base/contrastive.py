"""Contrastive objectives: which pairs they use, and from which processes the negatives come."""

import torch
from torch import Tensor, nn

from offline_training.losses.info_nce import paired_info_nce
from offline_training.losses.pair_sampling import draw_pairs
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.networks.projection_heads import PixelHead, ProjectionHeads
from offline_training.pretraining.base.objective import Objective, PointFeatures, required
from offline_training.pretraining.views.pretrain_batch import PretrainBatch
from offline_training.runs.ranks import gather_rows


class Contrastive(Objective):
    """Contrasts within the batch of a process or, if configured, of all processes."""

    def __init__(self, heads: nn.Module, temperature: float, gather_negatives: bool) -> None:
        super().__init__()
        self.heads, self.temperature, self.gather_negatives = heads, temperature, gather_negatives

    def of_all_ranks(self, rows: Tensor) -> Tensor:
        """Rows (P, ...) of this process, or of all of them."""
        return gather_rows(rows) if self.gather_negatives else rows


class PixelContrast(Contrastive):
    """Contrasts points with single pixels, for at most `matches` pairs per process."""

    heads: ProjectionHeads

    def __init__(self, heads: ProjectionHeads, matches: int, temperature: float, gather_negatives: bool) -> None:
        super().__init__(heads, temperature, gather_negatives)
        self.matches = matches

    def point_pixel(
        self, features: PointFeatures, teacher_map: Tensor, batch: PretrainBatch, generator: torch.Generator
    ) -> Tensor:
        """InfoNCE between points and their pixels, over a uniform sample of pairs; a scalar.

        teacher_map: (images, C, H, W).
        """
        chosen = draw_pairs(torch.ones(len(batch.pair_row), device=batch.pair_row.device), self.matches, generator)
        point = features.rows_at(self.heads.point, batch.pair_row[chosen])
        pixel = pixels_of_pairs(self.heads.pixel, teacher_map, batch, chosen)
        return paired_info_nce(self.of_all_ranks(point), self.of_all_ranks(pixel), self.temperature)


def pixels_of_pairs(head: PixelHead, teacher_map: Tensor, batch: PretrainBatch, chosen: Tensor) -> Tensor:
    """(M, D) features of the pixels of some pairs; chosen: (M,) int64 into the pairs."""
    return head.at(teacher_map, batch.pair_image[chosen], batch.pair_uv[chosen], batch.image_size)


def projection_heads(backbone: PointBackbone, teacher: ImageTeacher | None, decoupled: bool = False) -> ProjectionHeads:
    """New projection heads on a network and its teacher."""
    teacher = required(teacher)
    return ProjectionHeads(backbone.feature_channels, teacher.out_channels, teacher.stride, decoupled)
