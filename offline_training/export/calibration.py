"""What a step of int8 is worth for each value between the layers, from clouds of the sensor."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.threads import available_cores
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.sparse_model.encoder_form import CORNER_CELL, CORNER_WEIGHT, MAP_INDEX
from lidar_vl_core.sparse_model.int8_form import STEPS
from lidar_vl_core.sparse_model.onnx_form import FEATURES, kind_and_level
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_core.voxels.point_corners import point_arrays
from offline_training.export.answers import at_once, voxel_inputs
from offline_training.export.parity import cloud_files

if TYPE_CHECKING:
    import onnx

MOST_CLOUDS = 32  # evenly chosen: the scales hardly move after a dozen
_BAG_SUFFIXES = (".mcap", ".db3", ".bag")
_VALUES_PER_CLOUD = 50_000  # of each value between the layers, drawn by chance
_CLIPS = np.linspace(0.1, 1.0, 46)  # of the largest value seen

_Inputs = Mapping[str, np.ndarray]


def calibrated_scales(
    package: ModelPackage, model: "onnx.ModelProto", names: Sequence[str], clouds: Iterator[PointCloud]
) -> dict[str, float]:
    """Scale of the values of these names, the one whose rounding and clipping lose least on the clouds.

    model: that of the package, float32; names: of inputs_to_quantize(). Raises BadRequest where no cloud has a point in the network's range.
    """
    from onnx import ModelProto, TensorProto, helper

    inputs_of = _inputs_of(package, model)
    probed = ModelProto()
    probed.CopyFrom(model)
    probed.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = open_onnxruntime(probed.SerializeToString(), available_cores())
    rng = np.random.default_rng(0)
    largest, drawn = dict.fromkeys(names, 0.0), {name: [np.empty(0, np.float32)] for name in names}
    seen = 0
    for cloud in clouds:
        inputs = inputs_of(cloud)
        if not len(inputs[FEATURES]):
            continue
        seen += 1
        for name, value in zip(names, session.run(names, dict(inputs)), strict=True):
            largest[name] = max(largest[name], float(np.abs(value).max(initial=0.0)))
            drawn[name].append(rng.choice(value.ravel(), min(value.size, _VALUES_PER_CLOUD), replace=False))
    if not seen:
        raise BadRequest(
            "--calibration: expected clouds with points in the network's range, found none. Give other clouds."
        )
    return {name: _best_scale(np.concatenate(drawn[name]), largest[name]) for name in names}


def calibration_clouds(paths: Sequence[Path]) -> Iterator[PointCloud]:
    """At most MOST_CLOUDS of cloud files, folders of them, and bags. Raises BadRequest, BadBag, BadCloudFile."""
    from lidar_vl_core.clouds.cloud_files import read_cloud

    bags = [path for path in paths if _is_bag(path)]
    files = cloud_files([path for path in paths if path not in bags])
    of_files = MOST_CLOUDS // (len(bags) + bool(files))
    for place in _evenly(len(files), of_files):
        yield read_cloud(files[place])
    for bag in bags:
        yield from _bag_clouds(bag, max(1, MOST_CLOUDS // (len(bags) + bool(files))))


def _is_bag(path: Path) -> bool:
    inside = list(path.iterdir()) if path.is_dir() else [path]
    return any(file.suffix in _BAG_SUFFIXES for file in inside)


def _bag_clouds(path: Path, most: int) -> Iterator[PointCloud]:
    from lidar_vl_core.bags.recording import open_recording

    with open_recording(path) as recording:
        chosen = set(_evenly(recording.cloud_count, most))
        for frame in recording.frames(with_views=False):
            if frame.index in chosen:
                yield frame.cloud


def _evenly(count: int, most: int) -> list[int]:
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(count, most)).round())]


def _best_scale(values: np.ndarray, largest: float) -> float:
    """Of the clips tried, the one with the least squared error on the values; 1 for a value that is always zero."""
    if largest == 0:
        return 1.0
    scales = [largest * clip / STEPS for clip in _CLIPS]
    return float(min(scales, key=lambda scale: _squared_error(values, scale)))


def _squared_error(values: np.ndarray, scale: float) -> float:
    rounded = np.clip(np.rint(values / scale), -STEPS, STEPS) * scale
    return float(np.square(rounded - values).sum())


def _inputs_of(package: ModelPackage, model: "onnx.ModelProto") -> Callable[[PointCloud], _Inputs]:
    """What makes the inputs of a package's model file of a cloud, by their names."""
    tables = [value.name for value in model.graph.input if value.name[-1].isdigit()]
    if package.manifest.detection is not None:
        robot = Detector(package, "fused")

        def of_detector(cloud: PointCloud) -> _Inputs:
            arrays = robot.arrays(at_once(cloud) if robot.reads_time else cloud)
            inputs = {name: arrays.tables.table(*kind_and_level(name)) for name in tables}
            return inputs | {FEATURES: arrays.features, MAP_INDEX: arrays.map_index[0]}

        return of_detector
    if package.manifest.network is not None:
        scale = np.float32(255.0 if "intensity_255" in package.manifest.features else 1.0)

        def of_points(cloud: PointCloud) -> _Inputs:
            arrays = point_arrays(cloud.measured_xyz_m(), cloud.intensity[:, None] * scale, package.grid)
            inputs = {name: arrays.tables.table(*kind_and_level(name)) for name in tables}
            corners = {CORNER_CELL: arrays.corner_cell, CORNER_WEIGHT: arrays.corner_weight}
            return inputs | corners | {FEATURES: arrays.features}

        return of_points

    def of_voxels(cloud: PointCloud) -> _Inputs:
        features, maps, _ = voxel_inputs(package, cloud)
        return {name: maps.table(*kind_and_level(name)) for name in tables} | {FEATURES: features}

    return of_voxels
