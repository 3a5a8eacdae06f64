"""Keys of CleverDistiller. What it does with them: ../methods/cleverdistiller.py."""

from typing import Literal

from lidar_vl_core.foundation.config import Use
from offline_training.pretraining.base.config import Count, PairCacheConfig


class CleverDistillerConfig(PairCacheConfig):
    """CleverDistiller. Its second task is the key `occupancy`, as of every method.

    No code of it is public, and what is told of it in public (abstract, project page, its authors' later HilDA) names a direct feature similarity,
    a projection head of three layers and not of one, DINOv2, a MinkUNet34 and occupancy without labels. The rest is our reading: ScaLR's
    distance of directions, which that page calls its baseline; a head as wide as the teacher, ReLU, no norm; all cameras of a scan, every pair;
    occupancy by ALSO's queries, its weight 1.
    """

    method: Literal["cleverdistiller"] = "cleverdistiller"
    head_layers: Count = 3  # 1 = a linear head, what the paper compares with
    cameras: Literal["all", "one"] = "all"  # of a scan; one: any, and the points that it sees alone, as ScaLR

    def uses(self) -> tuple[Use, ...]:
        """Pairs of all cameras are the same in every epoch."""
        return (*super().uses(), (self.cameras == "all", ("pair_cache",), "with cameras: all"))


CONFIG = CleverDistillerConfig
