"""What a cloud costs on the vehicle against points, beams, classes, prompts and cameras. One thread, processor time."""

import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.point_labels import label_points
from lidar_vl_core.tasks.segmenter import Segmenter
from tests.bench.core.scan import synthetic_scan
from tests.bench.core.words import prompt_head
from tests.bench.scaling.axis import Axis, cpu_ms
from tests.bench.vehicle.scans import SizedScan, sized_scan

POINTS = (20_000, 40_000, 80_000, 120_000, 160_000)
_VOXELS_OF_SCANS = (10_000, 30_000, 45_000, 60_000, 100_000)
_BEAMS, _COLUMNS = (16, 32, 48, 64, 96), 1000
_CLASSES = (8, 16, 32, 64, 128, 250)
_PROMPTS = (8, 32, 64, 128, 250)
_CAMERAS = (1, 2, 3, 4, 5, 6)
_VOXELS, _WIDTH = 30_000, 96


def points() -> list[Axis]:
    """Time and memory of the demo model."""
    segmenter = Segmenter(load_model_package("demo"), threads=1)
    how = "Segmenter of the demo model on scans of a made-up street, 64 beams and more columns each"
    clouds = [street(64, count // 64) for count in POINTS]
    times_ms = cpu_ms([partial(segmenter.segment, cloud) for cloud in clouds])
    found = tuple(float(len(cloud)) for cloud in clouds)
    memory_mb = tuple(_peak_mb(count) for count in POINTS)
    return [
        Axis("points: time", "points", "CPU ms a cloud", found, times_ms, how),
        Axis(
            "points: memory",
            "points",
            "MB",
            found,
            memory_mb,
            f"most memory of a process beside the loaded model; {how}",
        ),
    ]


def voxels() -> list[Axis]:
    """Scans with more points and finer voxels together, so that a point meets as much as before."""
    segmenter, scans = Segmenter(load_model_package("demo"), threads=1), [sized_scan(size) for size in _VOXELS_OF_SCANS]

    def run(scan: SizedScan) -> None:
        segmenter._grid = scan.grid  # for time alone: not what the network was trained for
        segmenter.segment(scan.cloud)

    times_ms = cpu_ms([partial(run, scan) for scan in scans])
    found = tuple(float(scan.voxels) for scan in scans)
    how = "Segmenter of the demo model, 2.2 points a voxel"
    return [Axis("voxels: time", "voxels", "CPU ms a cloud", found, times_ms, how)]


def beams() -> list[Axis]:
    """As points, with 1000 columns each."""
    segmenter = Segmenter(load_model_package("demo"), threads=1)
    clouds = [street(count, _COLUMNS) for count in _BEAMS]
    times_ms = cpu_ms([partial(segmenter.segment, cloud) for cloud in clouds])
    how = f"Segmenter of the demo model, {_COLUMNS} columns a turn"
    return [Axis("beams: time", "beams", "CPU ms a cloud", tuple(map(float, _BEAMS)), times_ms, how)]


def classes() -> list[Axis]:
    """Scores of voxels to labels of points."""
    rng = np.random.default_rng(0)
    voxel = rng.integers(0, _VOXELS, 2 * _VOXELS).astype(np.int32)
    logits = [rng.normal(size=(_VOXELS, count)).astype(np.float32) for count in _CLASSES]
    times_ms = cpu_ms([partial(label_points, scores, voxel) for scores in logits])
    how = f"label_points() of {_VOXELS:,} voxels and twice as many points"
    return [Axis("classes: time", "classes", "CPU ms a cloud", tuple(map(float, _CLASSES)), times_ms, how)]


def prompts() -> list[Axis]:
    """Features of voxels to labels of points by words."""
    rng = np.random.default_rng(0)
    voxel = rng.integers(0, _VOXELS, 2 * _VOXELS).astype(np.int32)
    features = rng.normal(size=(_VOXELS, _WIDTH)).astype(np.float32)
    heads = [prompt_head(_WIDTH, rng, count) for count in _PROMPTS]
    times_ms = cpu_ms([partial(head.label_points, features, voxel, 1) for head in heads])
    how = f"PromptHead of 512 channels on {_WIDTH} features of {_VOXELS:,} voxels"
    return [Axis("prompts: time", "prompts", "CPU ms a cloud", tuple(map(float, _PROMPTS)), times_ms, how)]


def cameras() -> list[Axis]:
    """Pictures decoded and points paired with pixels."""
    from tests.bench.scaling.made_pictures import jpeg_views, paired

    cloud = street(64, 1250)
    views = jpeg_views(max(_CAMERAS))
    times_ms = cpu_ms([partial(paired, cloud.xyz_m, views[:count]) for count in _CAMERAS])
    how = f"JPEG of 1600 x 900 decoded and {len(cloud):,} points paired with its pixels"
    return [Axis("cameras: time", "cameras", "CPU ms a cloud", tuple(map(float, _CAMERAS)), times_ms, how)]


@cache
def street(beams: int, columns: int) -> PointCloud:
    """A scan of the made-up street."""
    xyz_m = synthetic_scan(np.random.default_rng(3), beams, columns)
    return PointCloud(xyz_m, np.random.default_rng(1).random(len(xyz_m), np.float32), 0, "lidar")


def _peak_mb(count: int) -> float:
    command = [sys.executable, "-m", "tests.bench.scaling.vehicle_axes", str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _print_peak_mb(count: int) -> None:
    """Most resident memory while clouds are labelled, less what there was with the model loaded. Linux."""
    cloud, segmenter = street(64, count // 64), Segmenter(load_model_package("demo"), threads=1)
    segmenter.segment(street(16, 100))
    before = _resident_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM counts anew
    for _ in range(3):
        segmenter.segment(cloud)
    print(_resident_mb("VmHWM") - before)


def _resident_mb(name: str) -> float:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


if __name__ == "__main__":
    _print_peak_mb(int(sys.argv[1]))
