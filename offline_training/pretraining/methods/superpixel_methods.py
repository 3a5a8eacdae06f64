"""Methods that compare the mean features of superpixels: SLidR, ST-SLidR and Seal."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.losses import seal
from offline_training.losses.slidr import pixel_means, superpixel_contrastive, superpixel_means
from offline_training.losses.st_slidr import semantically_tolerant_contrastive, superpixel_similarity
from offline_training.networks.projection_heads import ProjectionHeads
from offline_training.pretraining.methods.objective import Objective, PointFeatures, required
from offline_training.pretraining.views.pretrain_batch import PretrainBatch
from offline_training.runs.ranks import gather_rows


@dataclass(frozen=True)
class SuperpixelMeans:
    """Means of the S superpixels of a batch that have points."""

    point: Tensor  # (S, D)
    pixel: Tensor  # (S, D)
    has_points: Tensor  # (count,) bool, S of them true


class Slidr(Objective):
    """InfoNCE between the mean point and the mean pixel feature of each superpixel."""

    heads: ProjectionHeads

    def __init__(self, heads: ProjectionHeads, temperature: float, gather_negatives: bool) -> None:
        super().__init__()
        self.heads, self.temperature, self.gather_negatives = heads, temperature, gather_negatives

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """`loss`."""
        means = self._means(features.rows(self.heads.point)[batch.pair_row], required(teacher_map), batch)
        return {"loss": superpixel_contrastive(self._rows(means.point), self._rows(means.pixel), self.temperature)}

    def _means(self, point: Tensor, teacher_map: Tensor, batch: PretrainBatch) -> SuperpixelMeans:
        """point: (P, D) after the head."""
        pair_superpixel, count = batch.pair_superpixel(), batch.superpixel_count
        point_mean, has_points = superpixel_means(point, pair_superpixel, count)
        pixel_mean, has_pixels = pixel_means(self.heads.pixel(teacher_map), _map(batch), count)
        both = has_points & has_pixels
        return SuperpixelMeans(point_mean[both], pixel_mean[both], both)

    def _rows(self, rows: Tensor) -> Tensor:
        return gather_rows(rows) if self.gather_negatives else rows


class StSlidr(Slidr):
    """SLidR whose most similar negatives do not push, and whose frequent kinds weigh less."""

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """`loss`."""
        frozen = required(teacher_map)
        means = self._means(features.rows(self.heads.point)[batch.pair_row], frozen, batch)
        small = _nearest(_map(batch), frozen.shape[2:])
        teacher_mean, _ = pixel_means(frozen, small, batch.superpixel_count)
        similarity = superpixel_similarity(self._rows(teacher_mean[means.has_points]))
        point, pixel = self._rows(means.point), self._rows(means.pixel)
        return {"loss": semantically_tolerant_contrastive(point, pixel, similarity, self.temperature)}


class Seal(Slidr):
    """SLidR's loss over segments of a foundation model, the same cluster at two times, and each point with its cluster.

    A batch holds two sweeps of each place, one behind the other, whose points share clusters.
    """

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """`spatial`, `temporal`, `point_to_segment` and their sum `loss`."""
        rows = features.rows(self.heads.point)
        means = self._means(rows[batch.pair_row], required(teacher_map), batch)
        spatial = seal.spatial(self._rows(means.point), self._rows(means.pixel), self.temperature)
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


def _map(batch: PretrainBatch) -> Tensor:
    """(I, h, w) int64 superpixels. Raises BadDataset without them."""
    if batch.superpixels is None:
        raise BadDataset("superpixels: expected them with every scan, found none. Make them with the weak labels.")
    return batch.superpixels


def _clustered_points(rows: Tensor, batch: PretrainBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Features (M, D) and clusters (M,) of the points that have a cluster, and (M,) bool: of the second sweep of a place."""
    if batch.point_segment is None:
        raise BadDataset(
            "clusters: expected them with every scan of the batch, found none. Give scans as pairs in time."
        )
    points = torch.tensor(batch.inputs.points_per_scan, device=rows.device)
    is_second = torch.repeat_interleave(torch.arange(len(points), device=rows.device) % 2 == 1, points)
    chosen = (batch.point_segment >= 0) & (batch.inputs.row_of_point >= 0)
    return rows[batch.inputs.row_of_point[chosen]], batch.point_segment[chosen], is_second[chosen]


def _nearest(superpixels: Tensor, size: torch.Size) -> Tensor:
    """(I, h, w) of (I, H, W): the id under the upper left corner of each cell, as nearest interpolation takes it."""
    row = torch.arange(size[0], device=superpixels.device) * superpixels.shape[1] // size[0]
    column = torch.arange(size[1], device=superpixels.device) * superpixels.shape[2] // size[1]
    return superpixels[:, row[:, None], column[None, :]]
