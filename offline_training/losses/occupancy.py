"""Occupancy as a task without labels, ALSO (Boulch et al., CVPR 2023, section 3.2): is a place on a beam before or behind its return?"""

from torch import Tensor
from torch.nn import functional

from offline_training.losses.info_nce import at_least_float32, mean_or_zero


def occupancy_cross_entropy(logit: Tensor, is_occupied: Tensor) -> Tensor:
    """Mean binary cross-entropy of places, each asked of one point.

    logit: (Q,); is_occupied: (Q,) bool. Returns a scalar in float32 at least; 0 places give 0 with a gradient path.
    """
    logit = at_least_float32(logit)
    return mean_or_zero(
        functional.binary_cross_entropy_with_logits(logit, is_occupied.to(logit.dtype), reduction="none")
    )
