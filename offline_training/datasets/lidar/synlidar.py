"""SynLiDAR: synthetic scans of a game engine's towns and harbour, in the format of SemanticKITTI.

Folder: `00` to `12`, each with velodyne/*.bin and labels/*.label, also where they lie below a folder `sequences`.
"""

from typing import Literal

from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.source_config import SequencesSource
from offline_training.datasets.lidar.files.kitti_layout import KittiFormat

_FORMAT = KittiFormat(
    kind="synlidar",
    layout=Layout(
        (
            ("00/velodyne/000000.bin", "4 x float32 a point; 00 to 12, also below a folder `sequences`"),
            ("00/labels/000000.label", "uint32 a point"),
        )
    ),
    frame_id="synlidar",
)


class SynLidarSource(SequencesSource):
    """Scans of some sequences, in its 32 classes or in SemanticKITTI's 19.

    It has no official split: its authors train on all 13 sequences, and no split of the published 1 % and 10 % numbers is
    public.
    """

    kind: Literal["synlidar"] = "synlidar"


SPEC = DataSetSpec(
    source=SynLidarSource,
    what="SynLiDAR: synthetic scans of a game engine's towns and harbour",
    layout=_FORMAT.layout,
    classes=("synlidar32", "semantic_kitti19"),
    open=_FORMAT.open,
    counts=_FORMAT.counts,
)
