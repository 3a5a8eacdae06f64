"""Cross-entropy on weak classes: the non-contrastive control that methods with weak classes must beat.

A linear head predicts the weak class of each point that an image sees, as a supervised network would learn from manual
labels. This measures what weak classes contribute by themselves, apart from how a method uses them.
"""

import torch
from torch import Tensor, nn

from offline_training.losses.segmentation import cross_entropy, lovasz_softmax
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.pretraining.base.method import Method
from offline_training.pretraining.base.objective import Objective, PointFeatures
from offline_training.pretraining.base.paired_views import collate_scans
from offline_training.pretraining.base.point_classes import classes_read, scans_with_classes
from offline_training.pretraining.base.stored_ids import StoredIds
from offline_training.pretraining.keys.weak_cross_entropy import WeakCrossEntropyConfig
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


class WeakCrossEntropy(Objective):
    """Cross-entropy, averaged over the pairs that have a class."""

    heads: nn.Linear

    def __init__(self, heads: nn.Linear, lovasz_weight: float) -> None:
        super().__init__()
        self.heads, self.lovasz_weight = heads, lovasz_weight

    def forward(
        self,
        features: PointFeatures,
        teacher_map: Tensor | None,
        batch: PretrainBatch,
        step: int,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Scalars `cross_entropy`, `lovasz` if it has a weight, and their sum `loss`. teacher_map: not used."""
        scores = features.rows_at(self.heads, batch.pair_row)
        losses = {"cross_entropy": cross_entropy(scores, batch.pair_class)}
        total = losses["cross_entropy"]
        if self.lovasz_weight:
            losses["lovasz"] = lovasz_softmax(scores, batch.pair_class)
            total = total + self.lovasz_weight * losses["lovasz"]
        return {**losses, "loss": total}


def _objective(
    config: WeakCrossEntropyConfig, ids: StoredIds | None, backbone: PointBackbone, teacher: ImageTeacher | None
) -> WeakCrossEntropy:
    classes = len(config.class_table) if ids is None else len(ids.store.class_names)
    return WeakCrossEntropy(nn.Linear(backbone.feature_channels, classes), config.lovasz_weight)


METHOD = Method(
    config=WeakCrossEntropyConfig,
    reads=classes_read,
    views=scans_with_classes,
    collate=collate_scans,
    objective=_objective,
)
