"""DepthContrast (Zhang et al., ICCV 2021): discriminates whole scans, with a momentum encoder; no images.

Voxel format only, as in the method's driving recipe.
"""

import copy
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from offline_training.losses.depthcontrast import KeyQueue, follow, instance_contrastive
from offline_training.networks.base.point_backbone import BackboneInputs, PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.pretraining.base.cloud_views import collate_views, two_crops
from offline_training.pretraining.base.method import Method, Views
from offline_training.pretraining.base.objective import Objective, PointFeatures
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.keys.depthcontrast import DepthContrastConfig
from offline_training.pretraining.views.two_views import TwoViewBatch
from offline_training.runs.ranks import gather_rows

_KEY_CHANNELS, _QUEUE_LENGTH = 128, 65536  # the driving recipe's


@dataclass(frozen=True)
class _QueryAndKey:
    """Max-pooled features of each scan, (B, C), of the network and of its momentum encoder."""

    query: Tensor
    key: Tensor
    of_query: PointFeatures  # features before pooling, of the query


class DepthContrast(Objective):
    """Contrasts each scan with the scans of earlier batches (MoCo)."""

    heads: nn.Sequential

    def __init__(self, backbone: PointBackbone, temperature: float, queue_length: int = _QUEUE_LENGTH) -> None:
        """backbone: the network before training."""
        super().__init__()
        width = backbone.feature_channels
        self.heads = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, _KEY_CHANNELS))
        self.key_backbone = copy.deepcopy(backbone).requires_grad_(False)
        self.key_heads = copy.deepcopy(self.heads).requires_grad_(False)
        self.queue = KeyQueue(queue_length, _KEY_CHANNELS)
        self.temperature = temperature

    def features(self, backbone: PointBackbone, batch: TwoViewBatch) -> _QueryAndKey:
        """Features of the first view by the network, of the second by the momentum encoder."""
        follow(self.key_backbone, backbone)
        of_query = PointFeatures.of(backbone, batch.inputs)
        query = _largest_of_scans(of_query.to_rows(of_query.sites), batch.inputs)
        with torch.no_grad():
            key = _largest_of_scans(self.key_backbone.point_features(batch.other), batch.other)
        return _QueryAndKey(query, key, of_query)

    def of_inputs(self, features: _QueryAndKey) -> PointFeatures:
        """The network's features of the first view."""
        return features.of_query

    def of_scans(
        self, features: _QueryAndKey, batch: TwoViewBatch, chosen: Tensor
    ) -> tuple[_QueryAndKey, TwoViewBatch]:
        """The pooled features of some scans."""
        chosen = chosen.to(features.query.device)
        return replace(features, query=features.query[chosen], key=features.key[chosen]), batch

    def forward(
        self,
        features: _QueryAndKey,
        teacher_map: Tensor | None,
        batch: TwoViewBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """The scalar `loss`: each first view against the second view of its scan and the queue of earlier ones."""
        follow(self.key_heads, self.heads)
        query = F.normalize(self.heads(features.query), dim=1)
        with torch.no_grad():
            key = F.normalize(self.key_heads(features.key), dim=1)
        loss = instance_contrastive(query, key, self.queue.negatives(), self.temperature)
        self.queue.push(gather_rows(key))
        return {"loss": loss}


def _largest_of_scans(rows: Tensor, inputs: BackboneInputs) -> Tensor:
    """(B, C) maximum over the rows of each scan; 0 for a scan without rows."""
    index = inputs.scans_of_rows()[:, None].expand_as(rows)
    return rows.new_zeros((len(inputs.points_per_scan), rows.shape[1])).scatter_reduce(
        0, index, rows, "amax", include_self=False
    )


def _objective(
    config: DepthContrastConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> DepthContrast:
    return DepthContrast(backbone, config.temperature)


def _views(config: DepthContrastConfig, ids: StoredIds | None) -> Views:
    return partial(two_crops, sensor_height_m=config.sensor_height_m)


METHOD = Method(config=DepthContrastConfig, views=_views, collate=collate_views, objective=_objective)
