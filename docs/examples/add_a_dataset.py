"""A data set of one's own: scans in .npz files with x, y, z, intensity and a class for each point.

Put the part above the line into offline_training/datasets/lidar/my_scans.py: check-data, every configuration and
docs/data_sets.md then know `kind: my_scans`. Run unchanged, this file makes three scans and reads them.
"""

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.source_config import Names, SourceConfig

LAYOUT = Layout((("*.npz", "xyz_m (N, 3), intensity (N,) from 0 to 1, class_id (N,) of nuScenes' 16, 255 = none"),))


class MyScansSource(SourceConfig):
    """Scans of a folder."""

    kind: Literal["my_scans"] = "my_scans"


class MyScans:
    """The samples, by number."""

    def __init__(self, folder: Path, classes: ClassTable) -> None:
        self.classes, self._paths = classes, sorted(folder.glob("*.npz"))
        if not self._paths:
            raise BadDataset(f"{folder}: expected {LAYOUT.line()}, found none. Name the folder of the scans.")

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Sample:
        """One scan in the sensor's frame: x forward, y left, z up."""
        path = self._paths[index]
        with np.load(path, allow_pickle=False) as scan:
            cloud = PointCloud(scan["xyz_m"].astype(np.float32), scan["intensity"].astype(np.float32), index, "lidar")
            return Sample(path.stem, cloud, scan["class_id"].astype(np.uint8), self.classes)


def _open(source: MyScansSource, _sequences: Names, classes: ClassTable) -> MyScans:
    return MyScans(Path(source.folder), classes)


SPEC = DataSetSpec(
    source=MyScansSource, what="scans of our own vehicle", layout=LAYOUT, classes=("nuscenes16",), open=_open
)

# ----------------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Make three scans of a road with a car, and read them as a run would."""
    rng, classes = np.random.default_rng(0), class_table("nuscenes16")
    with tempfile.TemporaryDirectory() as folder:
        for k in range(3):
            xyz_m = rng.uniform((-20, -5, -1.8), (20, 5, -1.7), (1000, 3))
            class_id = np.full(1000, classes.id_of("driveable_surface"))
            xyz_m[:100] = rng.uniform((5, -1, -1.7), (9, 1, 0), (100, 3))
            class_id[:100] = classes.id_of("car")
            np.savez(Path(folder, f"{k:03}.npz"), xyz_m=xyz_m, intensity=rng.random(1000), class_id=class_id)
        for sample in map(SPEC.open(MyScansSource(folder=folder), None, classes).__getitem__, range(3)):
            print(
                f"{sample.name}: {len(sample.cloud)} points, {np.sum(sample.class_id == classes.id_of('car'))} of a car"
            )


if __name__ == "__main__":
    main()
