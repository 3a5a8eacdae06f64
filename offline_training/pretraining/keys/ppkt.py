"""Configuration keys of PPKT; used in ../methods/ppkt.py."""

from typing import Literal

from offline_training.pretraining.base.config import Count, OneScanConfig


class PpktConfig(OneScanConfig):
    """Keys of PPKT."""

    method: Literal["ppkt"] = "ppkt"
    matches: Count = 4096  # pairs per process in the loss


CONFIG = PpktConfig
