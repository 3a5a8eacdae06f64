"""SLidR (Sautier et al., CVPR 2022): contrasts the mean point feature of each superpixel with its mean pixel feature."""

import torch
from torch import Tensor

from offline_training.losses.slidr import superpixel_contrastive
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.pretraining.base.contrastive import projection_heads
from offline_training.pretraining.base.method import Method
from offline_training.pretraining.base.objective import PointFeatures, required
from offline_training.pretraining.base.paired_views import collate_scans, scan_with_superpixels
from offline_training.pretraining.base.stored_ids import StoredIds, superpixels
from offline_training.pretraining.base.superpixel_contrast import SuperpixelContrast
from offline_training.pretraining.keys.slidr import SlidrConfig
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


class Slidr(SuperpixelContrast):
    """InfoNCE between the two means of each superpixel."""

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """The scalar `loss` over all superpixels with points."""
        means = self.means(features.rows(self.heads.point)[batch.pair_row], required(teacher_map), batch)
        point, pixel = self.of_all_ranks(means.point), self.of_all_ranks(means.pixel)
        return {"loss": superpixel_contrastive(point, pixel, self.temperature)}


def _objective(
    config: SlidrConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> Slidr:
    return Slidr(projection_heads(backbone, teacher), config.temperature, config.gather_negatives)


METHOD = Method(
    config=SlidrConfig, reads=superpixels, views=scan_with_superpixels, collate=collate_scans, objective=_objective
)
