"""Configuration keys of ST-SLidR; used in ../methods/st_slidr.py."""

from typing import Literal

from offline_training.pretraining.base.config import OneScanConfig, StoreKeys


class StSlidrConfig(OneScanConfig, StoreKeys):
    """Keys of ST-SLidR."""

    method: Literal["st_slidr"] = "st_slidr"


CONFIG = StSlidrConfig
