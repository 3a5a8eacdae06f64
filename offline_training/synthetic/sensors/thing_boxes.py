"""Where the things of a synthetic world are while a LiDAR turns: boxes about the points that the sweep has of them."""

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.clouds.point_cloud import PointCloud
from offline_training.synthetic.sensors.lidar_spec import LidarSpec
from offline_training.synthetic.streets.layout import World
from offline_training.synthetic.streets.traffic import actor_poses
from offline_training.synthetic.world.meshes import Thing

LEAST_POINTS = 5  # Waymo's annotators counted things with fewer as hardly visible

_ROUNDS = 3  # of finding the moment at which the beam passes; a sweep moves what it passes by 3 m at most
_STEP_S = 0.02  # over which velocities are measured
_SLACK_M = (
    0.05  # on every side, as drawn boxes have it: noise of the ranges leaves points a little outside the surfaces
)
_FASTEST_M_S = 60.0  # beyond it a thing left the street at one end and came back at the other


def boxes_of_things(world: World, spec: LidarSpec, end_time_s: float, frame_id: str = "lidar_top") -> Boxes3d:
    """Boxes of all things within the LiDAR's range, in the frame of its points, in ids of nuScenes' 16 classes.

    Each is where it was when the beam passed it, as annotators draw boxes about points; hidden ones are among them. Sizes
    are the things' own and 5 cm on every side; of their turns only the yaw is kept. Velocities are over ground, in the
    axes of that frame.
    """
    moving = [(number, thing) for number, actor in enumerate(world.actors) for thing in actor.mesh.things]
    things = [*world.static.things, *(thing for _, thing in moving)]
    if not things:
        return Boxes3d.of(np.zeros((0, 7)), np.zeros(0), frame_id=frame_id)
    time_s = np.full(len(things), end_time_s)
    for _ in range(_ROUNDS):
        center_m, _ = _poses(world, things, moving, time_s)
        time_s = end_time_s + (_share_of_turn(world, spec, center_m, time_s) - 1.0) / spec.rate_hz
    center_m, rotation = _poses(world, things, moving, time_s)
    ahead_m, behind_m = (_poses(world, things, moving, time_s + step)[0] for step in (_STEP_S, -_STEP_S))
    velocity = (ahead_m - behind_m) / (2 * _STEP_S)
    velocity[np.linalg.norm(velocity, axis=1) > _FASTEST_M_S] = np.nan
    told_at_s = np.full(len(things), end_time_s) if spec.motion_compensated else time_s
    origin_m, axes = _lidar_poses(world, spec, told_at_s)
    center_lidar_m = np.einsum("nji,nj->ni", axes, center_m - origin_m)
    heading = np.einsum("nji,nj->ni", axes, rotation[:, :, 0])
    yaw_rad = np.arctan2(heading[:, 1], heading[:, 0])
    size_m = np.array([thing.size_m for thing in things]) + 2 * _SLACK_M
    boxes = np.column_stack([center_lidar_m, size_m, yaw_rad])
    velocity_mps = np.einsum("nji,nj->ni", axes, velocity)[:, :2]
    class_id = np.array([thing.class_id for thing in things])
    near = np.linalg.norm(center_lidar_m, axis=1) <= spec.max_range_m
    return Boxes3d.of(boxes, class_id, velocity_mps=velocity_mps, frame_id=frame_id).taken(near)


def points_of_things(cloud: PointCloud, things: Boxes3d) -> np.ndarray:
    """(N,) int64 points with the class of the thing in its box: neither ground nor what stands beside it."""
    from lidar_vl_core.boxes.points_in_boxes import points_in_boxes  # here, as data sets are listed without numba

    point, box = points_in_boxes(cloud.xyz_m, things.boxes)
    own = np.asarray(cloud.extra["label"])[point] == things.class_id[box]
    return np.bincount(box[own], minlength=len(things))


def _poses(
    world: World, things: list[Thing], moving: list[tuple[int, Thing]], time_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (N, 3) and rotations (N, 3, 3) in the world, each at its own time (N,)."""
    center_m = np.array([thing.center_m for thing in things])
    rotation = np.array([thing.rotation for thing in things])
    if moving:
        first = len(things) - len(moving)
        actors = [world.actors[number] for number, _ in moving]
        position_m, turn = actor_poses(world.plan, actors, time_s[first:])
        center_m[first:] = position_m + np.einsum("nij,nj->ni", turn, center_m[first:])
        rotation[first:] = turn @ rotation[first:]
    return center_m, rotation


def _lidar_poses(world: World, spec: LidarSpec, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origins (N, 3) and axes (N, 3, 3) of the LiDAR's frame in the world."""
    T_base_lidar = spec.T_base_lidar()
    known, row = np.unique(time_s, return_inverse=True)
    poses = [world.ego_pose(float(time)) @ T_base_lidar for time in known]
    return np.array([pose.translation_m for pose in poses])[row], np.array([pose.rotation for pose in poses])[row]


def _share_of_turn(world: World, spec: LidarSpec, center_m: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """(N,) 0..1: how far the head has turned, clockwise from straight behind, when it looks at each centre."""
    origin_m, axes = _lidar_poses(world, spec, time_s)
    seen_m = np.einsum("nji,nj->ni", axes, center_m - origin_m)
    return (np.pi - np.arctan2(seen_m[:, 1], seen_m[:, 0])) / (2 * np.pi)
