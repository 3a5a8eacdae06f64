"""ScaLR (Puy et al., CVPR 2024): each point learns the direction of the frozen feature of its pixel; no negatives.

It uses the points seen by one camera of a scan. One random point of each voxel is kept; ScaLR draws it before the cloud
is rotated and scaled.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lidar_vl_core.voxels.grid import VoxelGrid, voxelise
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.losses.scalr import direction_distance
from offline_training.networks.base.point_backbone import PointBackbone, Preparer
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.networks.projection_heads import PointHead
from offline_training.pretraining.base.config import PictureConfig
from offline_training.pretraining.base.method import Method, Views
from offline_training.pretraining.base.objective import Objective, PointFeatures, required
from offline_training.pretraining.base.paired_views import Augmented, Paired, augmentation, pairing
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.keys.scalr import ScalrConfig
from offline_training.pretraining.views.pair_augment import shuffle_points
from offline_training.pretraining.views.paired_scan import PairedScan
from offline_training.pretraining.views.pretrain_batch import PretrainBatch, collate_pairs


class Scalr(Objective):
    """The distance between the two directions; images have no head."""

    def __init__(self, heads: nn.Module) -> None:
        """heads: map points to unit rows with the teacher's number of channels."""
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
        """The scalar `loss`, averaged over all pairs."""
        seen, place = batch.pair_row.unique(return_inverse=True)
        point = features.rows_at(self.heads, seen)[place]
        pixel = bilinear_at(required(teacher_map), batch.pair_image, batch.pair_uv, batch.image_size)
        return {"loss": direction_distance(point, pixel)}


def bilinear_at(feature_map: Tensor, image_index: Tensor, pixel_uv: Tensor, size: tuple[int, int]) -> Tensor:
    """(P, C) values of a map (I, C, h, w) at pixels of images of `size` (height, width), with aligned corners.

    image_index: (P,) int64; pixel_uv: (P, 2) column, row.
    """
    scale = torch.tensor([2.0 / max(size[1] - 1, 1), 2.0 / max(size[0] - 1, 1)], device=pixel_uv.device)
    grid = (pixel_uv * scale - 1.0).to(feature_map.dtype)  # -1..1, the coordinates of grid_sample
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


def one_camera_views(config: PictureConfig, ids: StoredIds | None = None) -> Views:
    """Views of the points seen by one camera of a scan; picklable."""
    return partial(_one_camera, paired=pairing(config), augmented=augmentation(config), grid=config.grid)


def _one_camera(
    source: SampleSource,
    index: int,
    rng: np.random.Generator,
    paired: Paired,
    augmented: Augmented,
    grid: VoxelGrid,
) -> PairedScan:
    """The points seen by one camera, shuffled, limited to the grid after augmentation."""
    scan = shuffle_points(_seen_by_one(source[index], paired, rng), rng)
    scan = augmented(scan, rng)
    return scan.take_points(voxelise(scan.xyz_m, grid).point_to_voxel >= 0)


def _seen_by_one(sample: Sample, paired: Paired, rng: np.random.Generator) -> PairedScan:
    """The part of a scan seen by a random camera that sees points; if none does, the whole cloud, from which nothing is learned."""
    scan = None
    for number in rng.permutation(len(sample.views)):
        scan = paired(replace(sample, views=(sample.views[int(number)],)))
        if len(scan.point_index):
            seen = np.zeros(len(scan), bool)
            seen[scan.point_index] = True
            return scan.take_points(seen)
    return paired(sample) if scan is None else scan


def collate_first_points(config: PictureConfig, preparer: Preparer) -> Callable[[Sequence[PairedScan]], PretrainBatch]:
    """Each row of the network is a random point of its voxel, and learns from that point's pixel."""
    return partial(collate_pairs, preparer=preparer, first_of_row=True)


METHOD = Method(config=ScalrConfig, views=one_camera_views, collate=collate_first_points, objective=_objective)
