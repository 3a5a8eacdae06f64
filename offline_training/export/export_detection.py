"""A trained detector to a model package: one ONNX file, compared with PyTorch on real clouds before it is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.sweeps.joining import TIME_LAG
from lidar_vl_core.tasks.detector import Detector as RobotDetector
from offline_training.export.answers import at_once
from offline_training.export.card_text import CardText
from offline_training.export.detection_description import detection_card, detection_manifest, require_exportable
from offline_training.export.detector_onnx import detector_onnx
from offline_training.export.parity import ENGINES, BoxParity, read_clouds, write_compared
from offline_training.finetuning.detection.detectors import judging_preparer, load_detector
from offline_training.networks.detection.detector import Detector, map_arrays
from offline_training.networks.detection.inputs import DetectorPreparer

_NEAR = 5e-3  # metres, radians, m/s: boxes that are equal, from maps that differ by rounding
_DRAWS = 3


def export_detection(
    checkpoint_path: Path, out: Path, clouds: Sequence[Path], card: CardText
) -> tuple[ModelPackage, list[BoxParity]]:
    """Write a detector's checkpoint as a model package; clouds: files, or folders of them. The rest is as export_detector()."""
    detector, config = load_detector(checkpoint_path)
    require_exportable(detector)
    preparer = judging_preparer(config)
    read = read_clouds(clouds)
    if preparer.with_time:
        read = [at_once(cloud) for cloud in read]
    return export_detector(detector, preparer, config.class_table, out, read, card)


def export_detector(
    detector: Detector[Any],
    preparer: DetectorPreparer,
    classes: ClassTable,
    out: Path,
    clouds: Sequence[PointCloud],
    card: CardText,
) -> tuple[ModelPackage, list[BoxParity]]:
    """Write a detector as a model package, and return how near each engine is to PyTorch.

    preparer: that of its evaluation. Raises BadModelPackage, and writes nothing, when an engine differs by more than
    parity.MAX_DIFFERENCE in a map of the head, has other boxes, or when more than a tenth of the boxes hang on rounding.
    """
    detector = detector.eval().cpu()
    manifest = detection_manifest(detector, preparer, classes, card)
    model = detector_onnx(detector, preparer.voxels.map_shape, card.name)
    markdown = detection_card(detector, manifest, card)
    return write_compared(
        out, model, manifest, markdown, lambda trial: compare_detector(detector, preparer, trial, clouds)
    )


def compare_detector(
    detector: Detector[Any], preparer: DetectorPreparer, package: ModelPackage, clouds: Sequence[PointCloud]
) -> list[BoxParity]:
    """Run PyTorch and every CPU engine on the same clouds. Raises BadRequest where no cloud has a voxel in the grid."""
    robots = {engine: RobotDetector(package, engine) for engine in ENGINES}
    largest, same = dict.fromkeys(ENGINES, 0.0), dict.fromkeys(ENGINES, 0)
    count, boxes, total, judged = 0, 0, dict.fromkeys(ENGINES, 0), dict.fromkeys(ENGINES, 0)
    for cloud in clouds:
        inputs = preparer([_scan(cloud, preparer)])
        if not len(inputs.features):
            continue
        with torch.no_grad():
            head_maps = detector(inputs)
        expected_maps = {name: values[0] for name, values in map_arrays(head_maps).items()}
        expected = detector.decode(head_maps)[0]
        count, boxes = count + 1, boxes + len(expected)
        for engine, robot in robots.items():
            maps = robot.head_maps(cloud)
            found = robot.boxes_of_maps(maps, cloud)
            difference = max(float(np.abs(expected_maps[name] - maps[name]).max(initial=0.0)) for name in maps)
            largest[engine] = max(largest[engine], difference)
            for ours, others, of_maps in ((expected, found, expected_maps), (found, expected, maps)):
                certain = ours.taken(_certain(ours, detector, of_maps, difference))
                same[engine] += int(_has_equal(certain, others).sum())
                judged[engine] += len(certain)
                total[engine] += len(ours)
    if not count:
        raise BadRequest(
            "export: expected clouds with points in the grid to compare on, found none. Give other clouds."
        )
    return [
        BoxParity(
            engine,
            count,
            boxes,
            largest[engine],
            _share(judged[engine], total[engine]),
            _share(same[engine], judged[engine]),
        )
        for engine in ENGINES
    ]


def _share(some: int, of_all: int) -> float:
    return some / of_all if of_all else 1.0


def _certain(boxes: Boxes3d, detector: Detector[Any], maps: Mapping[str, np.ndarray], difference: float) -> np.ndarray:
    """(N,) bool: the box is still there where the maps (C, H, W) are disturbed as much as two engines differ.

    The others hang on rounding: their score is as high as that of an overlapping box or as the least one that is told.
    """
    rng = np.random.default_rng(0)
    certain = np.ones(len(boxes), bool)
    for _ in range(_DRAWS):
        disturbed = {name: values + rng.uniform(-difference, difference, values.shape) for name, values in maps.items()}
        as_tensors = {name: torch.from_numpy(values[None].astype(np.float32)) for name, values in disturbed.items()}
        certain &= _has_equal(boxes, detector.decode(as_tensors)[0])
    return certain


def _has_equal(boxes: Boxes3d, others: Boxes3d) -> np.ndarray:
    """(N,) bool: one of the others has the box's class, place, size, heading, velocity and score."""
    if not len(boxes) or not len(others):
        return np.zeros(len(boxes), bool)
    difference = np.abs(_numbers(boxes)[:, None] - _numbers(others)[None])
    return (difference.max(axis=2) <= _NEAR).any(axis=1)


def _numbers(boxes: Boxes3d) -> np.ndarray:
    """(N, 12) all numbers of boxes, so that equal headings are near each other."""
    yaw_rad = boxes.boxes[:, 6]
    columns = [boxes.boxes[:, :6], np.cos(yaw_rad), np.sin(yaw_rad), boxes.score, boxes.class_id]
    return np.column_stack([*columns, np.nan_to_num(boxes.velocity_mps, nan=1e6)])


def _scan(cloud: PointCloud, preparer: DetectorPreparer) -> tuple[np.ndarray, ...]:
    columns = (cloud.extra[TIME_LAG],) if preparer.with_time else ()
    return cloud.measured_xyz_m(), cloud.intensity, *columns
