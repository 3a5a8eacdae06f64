"""Occupancy as a second task of any method: the queries of a batch, and their loss (ALSO, CVPR 2023)."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from offline_training.losses.occupancy import occupancy_cross_entropy
from offline_training.networks.base.occupancy_queries import OccupancyQueries
from offline_training.networks.base.point_backbone import BackboneInputs, Preparer, Scan
from offline_training.networks.occupancy_head import OccupancyHead
from offline_training.pretraining.base.config import OccupancyConfig
from offline_training.pretraining.base.objective import PointFeatures
from offline_training.pretraining.views.ray_queries import asked_points, ray_queries


@dataclass(frozen=True)
class QueryPreparer:
    """A preparer that adds queries to the inputs; equal scans get equal queries, so that training resumes exactly."""

    preparer: Preparer
    config: OccupancyConfig

    def __call__(self, scans: Sequence[Scan]) -> BackboneInputs:
        """Join scans into one batch."""
        inputs = self.preparer(scans)
        rows = np.split(inputs.row_of_point.numpy(), np.cumsum(inputs.points_per_scan)[:-1])
        drawn = [self._of_scan(xyz_m, row) for (xyz_m, *_), row in zip(scans, rows, strict=True)]
        row, offset_m, is_occupied = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*drawn, strict=True))
        return replace(inputs, queries=OccupancyQueries(row, offset_m, is_occupied))

    def _of_scan(self, xyz_m: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, offsets and occupancy of the places near a point that has a row; other places are ignored."""
        rng = np.random.default_rng(zlib.crc32(xyz_m.tobytes()))
        inside = row >= 0
        xyz_m, row = xyz_m[inside], row[inside]
        sensor_m = (0.0, 0.0, self.config.sensor_height_m)
        place_m, is_occupied, _ = ray_queries(xyz_m, self.config.queries, rng, sensor_m)
        asked = asked_points(place_m, xyz_m, rng)
        judged = asked >= 0
        asked = asked[judged]
        return row[asked], place_m[judged] - xyz_m[asked], is_occupied[judged]


class OccupancyTask(nn.Module):
    """A head on the network's features, and its loss beside the method's."""

    def __init__(self, feature_channels: int, weight: float) -> None:
        super().__init__()
        self.head, self.weight = OccupancyHead(feature_channels), weight

    def added(
        self, losses: Mapping[str, Tensor], features: PointFeatures, queries: OccupancyQueries
    ) -> dict[str, Tensor]:
        """The method's losses with `occupancy` added, weighted, to their `loss`. All are scalars."""
        logit = self.head(features.rows_at(nn.Identity(), queries.row), queries.offset_m)
        occupancy = occupancy_cross_entropy(logit, queries.is_occupied)
        return {**losses, "occupancy": occupancy, "loss": losses["loss"] + self.weight * occupancy}
