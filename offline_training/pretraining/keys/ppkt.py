"""Keys of PPKT. What it does with them: ../methods/ppkt.py."""

from typing import Literal

from offline_training.pretraining.base.config import Count, OneScanConfig


class PpktConfig(OneScanConfig):
    """PPKT."""

    method: Literal["ppkt"] = "ppkt"
    matches: Count = 4096  # pairs of a process that the loss sees


CONFIG = PpktConfig
