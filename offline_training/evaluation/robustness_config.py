"""The keys of `robustness`, read without PyTorch."""

from lidar_vl_core.foundation.config import Config, Use
from offline_training.datasets.data_sources import EvenSource


class RobustnessConfig(Config):
    """On what a network's robustness is measured."""

    sources: tuple[EvenSource, ...]  # clean scans with labels
    nuscenes_c: str | None = (
        None  # folder of the published corrupted files of the only source; nothing = they are made here
    )
    baseline: dict[str, float] | None = None  # mean IoU in percent per corruption of the network whose mCE is 100
    seed: int = 0  # of corruptions that are made here

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return ((self.nuscenes_c is None, ("seed",), "with corruptions that are made here: no nuscenes_c"),)
