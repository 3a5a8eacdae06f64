"""SemanticPOSS: a campus with many people, recorded by a Pandora of 40 beams.

Folder: `sequences/00` to `05` with velodyne/*.bin and labels/*.label; the folders `tag` and the poses are not read.
"""

from typing import Literal

from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.source_config import SplitSource
from offline_training.datasets.lidar.files.kitti_layout import KittiFormat

_FORMAT = KittiFormat(
    kind="semantic_poss",
    layout=Layout(
        (
            ("sequences/00/velodyne/000001.bin", "4 x float32 a point; 00 to 05"),
            ("sequences/00/labels/000001.label", "uint32 a point"),
        )
    ),
    frame_id="pandora",
    full_intensity=None,  # its authors say "x, y, z, intensity" and no unit, so the scale is judged by the first scans
)


class SemanticPossSource(SplitSource):
    """Scans of some sequences."""

    kind: Literal["semantic_poss"] = "semantic_poss"


SPEC = DataSetSpec(
    source=SemanticPossSource,
    what="SemanticPOSS: a campus with many people",
    layout=_FORMAT.layout,
    classes=("semantic_poss13",),
    open=_FORMAT.open,
    # OLIVINE's text trains on "00 to 05 excluding 02" and names no other sequence to validate on, so it is 02; half is 00
    # and 01. Others, such as ALSO, take 03 for the official validation sequence: name the sequences to do so.
    splits={"train": ("00", "01", "03", "04", "05"), "half": ("00", "01"), "val": ("02",)},
    counts=_FORMAT.counts,
)
