"""Keys of cross-entropy on weak classes. What it does with them: ../methods/weak_cross_entropy.py."""

from typing import Literal

from lidar_vl_core.foundation.config import Use
from offline_training.pretraining.base.config import PointClassConfig


class WeakCrossEntropyConfig(PointClassConfig):
    """Cross-entropy on weak classes; it has no image teacher."""

    method: Literal["weak_cross_entropy"] = "weak_cross_entropy"
    lovasz_weight: float = 0.0  # against cross-entropy 1

    def uses(self) -> tuple[Use, ...]:
        """Pictures are not looked at."""
        idle = ("teacher", "teacher_weights", "teacher_features", "allow_random_weights")
        return (*super().uses(), (False, idle, "with a method that has an image teacher"))

    def build_teacher(self) -> None:
        """None: the pictures only say which points they see."""


CONFIG = WeakCrossEntropyConfig
