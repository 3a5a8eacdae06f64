"""Keys of ST-SLidR. What it does with them: ../methods/st_slidr.py."""

from typing import Literal

from offline_training.pretraining.base.config import OneScanConfig, StoreKeys


class StSlidrConfig(OneScanConfig, StoreKeys):
    """ST-SLidR."""

    method: Literal["st_slidr"] = "st_slidr"


CONFIG = StSlidrConfig
