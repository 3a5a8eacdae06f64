"""PPKT (Liu et al., 2021) as SLidR re-implemented it: contrasts each point with its pixel, over a uniform sample of pairs."""

import torch
from torch import Tensor

from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.pretraining.base.contrastive import PixelContrast, projection_heads
from offline_training.pretraining.base.method import Method, Views
from offline_training.pretraining.base.objective import PointFeatures, required
from offline_training.pretraining.base.paired_views import collate_scans, one_scan
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.keys.ppkt import PpktConfig
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


class Ppkt(PixelContrast):
    """InfoNCE between points and their pixels."""

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """The scalar `loss` over at most `matches` pairs."""
        return {"loss": self.point_pixel(features, required(teacher_map), batch, generator)}


def _objective(
    config: PpktConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> Ppkt:
    heads = projection_heads(backbone, teacher)
    return Ppkt(heads, config.matches, config.temperature, config.gather_negatives)


def _views(config: PpktConfig, ids: StoredIds | None) -> Views:
    return one_scan(config)


METHOD = Method(config=PpktConfig, views=_views, collate=collate_scans, objective=_objective)
