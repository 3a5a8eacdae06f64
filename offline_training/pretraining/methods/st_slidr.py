"""ST-SLidR (Mahmoud et al., CVPR 2023): SLidR without its most similar negatives, and with less weight on frequent semantics."""

import torch
from torch import Tensor

from offline_training.losses.slidr import pixel_means
from offline_training.losses.st_slidr import semantically_tolerant_contrastive, superpixel_similarity
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.pretraining.base.contrastive import projection_heads
from offline_training.pretraining.base.method import Method
from offline_training.pretraining.base.objective import PointFeatures, required
from offline_training.pretraining.base.paired_views import collate_scans, scan_with_superpixels
from offline_training.pretraining.base.stored_ids import StoredIds, superpixels
from offline_training.pretraining.base.superpixel_contrast import SuperpixelContrast
from offline_training.pretraining.keys.st_slidr import StSlidrConfig
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


class StSlidr(SuperpixelContrast):
    """Semantically tolerant InfoNCE between the two means of each superpixel; similarity is judged by the teacher."""

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """The scalar `loss` over all superpixels with points."""
        frozen = required(teacher_map)
        means = self.means(features.rows(self.heads.point)[batch.pair_row], frozen, batch)
        small = _nearest(batch.superpixel_map(), frozen.shape[2:])
        teacher_mean, _ = pixel_means(frozen, small, batch.superpixel_count)
        similarity = superpixel_similarity(self.of_all_ranks(teacher_mean[means.is_taken]))
        point, pixel = self.of_all_ranks(means.point), self.of_all_ranks(means.pixel)
        return {"loss": semantically_tolerant_contrastive(point, pixel, similarity, self.temperature)}


def _nearest(superpixels: Tensor, size: torch.Size) -> Tensor:
    """(I, h, w) of (I, H, W): the id under the upper left corner of each cell, as in nearest-neighbour interpolation."""
    row = torch.arange(size[0], device=superpixels.device) * superpixels.shape[1] // size[0]
    column = torch.arange(size[1], device=superpixels.device) * superpixels.shape[2] // size[1]
    return superpixels[:, row[:, None], column[None, :]]


def _objective(
    config: StSlidrConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> StSlidr:
    return StSlidr(projection_heads(backbone, teacher), config.temperature, config.gather_negatives)


METHOD = Method(
    config=StSlidrConfig, reads=superpixels, views=scan_with_superpixels, collate=collate_scans, objective=_objective
)
