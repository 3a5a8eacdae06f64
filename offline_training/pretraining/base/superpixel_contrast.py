"""What methods that compare superpixels share: the mean features of each."""

from dataclasses import dataclass

from torch import Tensor

from offline_training.losses.slidr import pixel_means, superpixel_means
from offline_training.networks.projection_heads import ProjectionHeads
from offline_training.pretraining.base.contrastive import Contrastive
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


@dataclass(frozen=True)
class SuperpixelMeans:
    """Means of the S superpixels of a batch that have points."""

    point: Tensor  # (S, D)
    pixel: Tensor  # (S, D)
    has_points: Tensor  # (count,) bool, S of them true


class SuperpixelContrast(Contrastive):
    """Contrasts the mean point with the mean pixel feature of each superpixel."""

    heads: ProjectionHeads

    def means(self, point: Tensor, teacher_map: Tensor, batch: PretrainBatch) -> SuperpixelMeans:
        """point: (P, D) of the pairs, after the head."""
        pair_superpixel, count = batch.pair_superpixel(), batch.superpixel_count
        point_mean, has_points = superpixel_means(point, pair_superpixel, count)
        pixel_mean, has_pixels = pixel_means(self.heads.pixel(teacher_map), batch.superpixel_map(), count)
        both = has_points & has_pixels
        return SuperpixelMeans(point_mean[both], pixel_mean[both], both)
