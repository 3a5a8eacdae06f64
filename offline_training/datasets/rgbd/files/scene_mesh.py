"""The points of a scene in a .ply, in the frame of its cameras."""

from dataclasses import replace
from pathlib import Path

from lidar_vl_core.clouds.cloud_files import read_cloud_file
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCloudFile, BadDataset


def read_scene_mesh(path: Path, scene: str) -> PointCloud:
    """The vertices of a scene's .ply; cameras need no intensity. Raises BadDataset that names the scene."""
    try:
        mesh = read_cloud_file(path).cloud
    except BadCloudFile as error:
        raise BadDataset(f"{scene}: {error}") from error
    if any(mesh.origin_m):
        raise BadDataset(
            f"{scene}: {path}: expected points within 16 km of the cameras' origin, found them around "
            f"{', '.join(f'{m:.0f}' for m in mesh.origin_m)} m. Move the points and the cameras' poses closer to the origin."
        )
    return replace(mesh, in_sensor_frame=False)
