"""PointContrast (Xie et al., ECCV 2020): contrasts the same point in two views of a place with other points; no images."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from offline_training.datasets.base.sample_source import SampleSource
from offline_training.losses.pointcontrast import pick_matches, point_info_nce
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.networks.projection_heads import PointHead
from offline_training.pretraining.base.cloud_views import collate_views, measured_points, two_crops
from offline_training.pretraining.base.contrastive import Contrastive
from offline_training.pretraining.base.method import Method, Views
from offline_training.pretraining.base.objective import PointFeatures
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.keys.pointcontrast import PointContrastConfig
from offline_training.pretraining.views.posed_source import PosedSource, neighbour
from offline_training.pretraining.views.two_views import CloudView, TwoViewBatch, overlapping_views

_CHANNELS = 32


class PointContrast(Contrastive):
    """InfoNCE between the features of a point in two views."""

    heads: PointHead

    def __init__(self, heads: PointHead, matches: int, temperature: float, gather_negatives: bool) -> None:
        super().__init__(heads, temperature, gather_negatives)
        self.matches = matches

    def features(self, backbone: PointBackbone, batch: TwoViewBatch) -> tuple[PointFeatures, PointFeatures]:
        """The features of both views."""
        return PointFeatures.of(backbone, batch.inputs), PointFeatures.of(backbone, batch.other)

    def of_inputs(self, features: tuple[PointFeatures, PointFeatures]) -> PointFeatures:
        """The features of the first view."""
        return features[0]

    def forward(
        self,
        features: tuple[PointFeatures, PointFeatures],
        teacher_map: Tensor | None,
        batch: TwoViewBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """The scalar `loss` over at most `matches` pairs of rows that hold the same point."""
        match = batch.match[pick_matches(batch.match[:, 0], self.matches, generator)]
        first = self.of_all_ranks(features[0].rows(self.heads)[match[:, 0]])
        second = self.of_all_ranks(features[1].rows(self.heads)[match[:, 1]])
        return {"loss": point_info_nce(first, second, self.temperature)}


def _objective(
    config: PointContrastConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> PointContrast:
    head = PointHead(backbone.feature_channels, _CHANNELS)
    return PointContrast(head, config.matches, config.temperature, config.gather_negatives)


def _views(config: PointContrastConfig, ids: StoredIds | None) -> Views:
    return partial(_two_sweeps, sensor_height_m=config.sensor_height_m)


def _two_sweeps(
    source: SampleSource, index: int, rng: np.random.Generator, sensor_height_m: float
) -> tuple[CloudView, CloudView]:
    """A sweep and its neighbour; two crops of the sweep if the source has no poses or the drive no other sweep."""
    other = neighbour(source, index) if isinstance(source, PosedSource) else None
    if other is None:
        return two_crops(source, index, rng, sensor_height_m)
    here, there = measured_points(source[index]), measured_points(other.sample)
    return overlapping_views(*here, *there, other.T_here_there, rng)


METHOD = Method(config=PointContrastConfig, views=_views, collate=collate_views, objective=_objective)
