"""The vehicle path without ROS, stage by stage, at growing numbers of voxels. Run: python -m tests.bench --only vehicle.stages

Message decoded, voxels with features, neighbour tables, network of the shipped package, labels of the points, message encoded.
The package's own code does it; only its voxels are made smaller or larger until a scan fills as many as asked, which changes
what the answers mean and not how long they take.
"""

import time
from collections import defaultdict
from typing import Any

from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.clouds.point_cloud2 import PointCloud2Layout, encode, encode_labelled
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.voxels.grid import VoxelGrid
from tests.bench.report.slopes import growth_exponent
from tests.bench.report.timing import measured_row
from tests.bench.vehicle.scans import QUICK_VOXELS, VOXELS, SizedScan, sized_scan

STAGES = ("decode", "voxels", "maps", "network", "labels", "encode")
REPEATS, QUICK_REPEATS = 15, 7


def measure(quick: bool = False) -> list[dict[str, Any]]:
    """Rows {name, value, unit, target, passed, ...}: every stage at every size, and how each grows."""
    sizes = QUICK_VOXELS if quick else VOXELS
    return measure_sizes([sized_scan(voxels) for voxels in sizes], QUICK_REPEATS if quick else REPEATS)


def measure_sizes(scans: list[SizedScan], repeats: int) -> list[dict[str, Any]]:
    """The rows for these scans, which take turns."""
    segmenter = Segmenter(load_model_package("demo"))
    messages, decoder = [_message(scan) for scan in scans], CloudDecoder()
    for scan, message in zip(scans, messages, strict=True):
        stage_times(segmenter, scan.grid, message, decoder)
    times_ms: dict[tuple[int, str], list[float]] = defaultdict(list)
    for _ in range(repeats):
        for scan, message in zip(scans, messages, strict=True):
            for stage, taken_ms in stage_times(segmenter, scan.grid, message, decoder).items():
                times_ms[scan.voxels, stage].append(taken_ms)
    rows = []
    for scan in scans:
        where = f"{scan.voxels / 1000:.0f}k voxels, {len(scan.cloud) / 1000:.0f}k points"
        for stage in (*STAGES, "all"):
            details = {"kind": "stage", "stage": stage, "voxels": scan.voxels, "points": len(scan.cloud)}
            rows.append(measured_row(f"vehicle path, {stage}: {where}", times_ms[scan.voxels, stage], **details))
    return rows + _growth(rows)


def stage_times(
    segmenter: Segmenter, grid: VoxelGrid, message: PointCloud2Layout, decoder: CloudDecoder
) -> dict[str, float]:
    """Milliseconds of each stage of one message, and of "all"."""
    segmenter._grid = grid  # for time alone: not what the network was trained for
    started_s = time.perf_counter()
    cloud = decoder.decode(message)
    decoded_s = time.perf_counter()
    labels = segmenter.segment(cloud)
    labelled_s = time.perf_counter()
    encode_labelled(cloud, labels.class_id, labels.probability)
    ended_s = time.perf_counter()
    return {
        "decode": 1e3 * (decoded_s - started_s),
        **{stage: labels.timing_ms[stage] for stage in ("voxels", "maps", "network", "labels")},
        "encode": 1e3 * (ended_s - labelled_s),
        "all": 1e3 * (ended_s - started_s),
    }


def _message(scan: SizedScan) -> PointCloud2Layout:
    xyz_m = scan.cloud.xyz_m
    return encode({"x": xyz_m[:, 0], "y": xyz_m[:, 1], "z": xyz_m[:, 2], "intensity": scan.cloud.intensity})


def _growth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How each stage grows with the number of voxels, where there are enough sizes."""
    grown = []
    for stage in (*STAGES, "all"):
        own = [row for row in rows if row["details"]["stage"] == stage]
        if len(own) < 3:
            continue
        line = growth_exponent([row["details"]["voxels"] for row in own], [row["value"] for row in own])
        row = measured_row(f"vehicle path, {stage}: grows with voxels to the power of", [line.slope], "")
        row["low"], row["high"] = round(line.slope_low, 3), round(line.slope_high, 3)
        grown.append({**row, "details": {"kind": "growth", "stage": stage, "low_high": "95 % interval"}})
    return grown
