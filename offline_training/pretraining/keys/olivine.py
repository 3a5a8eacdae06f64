"""Keys of OLIVINE. What it does with them: ../methods/olivine.py."""

from typing import Annotated, Literal

from pydantic import Field

from lidar_vl_core.foundation.config import Use
from offline_training.pretraining.base.config import Count, OneScanConfig, PointClassConfig
from offline_training.runs.backbone_config import VOXELNET


class OlivineConfig(OneScanConfig, PointClassConfig):
    """OLIVINE."""

    method: Literal["olivine"] = "olivine"
    heads: Literal["decoupled", "coupled"] = "decoupled"  # one head for both losses when coupled
    class_model: Literal["vmf", "dirac", "none"] = "vmf"  # what semantic consistency pulls to
    loss_weights: tuple[float, float, float] = (0.5, 0.5, 1.0)  # point-pixel, weakly supervised, consistency
    vmf_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-4  # what one batch moves the class statistics by
    # last step that moves them; consistency begins after it; nothing = 1 / vmf_decay
    vmf_freeze_step: int | None = None
    vmf_bias_correction: bool = False  # of the moving average's beginning at zero
    # with several processes, as the original code: each moves its statistics by its own batch, then they are averaged; else
    # they are those of the joined batch
    vmf_average_over_ranks: bool = False
    kl_average: Literal["classes", "points"] = "classes"  # classes as the original code, points as the paper
    sampling: Literal["density_and_category", "density", "category", "random"] = "density_and_category"
    average_over_positives: bool = True  # the paper's 1 / |A(i)|; the gradient is the same without it
    matches: Count = 4096  # pairs of a process that a contrastive loss sees

    def uses(self) -> tuple[Use, ...]:
        """Statistics are gathered only where consistency is learned."""
        gathered = self.class_model != "none" and self.loss_weights[2] != 0.0
        condition = "with class_model: vmf or dirac and a weight of consistency other than 0"
        return (*super().uses(), (gathered, ("vmf_average_over_ranks",), condition))

    @property
    def freeze_step(self) -> int:
        """Last step that moves the class statistics."""
        return round(1.0 / self.vmf_decay) if self.vmf_freeze_step is None else self.vmf_freeze_step

    @property
    def density_in_metres(self) -> bool:
        """Whether density is counted in whole metres, as the original has it for VoxelNet; else in 0.1 m."""
        return self.network == VOXELNET


CONFIG = OlivineConfig
