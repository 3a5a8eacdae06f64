"""Seal (Liu et al., NeurIPS 2023): SLidR's loss over segments of a foundation model, and clusters of points over time."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.losses import seal
from offline_training.networks.base.point_backbone import PointBackbone, Preparer
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.pretraining.base.contrastive import projection_heads
from offline_training.pretraining.base.method import Method, Views
from offline_training.pretraining.base.objective import PointFeatures, required
from offline_training.pretraining.base.paired_views import Augmented, Paired, augmentation, pairing
from offline_training.pretraining.base.stored_ids import StoredIds, superpixels
from offline_training.pretraining.base.superpixel_contrast import SuperpixelContrast
from offline_training.pretraining.keys.seal import SealConfig
from offline_training.pretraining.views.paired_scan import PairedScan
from offline_training.pretraining.views.posed_source import PosedSource, neighbour
from offline_training.pretraining.views.pretrain_batch import PretrainBatch, collate_pairs
from offline_training.pretraining.views.temporal_segments import paired_moments

_Moments = tuple[PairedScan, PairedScan]  # two sweeps of one place


class Seal(SuperpixelContrast):
    """InfoNCE over segments, between the same cluster at two times, and of each point with its cluster.

    A batch holds two consecutive sweeps of each place, whose points share clusters.
    """

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Scalars `spatial`, `temporal`, `point_to_segment` and their sum `loss`. teacher_map: (images, C, H, W).

        Raises BadDataset.
        """
        rows = features.rows(self.heads.point)
        means = self.means(rows[batch.pair_row], required(teacher_map), batch)
        spatial = seal.spatial(self.of_all_ranks(means.point), self.of_all_ranks(means.pixel), self.temperature)
        point, cluster, is_second = _clustered_points(rows, batch)
        temporal = seal.temporal(
            point[~is_second],
            cluster[~is_second],
            point[is_second],
            cluster[is_second],
            batch.segment_count,
            self.temperature,
        )
        to_segment = seal.point_to_segment(point, cluster, batch.segment_count, self.temperature)
        losses = {"spatial": spatial, "temporal": temporal, "point_to_segment": to_segment}
        return {**losses, "loss": spatial + temporal + to_segment}


def _clustered_points(rows: Tensor, batch: PretrainBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Features (M, D) and clusters (M,) of the points that have a cluster, and (M,) bool: from the second sweep of a place."""
    if batch.point_segment is None:
        raise BadDataset(
            "clusters: expected them for every scan of the batch, found none. Pass scans as pairs in time."
        )
    is_second = batch.inputs.scan_of_point() % 2 == 1
    chosen = (batch.point_segment >= 0) & (batch.inputs.row_of_point >= 0)
    return rows[batch.inputs.row_of_point[chosen]], batch.point_segment[chosen], is_second[chosen]


def _objective(
    config: SealConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> Seal:
    return Seal(projection_heads(backbone, teacher), config.temperature, config.gather_negatives)


def _views(config: SealConfig, ids: StoredIds | None) -> Views:
    return partial(_two_moments, paired=pairing(config, superpixels_of=ids), augmented=augmentation(config))


def _two_moments(
    source: SampleSource, index: int, rng: np.random.Generator, paired: Paired, augmented: Augmented
) -> _Moments:
    """Segments over time; if the source has no poses, two augmentations of the same sweep."""
    other = neighbour(source, index) if isinstance(source, PosedSource) else None
    now, then = paired_moments(source[index], other, paired, rng)
    return augmented(now, rng), augmented(then, rng)


def _collate(config: SealConfig, preparer: Preparer) -> Callable[[Sequence[_Moments]], PretrainBatch]:
    return partial(_collate_moments, preparer=preparer)


def _collate_moments(places: Sequence[_Moments], preparer: Preparer) -> PretrainBatch:
    return collate_pairs([scan for moments in places for scan in moments], preparer, scans_per_sample=2)


METHOD = Method(config=SealConfig, reads=superpixels, views=_views, collate=_collate, objective=_objective)
