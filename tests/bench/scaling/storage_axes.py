"""Bytes of a recording against points and pictures."""

import io
from pathlib import Path

import numpy as np

from lidar_vl_core.bags.writing.mcap_stream import McapStream
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import PointCloud2Layout, decode, encode, encode_labelled
from tests.bench.scaling.axis import Axis
from tests.bench.scaling.vehicle_axes import POINTS, street

_CLOUDS = 4  # of a recording
_PICTURES = (4, 8, 12, 20, 30, 40)


def clouds() -> list[Axis]:
    """MB a cloud in an MCAP of ours, as it comes from the sensor and with labels."""
    scans = [street(64, count // 64) for count in POINTS]
    x = tuple(float(len(scan)) for scan in scans)
    how = f"MCAP with chunks of zstd, {_CLOUDS} clouds of a made-up street"
    return [
        Axis("points: recording", "points", "MB a cloud", x, tuple(map(_cloud_mb, scans)), how),
        Axis("points: labelled recording", "points", "MB a cloud", x, tuple(map(_labelled_mb, scans)), how),
    ]


def pictures(folder: Path) -> list[Axis]:
    """MB of PandaSet's pictures, as JPEG of 1920 x 1080; no picture counts twice."""
    sizes = [path.stat().st_size / 1e6 for path in sorted((folder / "pandaset_002" / "camera").rglob("*.jpg"))]
    left, y = iter(np.random.default_rng(0).permutation(sizes)), []
    for count in _PICTURES:
        y.append(float(sum(next(left) for _ in range(count))))
    return [
        Axis("pictures: recording", "pictures", "MB", tuple(map(float, _PICTURES)), tuple(y), "the files themselves")
    ]


def _cloud_mb(cloud: PointCloud) -> float:
    return _recorded_mb([_columns(cloud, number) for number in range(_CLOUDS)])


def _labelled_mb(cloud: PointCloud) -> float:
    from lidar_vl_core.model_packages.package import load_model_package
    from lidar_vl_core.tasks.segmenter import Segmenter

    labels = Segmenter(load_model_package("demo"), threads=1).segment(cloud)
    return _recorded_mb(
        [
            encode_labelled(decode(_columns(cloud, number)), labels.class_id, labels.probability)
            for number in range(_CLOUDS)
        ]
    )


def _columns(cloud: PointCloud, number: int) -> PointCloud2Layout:
    """The street as another turn of the sensor meets it: 2 cm of noise, intensities in 256 steps."""
    rng = np.random.default_rng(number)
    x, y, z = (cloud.xyz_m + rng.normal(scale=0.02, size=cloud.xyz_m.shape).astype(np.float32)).T
    intensity = rng.integers(0, 256, len(cloud)).astype(np.float32) / np.float32(255)
    return encode({"x": x, "y": y, "z": z, "intensity": intensity})


def _recorded_mb(messages: list[PointCloud2Layout]) -> float:
    file = io.BytesIO()
    stream = McapStream(file, "zstd")
    for number, message in enumerate(messages):
        stream.write("/lidar/points", "sensor_msgs/msg/PointCloud2", number, bytes(message.data))
    stream.finish()
    return len(file.getvalue()) / 1e6 / len(messages)
