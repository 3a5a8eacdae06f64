"""What a package says of a cloud: the numbers of its network and the classes of the points, by an engine of the robot."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.colours import cloud_rgb
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.session import open_session
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.sweeps.joining import TIME_LAG
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_core.tasks.point_network import open_point_network
from lidar_vl_core.tasks.segmenter import label_points
from lidar_vl_core.voxels.features import voxel_features
from lidar_vl_core.voxels.grid import voxelise
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps
from lidar_vl_core.words.text_table import label_embeddings


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers for one cloud."""

    numbers: tuple[np.ndarray, ...]  # scores or embeddings (R, C), or the maps of a head, float32
    class_id: np.ndarray  # (N,) uint8 of each point, 255 = out of range; empty for a detector
    boxes: Boxes3d | None = None  # of a detector


def answers_of(package: ModelPackage, engine: str) -> Callable[[PointCloud], Answers]:
    """What asks a package. Raises EngineUnavailable, BadModelPackage."""
    if package.manifest.detection is not None:
        return _detector_answers(package, engine)
    rows_of = _rows_of(package, engine)
    table = None if package.manifest.language is None else package.text_table()

    def answers(cloud: PointCloud) -> Answers:
        rows, row_of_point = rows_of(cloud)
        if table is None:
            return Answers((rows,), label_points(rows, row_of_point)[0])
        class_of_row = np.append(label_embeddings(rows, table)[0], np.uint8(IGNORE_ID))  # the row -1 reads the last
        return Answers((rows,), class_of_row[row_of_point])

    return answers


def voxel_inputs(package: ModelPackage, cloud: PointCloud) -> tuple[np.ndarray, KernelMaps, np.ndarray]:
    """Inputs of a package with a sparse U-Net: features of the voxels, kernel maps, and (N,) the voxel of each point or -1."""
    xyz_m, manifest = cloud.measured_xyz_m(), package.manifest
    voxels = voxelise(xyz_m, package.grid)
    features = voxel_features(xyz_m, cloud.intensity, voxels, package.grid, manifest.features, rgb=cloud_rgb(cloud))
    return features, build_kernel_maps(voxels.coords, manifest.levels), voxels.point_to_voxel


def at_once(cloud: PointCloud) -> PointCloud:
    """A cloud file as a single sweep, where it does not say how old its points are: enough to compare engines on."""
    if TIME_LAG in cloud.extra:
        return cloud
    return replace(cloud, extra={**cloud.extra, TIME_LAG: np.zeros(len(cloud), np.float32)})


def _detector_answers(package: ModelPackage, engine: str) -> Callable[[PointCloud], Answers]:
    robot = Detector(package, engine)

    def answers(cloud: PointCloud) -> Answers:
        cloud = at_once(cloud) if robot.reads_time else cloud
        maps = robot.head_maps(cloud)
        return Answers(tuple(maps.values()), np.empty(0, np.uint8), robot.detect(cloud))

    return answers


def _rows_of(package: ModelPackage, engine: str) -> Callable[[PointCloud], tuple[np.ndarray, np.ndarray]]:
    if package.manifest.network is not None:
        network = open_point_network(package, engine, None)
        return lambda cloud: network.run(replace(cloud, xyz_m=cloud.measured_xyz_m()))[:2]
    session = open_session(package, engine)

    def rows(cloud: PointCloud) -> tuple[np.ndarray, np.ndarray]:
        features, maps, row_of_point = voxel_inputs(package, cloud)
        return session.run(features, maps), row_of_point

    return rows
