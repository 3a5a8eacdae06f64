"""OLIVINE (NeurIPS 2024): point-pixel contrast, contrast within weak classes, and consistency with each class's distribution."""

from typing import Literal

import torch
from torch import Tensor

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.losses.olivine import (
    VmfStatistics,
    density_and_category_weights,
    dirac_consistency,
    draw_pairs,
    paired_info_nce,
    semantic_consistency,
    weakly_supervised_contrastive,
)
from offline_training.networks.projection_heads import PROJECTION_CHANNELS, ProjectionHeads
from offline_training.pretraining.methods.objective import Objective, PointFeatures, image_size, required
from offline_training.pretraining.methods.pixel_methods import drawn_pairs
from offline_training.pretraining.views.pretrain_batch import PretrainBatch
from offline_training.runs.ranks import gather_rows

Sampling = Literal["density_and_category", "density", "category", "random"]


class Olivine(Objective):
    """The three losses with their weights; a loss of weight 0 is not computed."""

    heads: ProjectionHeads

    def __init__(
        self,
        heads: ProjectionHeads,
        num_classes: int,
        class_model: Literal["vmf", "dirac", "none"] = "vmf",
        loss_weights: tuple[float, float, float] = (0.5, 0.5, 1.0),
        vmf_decay: float = 1e-4,
        freeze_step: int = 10000,
        bias_correction: bool = False,
        kl_average: Literal["classes", "points"] = "classes",
        sampling: Sampling = "density_and_category",
        distance_bins: Literal["decimetres", "whole_metres"] = "decimetres",
        matches: int = 4096,
        temperature: float = 0.07,
        average_over_positives: bool = True,
        gather_negatives: bool = False,
    ) -> None:
        """distance_bins: of the density, 0.1 m as the original has for the sparse U-Net, 1 m for VoxelNet."""
        super().__init__()
        self.heads = heads
        self.statistics = VmfStatistics(num_classes, PROJECTION_CHANNELS, vmf_decay, freeze_step, bias_correction)
        self.class_model, self.loss_weights, self.kl_average = class_model, loss_weights, kl_average
        self.sampling, self.distance_bins, self.matches = sampling, distance_bins, matches
        self.temperature, self.average_over_positives = temperature, average_over_positives
        self.gather_negatives = gather_negatives

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """`point_pixel`, `weakly_supervised`, `consistency` and their weighted sum `loss` (OLIVINE, section 3)."""
        teacher_map = required(teacher_map)
        weight_pixel, weight_class, weight_consistency = self.loss_weights
        losses: dict[str, Tensor] = {}
        total = features.sites.sum() * 0.0  # a gradient path where there is nothing to learn
        if weight_pixel:
            losses["point_pixel"] = self._point_pixel(features, teacher_map, batch, generator)
            total = total + weight_pixel * losses["point_pixel"]
        if weight_class or weight_consistency:
            class_point = features.rows(self.heads.class_point or self.heads.point)[batch.pair_row]
        if weight_class:
            losses["weakly_supervised"] = self._weakly_supervised(class_point, teacher_map, batch, generator)
            total = total + weight_class * losses["weakly_supervised"]
        if weight_consistency and self.class_model != "none":
            losses["consistency"] = self._consistency(class_point, batch.pair_class, step)
            total = total + weight_consistency * losses["consistency"]
        return {**losses, "loss": total}

    def kappa(self) -> Tensor | None:
        """(K,) of the class statistics."""
        return self.statistics.kappa() if self.class_model == "vmf" else None

    def _point_pixel(
        self, features: PointFeatures, teacher_map: Tensor, batch: PretrainBatch, generator: torch.Generator
    ) -> Tensor:
        point, pixel = drawn_pairs(self.heads, features, teacher_map, batch, self.matches, generator)
        return paired_info_nce(self._of_all_ranks(point), self._of_all_ranks(pixel), self.temperature)

    def _weakly_supervised(
        self, class_point: Tensor, teacher_map: Tensor, batch: PretrainBatch, generator: torch.Generator
    ) -> Tensor:
        chosen = draw_pairs(self.pair_weights(batch), self.matches, generator)
        place = batch.pair_image[chosen], batch.pair_uv[chosen], image_size(batch)
        pixel = (self.heads.class_pixel or self.heads.pixel).at(teacher_map, *place)
        return weakly_supervised_contrastive(
            self._of_all_ranks(class_point[chosen]),
            self._of_all_ranks(pixel),
            self._of_all_ranks(batch.pair_class[chosen]),
            self.temperature,
            self.average_over_positives,
        )

    def pair_weights(self, batch: PretrainBatch) -> Tensor:
        """(P,) how likely each pair is drawn for the weakly supervised loss; 0 without a class."""
        if self.sampling == "random":
            return (batch.pair_class != IGNORE_ID).double()
        in_metres = self.distance_bins == "whole_metres"
        return density_and_category_weights(
            batch.pair_distance_m.round() if in_metres else batch.pair_distance_m,
            batch.pair_class,
            use_density="density" in self.sampling,
            use_category="category" in self.sampling,
            bin_m=None if in_metres else 0.1,
        )

    def _consistency(self, class_point: Tensor, label: Tensor, step: int) -> Tensor:
        """Statistics first, the loss once they stand still."""
        self.statistics.update(class_point, label, step)
        if not self.statistics.is_frozen(step):
            return class_point.sum() * 0.0
        feature, label = self._of_all_ranks(class_point), self._of_all_ranks(label)
        mean_direction, seen = self.statistics.mean_direction(), self.statistics.seen()
        if self.class_model == "dirac":
            return dirac_consistency(feature, label, mean_direction, seen, self.kl_average)
        kappa = self.statistics.kappa()
        return semantic_consistency(feature, label, mean_direction, kappa, seen, self.kl_average)

    def _of_all_ranks(self, rows: Tensor) -> Tensor:
        return gather_rows(rows) if self.gather_negatives else rows
