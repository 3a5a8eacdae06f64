"""Configuration keys of OLIVINE; used in ../methods/olivine.py."""

from typing import Annotated, Literal

from pydantic import Field

from lidar_vl_core.foundation.config import Use
from offline_training.pretraining.base.config import Count, OneScanConfig, PointClassConfig
from offline_training.runs.backbone_config import VOXELNET


class OlivineConfig(OneScanConfig, PointClassConfig):
    """Keys of OLIVINE."""

    method: Literal["olivine"] = "olivine"
    heads: Literal["decoupled", "coupled"] = "decoupled"  # coupled: one head for both losses
    class_model: Literal["vmf", "dirac", "none"] = "vmf"  # target of semantic consistency
    loss_weights: tuple[float, float, float] = (0.5, 0.5, 1.0)  # of point-pixel, weakly supervised and consistency loss
    vmf_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-4  # update rate of the class statistics per batch
    # last step that updates them; consistency starts after it; default: 1 / vmf_decay
    vmf_freeze_step: int | None = None
    vmf_bias_correction: bool = False  # correct the moving average for its start at zero
    # with several processes, as in the original code: each updates its statistics with its own batch, then they are averaged.
    # false: statistics of the joint batch
    vmf_average_over_ranks: bool = False
    kl_average: Literal["classes", "points"] = "classes"  # classes: as in the original code; points: as in the paper
    sampling: Literal["density_and_category", "density", "category", "random"] = "density_and_category"
    average_over_positives: bool = True  # the paper's 1 / |A(i)|; it does not change the gradient
    matches: Count = 4096  # pairs per process in a contrastive loss

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others: class statistics are collected only if consistency is learned."""
        gathered = self.class_model != "none" and self.loss_weights[2] != 0.0
        condition = "with class_model: vmf or dirac and a non-zero weight of consistency"
        return (*super().uses(), (gathered, ("vmf_average_over_ranks",), condition))

    @property
    def freeze_step(self) -> int:
        """Last step that updates the class statistics."""
        return round(1.0 / self.vmf_decay) if self.vmf_freeze_step is None else self.vmf_freeze_step

    @property
    def density_in_metres(self) -> bool:
        """Whether density is computed in whole metres, as in the original for VoxelNet; else in 0.1 m."""
        return self.network == VOXELNET


CONFIG = OlivineConfig
