"""Beams that met nothing, in every form of a single cloud: kept as they came, and never labelled."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.segment import segment
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter

_COUNT = 600
_LOST = np.arange(_COUNT) % 3 == 0


def _points() -> np.ndarray:
    points = np.random.default_rng(2).uniform(0.1, 2.9, (_COUNT, 4)).astype(np.float32)
    points *= np.float32([1.0, 0.6, 0.2, 0.33])  # each column its own spread, as in a street
    points[_LOST, :3] = 0.0
    points[0, :2] = -0.0
    return points


def _bin(path: Path) -> None:
    _points().tofile(path)


def _nuscenes(path: Path) -> None:
    np.hstack([_points(), np.zeros((_COUNT, 1), np.float32)]).tofile(path)


def _npz(path: Path) -> None:
    np.savez(path, xyz_m=_points()[:, :3], intensity=_points()[:, 3])


def _range_image(path: Path) -> None:
    np.savez(path, xyz=_points()[:, :3].reshape(20, 30, 3), intensity=_points()[:, 3].reshape(20, 30))


def _pcd(path: Path) -> None:
    head = f"VERSION .7\nFIELDS x y z intensity\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\nWIDTH {_COUNT}\nHEIGHT 1\nPOINTS {_COUNT}\n"
    path.write_bytes(head.encode() + b"DATA binary\n" + _points().tobytes())


def _ply(path: Path) -> None:
    fields = "".join(f"property float {name}\n" for name in ("x", "y", "z", "intensity"))
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {_COUNT}\n{fields}end_header\n"
    path.write_bytes(head.encode() + _points().tobytes())


_FORMS = {"a.bin": _bin, "a.pcd.bin": _nuscenes, "a.npz": _npz, "image.npz": _range_image, "a.pcd": _pcd, "a.ply": _ply}


@pytest.mark.parametrize("name", _FORMS)
def test_a_point_at_the_sensor_has_no_class_and_stays_in_the_file(name, tiny_package, tmp_path):
    _FORMS[name](tmp_path / name)
    cloud = read_cloud(tmp_path / name)
    assert_array_equal(cloud.has_return(), ~_LOST)
    segment(cloud, Segmenter(load_model_package(tiny_package), threads=1), tmp_path / "out.npz", None)
    with np.load(tmp_path / "out.npz") as out:
        assert_array_equal(out["class_id"] == 255, _LOST)
        assert len(out["xyz_m"]) == _COUNT
        assert not np.nan_to_num(out["xyz_m"][_LOST]).any()


def test_a_signalling_nan_is_no_return_and_costs_no_warning_of_the_library(recwarn):
    xyz_m = np.ones((3, 3), np.float32)
    xyz_m.view(np.uint32)[1] = 0x7FA00000  # what a big-endian message that says it is little-endian may hold
    assert PointCloud(xyz_m, np.zeros(3, np.float32), 0, "lidar").has_return().tolist() == [True, False, True]
    assert not recwarn.list
