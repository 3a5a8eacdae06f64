"""Objective: the interface of a pre-training method to the training loop: its heads, state and losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from offline_training.networks.base.point_backbone import BackboneInputs, PointBackbone

T = TypeVar("T")


@dataclass(frozen=True)
class PointFeatures:
    """The 3D network's output, before any head."""

    sites: Tensor  # (S, C) at every place where heads are applied
    to_rows: Callable[[Tensor], Tensor]  # (S, D) after a head -> (R, D), one per row of the network's output
    sites_are_rows: bool = False

    @classmethod
    def of(cls, backbone: PointBackbone, inputs: BackboneInputs) -> "PointFeatures":
        """Run the network."""
        plain = type(backbone).to_points is PointBackbone.to_points
        return cls(backbone.active_features(inputs), partial(backbone.to_points, inputs=inputs), plain)

    def rows(self, head: nn.Module) -> Tensor:
        """(R, D) output of a head."""
        return self.to_rows(head(self.sites))

    def rows_at(self, head: nn.Module, row: Tensor) -> Tensor:
        """(M, D) output of a head at some rows (M,), computed only there if possible."""
        return head(self.sites.index_select(0, row)) if self.sites_are_rows else self.rows(head)[row]


class Objective(nn.Module, ABC):
    """One method. Parameters are in `heads` and are trained; everything else is state kept in checkpoints."""

    heads: nn.Module

    def features(self, backbone: PointBackbone, batch: Any) -> Any:  # noqa: ANN401  a batch of the method's own kind
        """Run the 3D network; most methods need its output for one cloud per scan."""
        return PointFeatures.of(backbone, batch.inputs)

    def of_inputs(self, features: Any) -> PointFeatures:  # noqa: ANN401  what `features` gave
        """The features of the batch's `inputs`, for a second task beside the method's."""
        of_inputs: PointFeatures = features
        return of_inputs

    def of_scans(self, features: Any, batch: Any, chosen: Tensor) -> tuple[Any, Any]:  # noqa: ANN401  as `features`
        """Features and batch from which only some scans are learned; chosen: (B,) bool, by sample of the batch."""
        return features, batch.of_scans(chosen)

    @abstractmethod
    def forward(
        self,
        features: Any,  # noqa: ANN401  what `features` gave
        teacher_map: Tensor | None,
        batch: Any,  # noqa: ANN401
        step: int,
        generator: torch.Generator,
    ) -> Mapping[str, Tensor]:
        """Scalar losses by name; `loss` is minimised.

        teacher_map: (I, C, h, w), for methods that read images; generator: for this step's random draws.
        """

    def numbers(self) -> Mapping[str, float]:
        """Numbers to log after a step besides the losses, by name."""
        return {}


def required(of_pictures: T | None) -> T:
    """The image teacher or its maps, for a method that reads images. Raises ValueError without them."""
    if of_pictures is None:
        raise ValueError("image teacher: expected one and its feature maps of the batch's images, found none")
    return of_pictures
