"""ScaLR (Puy et al., CVPR 2024): each point takes over the direction of the frozen feature of its pixel; no negatives."""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from offline_training.datasets.base.sample_source import SampleSource
from offline_training.losses.scalr import direction_distance
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.networks.projection_heads import PointHead
from offline_training.pretraining.base.method import Method, Views
from offline_training.pretraining.base.objective import Objective, PointFeatures, required
from offline_training.pretraining.base.paired_views import Paired, collate_scans, pairing
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.keys.scalr import ScalrConfig
from offline_training.pretraining.views.pair_augment import PairAugmentConfig, augment_pairs
from offline_training.pretraining.views.paired_scan import PairedScan
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


class Scalr(Objective):
    """The distance of the two directions; there is no head on the pictures."""

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
        pixel = bilinear_at(required(teacher_map), batch.pair_image, batch.pair_uv, batch.image_size)
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


def _objective(
    config: ScalrConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> Scalr:
    return Scalr(PointHead(backbone.feature_channels, required(teacher).out_channels))


def _views(config: ScalrConfig, ids: StoredIds | None) -> Views:
    return partial(_one_camera, paired=pairing(config), augmentation=config.pair_augment)


def _one_camera(
    source: SampleSource, index: int, rng: np.random.Generator, paired: Paired, augmentation: PairAugmentConfig
) -> PairedScan:
    sample = source[index]
    if sample.views:
        sample = replace(sample, views=(sample.views[int(rng.integers(len(sample.views)))],))
    return augment_pairs(paired(sample), augmentation, rng)


METHOD = Method(config=ScalrConfig, views=_views, collate=collate_scans, objective=_objective)
