"""Mean features of superpixels, shared by the methods that compare superpixels."""

from dataclasses import dataclass

from torch import Tensor

from offline_training.losses.slidr import paired_means
from offline_training.networks.projection_heads import ProjectionHeads
from offline_training.pretraining.base.contrastive import Contrastive
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


@dataclass(frozen=True)
class SuperpixelMeans:
    """Mean features of the S superpixels of a batch that contain points."""

    point: Tensor  # (S, D)
    pixel: Tensor  # (S, D)
    is_taken: Tensor  # (count,) bool, S of them true


class SuperpixelContrast(Contrastive):
    """Contrasts the mean point with the mean pixel feature of each superpixel."""

    heads: ProjectionHeads

    def means(self, point: Tensor, teacher_map: Tensor, batch: PretrainBatch) -> SuperpixelMeans:
        """Compute the means. point: (P, D) features of the pairs, after the head."""
        pair_superpixel, superpixels = batch.pair_superpixel(), batch.superpixel_map()
        pixels = self.heads.pixel(teacher_map)
        return SuperpixelMeans(*paired_means(point, pair_superpixel, pixels, superpixels, batch.superpixel_count))
