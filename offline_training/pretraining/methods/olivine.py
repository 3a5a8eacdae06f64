"""OLIVINE (NeurIPS 2024): point-pixel contrast, contrast within weak classes, and consistency with each class's distribution."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.losses.olivine import dirac_consistency, semantic_consistency, weakly_supervised_contrastive
from offline_training.losses.pair_sampling import density_and_category_weights, draw_pairs
from offline_training.losses.von_mises_fisher import VmfStatistics
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.networks.projection_heads import PROJECTION_CHANNELS, ProjectionHeads
from offline_training.pretraining.base.contrastive import PixelContrast, pixels_of_pairs, projection_heads
from offline_training.pretraining.base.method import Method
from offline_training.pretraining.base.objective import PointFeatures, required
from offline_training.pretraining.base.paired_views import collate_scans
from offline_training.pretraining.base.point_classes import classes_read, scans_with_classes
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.keys.olivine import OlivineConfig
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


class Olivine(PixelContrast):
    """The three losses with their weights; a loss of weight 0 is not computed."""

    def __init__(self, heads: ProjectionHeads, class_names: Sequence[str], config: OlivineConfig) -> None:
        """class_names: names of the weak classes."""
        super().__init__(heads, config.matches, config.temperature, config.gather_negatives)
        self.config, self.class_names = config, tuple(class_names)
        self.statistics = VmfStatistics(
            len(class_names),
            PROJECTION_CHANNELS,
            config.vmf_decay,
            config.freeze_step,
            config.vmf_bias_correction,
            config.vmf_average_over_ranks,
        )

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
        weight_pixel, weight_class, weight_consistency = self.config.loss_weights
        losses: dict[str, Tensor] = {}
        total = features.sites.sum() * 0.0  # keeps a gradient path if there is nothing to learn
        if weight_pixel:
            losses["point_pixel"] = self.point_pixel(features, teacher_map, batch, generator)
            total = total + weight_pixel * losses["point_pixel"]
        if weight_class or weight_consistency:
            class_rows = features.rows(self.heads.class_point or self.heads.point)
        if weight_class:
            losses["weakly_supervised"] = self._weakly_supervised(class_rows, teacher_map, batch, generator)
            total = total + weight_class * losses["weakly_supervised"]
        if weight_consistency and self.config.class_model != "none":
            losses["consistency"] = self._consistency(class_rows, batch, step)
            total = total + weight_consistency * losses["consistency"]
        return {**losses, "loss": total}

    def numbers(self) -> dict[str, float]:
        """`kappa/<class>`: concentration of each class that was seen."""
        if self.config.class_model != "vmf":
            return {}
        kappa = dict(zip(self.class_names, self.statistics.kappa().tolist(), strict=True))
        return {f"kappa/{name}": value for name, value in kappa.items() if value > 0.0}

    def pair_weights(self, batch: PretrainBatch) -> Tensor:
        """(P,) sampling weight of each pair for the weakly supervised loss; 0 without a class."""
        sampling, in_metres = self.config.sampling, self.config.density_in_metres
        if sampling == "random":
            return (batch.pair_class != IGNORE_ID).double()
        return density_and_category_weights(
            batch.pair_distance_m.round() if in_metres else batch.pair_distance_m,
            batch.pair_class,
            use_density="density" in sampling,
            use_category="category" in sampling,
            bin_m=None if in_metres else 0.1,
        )

    def _weakly_supervised(
        self, class_rows: Tensor, teacher_map: Tensor, batch: PretrainBatch, generator: torch.Generator
    ) -> Tensor:
        chosen = draw_pairs(self.pair_weights(batch), self.matches, generator)
        pixel = pixels_of_pairs(self.heads.class_pixel or self.heads.pixel, teacher_map, batch, chosen)
        return weakly_supervised_contrastive(
            self.of_all_ranks(class_rows.index_select(0, batch.pair_row[chosen])),
            self.of_all_ranks(pixel),
            self.of_all_ranks(batch.pair_class[chosen]),
            self.temperature,
            self.config.average_over_positives,
        )

    def _consistency(self, class_rows: Tensor, batch: PretrainBatch, step: int) -> Tensor:
        """Update the class statistics until they are frozen, then compute the consistency loss."""
        if not self.statistics.is_frozen(step):
            self.statistics.update(class_rows.detach()[batch.pair_row], batch.pair_class, step)
            return class_rows.sum() * 0.0
        feature, label = class_rows, batch.pair_class
        row: Tensor | None = batch.pair_row
        if self.gather_negatives:
            feature, label, row = self.of_all_ranks(class_rows[batch.pair_row]), self.of_all_ranks(label), None
        mean_direction, seen = self.statistics.mean_direction(), self.statistics.seen()
        if self.config.class_model == "dirac":
            return dirac_consistency(feature, label, mean_direction, seen, self.config.kl_average, row)
        kappa = self.statistics.kappa()
        return semantic_consistency(feature, label, mean_direction, kappa, seen, self.config.kl_average, row)


def _objective(
    config: OlivineConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> Olivine:
    class_names = config.class_table.names if ids is None else ids.store.class_names
    return Olivine(projection_heads(backbone, teacher, config.heads == "decoupled"), class_names, config)


METHOD = Method(
    config=OlivineConfig, reads=classes_read, views=scans_with_classes, collate=collate_scans, objective=_objective
)
