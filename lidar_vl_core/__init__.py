"""lidar-vl core: everything training and robot must agree on; neither ROS nor PyTorch is imported here."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lidar_vl_core.foundation.version import VERSION

if TYPE_CHECKING:
    from lidar_vl_core.api import Model

__version__ = VERSION

# Official builds of ONNX Runtime send events about their use to its maker, unless this is set before the first import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def load(name_or_path: "str | Path" = "demo", engine: str = "auto", threads: "int | None" = None) -> "Model":
    """A model ready to label clouds or to find boxes in them: the name of a packaged one, or the folder of a model package.

    engine: auto, fused, onnxruntime; threads: of the processor, default: all. Raises BadModelPackage, EngineUnavailable.
    """
    from lidar_vl_core.api import Model

    return Model(name_or_path, engine, threads)
