"""Objective: what every pre-training method is to the training loop; its heads, its state and its losses of one batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from offline_training.networks.point_backbone import BackboneInputs, PointBackbone
from offline_training.pretraining.views.pretrain_batch import PretrainBatch


@dataclass(frozen=True)
class PointFeatures:
    """The 3D network's answer, before any head."""

    sites: Tensor  # (S, C) of every place where heads are applied
    to_rows: Callable[[Tensor], Tensor]  # (S, D) after a head -> (R, D), one per row of the network's output

    @classmethod
    def of(cls, backbone: PointBackbone, inputs: BackboneInputs) -> "PointFeatures":
        """Run the network."""
        return cls(backbone.active_features(inputs), partial(backbone.to_points, inputs=inputs))

    def rows(self, head: nn.Module) -> Tensor:
        """(R, D) of a head."""
        return self.to_rows(head(self.sites))


class Objective(nn.Module, ABC):
    """One method. Parameters lie in `heads` and are trained; everything else is state that checkpoints keep."""

    heads: nn.Module
    reads_pictures = True

    def features(self, backbone: PointBackbone, batch: Any) -> Any:  # noqa: ANN401  a batch of the method's own kind
        """Run the 3D network; most methods need its answer for one cloud per scan."""
        return PointFeatures.of(backbone, batch.inputs)

    @abstractmethod
    def forward(
        self,
        features: Any,  # noqa: ANN401  what `features` gave
        teacher_map: Tensor | None,
        batch: Any,  # noqa: ANN401
        step: int,
        generator: torch.Generator,
    ) -> Mapping[str, Tensor]:
        """Scalar losses by name; `loss` is what is minimised.

        teacher_map: (I, C, h, w), of methods that read pictures; generator: of this step's draws.
        """

    def kappa(self) -> Tensor | None:
        """(K,) concentration of each weak class, of methods that have such."""
        return None


def image_size(batch: PretrainBatch) -> tuple[int, int]:
    """Height and width of the pictures of a batch."""
    return batch.images.shape[1], batch.images.shape[2]


def required(teacher_map: Tensor | None) -> Tensor:
    """The maps, of a method that reads pictures. Raises ValueError without them."""
    if teacher_map is None:
        raise ValueError("teacher_map: expected the maps of the batch's pictures, found none")
    return teacher_map
