"""DAPS-3D: parks and yards as a cleaning robot sees them, Ouster OS0-64; DAPS-1 is simulated, DAPS-2 recorded.

Folder: that of DAPS-1 or DAPS-2, with `data/<scene>/clouds/*.bin` and `data/<scene>/labels/*.label`.
"""

from typing import Literal

from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.source_config import SplitSource
from offline_training.datasets.lidar.files.kitti_layout import KittiFormat

_FORMAT = KittiFormat(
    kind="daps3d",
    layout=Layout(
        (
            ("data/38-18_7_72_90/clouds/*.bin", "4 x float32 a point; the folder is that of DAPS-2, or of DAPS-1"),
            ("data/38-18_7_72_90/labels/*.label", "uint32 a point"),
        )
    ),
    frame_id="ouster",
    full_intensity=None,  # its authors give no unit of the fourth column (its mean in DAPS-1 is 41): judged by the first scans
    root=lambda folder: folder / "data",
    points_folder="clouds",
)


class Daps3dSource(SplitSource):
    """Scans of some scenes, in the four categories of its authors."""

    kind: Literal["daps3d"] = "daps3d"


SPEC = DataSetSpec(
    source=Daps3dSource,
    what="DAPS-3D: parks and yards as a cleaning robot sees them",
    layout=_FORMAT.layout,
    classes=("daps3d4",),
    open=_FORMAT.open,
    # DAPS-2 as in OLIVINE's loader: the training scene is validated on as well. The other two splits are DAPS-1's own.
    splits={
        "train": ("38-18_7_72_90",),
        "val": ("38-18_7_72_90", "42-48_10_78_90", "44-18_11_15_32"),
        "daps1_train": ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10"),
        "daps1_val": ("08",),
    },
    counts=_FORMAT.counts,
)
