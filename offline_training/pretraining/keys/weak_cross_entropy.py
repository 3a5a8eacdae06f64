"""Configuration keys of cross-entropy on weak classes; used in ../methods/weak_cross_entropy.py."""

from typing import Literal

from lidar_vl_core.foundation.config import Use
from offline_training.pretraining.base.config import PointClassConfig


class WeakCrossEntropyConfig(PointClassConfig):
    """Keys of cross-entropy on weak classes, which has no image teacher."""

    method: Literal["weak_cross_entropy"] = "weak_cross_entropy"
    lovasz_weight: float = 0.0  # weight of the Lovász loss, relative to cross-entropy

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others: without an image teacher, its keys have no effect."""
        idle = ("teacher", "teacher_weights", "teacher_features", "allow_random_weights")
        return (*super().uses(), (False, idle, "with a method that has an image teacher"))

    def build_teacher(self) -> None:
        """None: images only determine which points they see."""


CONFIG = WeakCrossEntropyConfig
