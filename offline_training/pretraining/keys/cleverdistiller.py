"""Configuration keys of CleverDistiller; used in ../methods/cleverdistiller.py."""

from typing import Literal

from lidar_vl_core.foundation.config import Use
from offline_training.pretraining.base.config import Count, PairCacheConfig


class CleverDistillerConfig(PairCacheConfig):
    """Keys of CleverDistiller. Its second task is the key `occupancy`, available for every method.

    Its code is not public. Public texts (abstract, project page, its authors' later HilDA) mention a direct feature
    similarity, a projection head of three layers instead of one, DINOv2, a MinkUNet34 and occupancy without labels. The
    rest is our reading: ScaLR's distance between directions, which the project page calls its baseline; a head as wide
    as the teacher, ReLU, no norm; all cameras of a scan, every pair; occupancy by ALSO's queries with weight 1.
    """

    method: Literal["cleverdistiller"] = "cleverdistiller"
    head_layers: Count = 3  # 1 = a linear head, the paper's baseline
    cameras: Literal["all", "one"] = (
        "all"  # cameras of a scan; one: a random one and only the points it sees, as in ScaLR
    )

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others: pair_cache needs all cameras, whose pairs are the same in every epoch."""
        return (*super().uses(), (self.cameras == "all", ("pair_cache",), "with cameras: all"))


CONFIG = CleverDistillerConfig
