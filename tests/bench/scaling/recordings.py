"""Where the recordings are that some axes need."""

import os
from pathlib import Path

ESPNET = "weights_small/espnet_p_2_q_8_cityscapes.safetensors"


def recordings() -> Path | None:
    """The folder, where it holds PandaSet's sequence and ESPNet's weights."""
    folder = Path(os.environ.get("LIDAR_VL_TEST_DATA", "../shared/data"))
    return folder if (folder / ESPNET).is_file() and (folder / "pandaset_002").is_dir() else None
