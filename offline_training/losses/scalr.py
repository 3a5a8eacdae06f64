"""ScaLR (Puy et al., CVPR 2024): each point takes over the feature of its pixel; no negatives."""

from torch import Tensor
from torch.nn import functional

from offline_training.losses.info_nce import at_least_float32, mean_or_zero


def direction_distance(point_feature: Tensor, pixel_feature: Tensor) -> Tensor:
    """Mean distance of the two directions, as ScaLR's code trains.

    point_feature, pixel_feature: (P, C), of any length. Returns a scalar; 0 pairs give 0 with a gradient path.
    """
    squared = (_directions(point_feature) - _directions(pixel_feature)).square().sum(dim=1)
    return mean_or_zero(squared.clamp_min(1e-12).sqrt())  # a root has no slope at 0


def _directions(feature: Tensor) -> Tensor:
    return functional.normalize(at_least_float32(feature), dim=1)
