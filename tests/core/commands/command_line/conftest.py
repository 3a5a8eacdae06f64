"""A recording and a cloud file that commands are given."""

from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.clouds.point_cloud import PointCloud
from tests.written.labelled_bags import write_labelled_bag

CLOUD = "sensor_msgs/msg/PointCloud2"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(5)
    made, truth = [], []
    for k in range(4):
        xyz_m = rng.uniform(-20, 20, (300, 3)).astype(np.float32)
        made.append(PointCloud(xyz_m, np.zeros(300, np.float32), 1_700_000_000_000_000_000 + k * 100_000_000, "lidar"))
        truth.append(rng.integers(0, 16, 300))
    return write_labelled_bag(tmp_path_factory.mktemp("bags") / "street.mcap", made, truth)


@pytest.fixture(scope="module")
def cloud_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clouds") / "000000.bin"
    points = np.random.default_rng(6).uniform([-1, -1, -0.2, 0], [1, 1, -0.1, 0.1], (500, 4))  # a street in small
    points.astype(np.float32).tofile(path)
    return path
