"""Six cameras around the vehicle in a synthetic world: colour with sun, shadows and sky, depth, and classes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.synthetic.sensors.lidar_spec import LidarSpec
from offline_training.synthetic.sensors.scene import ActorRays, Hits, Part, Scene
from offline_training.synthetic.sensors.shading import Weather, shade, to_bytes
from offline_training.synthetic.sensors.shot import CameraMount, Picture, Shot
from offline_training.synthetic.world.meshes import yaw_rotation

_FAR_M = 320.0
_FLU_OF_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # optical: x right, y down, z forward
_EDGE_STEP = 0.05  # a jump of linear light between neighbours above which a pixel is sampled more often
_EXTRA_SAMPLES = np.array([[-0.33, -0.12], [0.12, -0.33], [0.25, 0.3]], np.float32)


# The ring of nuScenes; the LiDAR turns clockwise from straight behind.
RING = (
    CameraMount("front", (1.70, 0.0, 1.51), 0.0, 70.0, 0.5),
    CameraMount("front_right", (1.55, -0.49, 1.50), -55.0, 70.0, 0.5 + 55 / 360),
    CameraMount("back_right", (1.01, -0.48, 1.56), -110.0, 70.0, 0.5 + 110 / 360),
    CameraMount("back", (0.03, 0.0, 1.57), 180.0, 110.0, 1.0),
    CameraMount("back_left", (1.03, 0.48, 1.56), 110.0, 70.0, 0.5 - 110 / 360),
    CameraMount("front_left", (1.52, 0.49, 1.51), 55.0, 70.0, 0.5 - 55 / 360),
)


def take_ring(scene: Scene, weather: Weather, lidar: LidarSpec, end_s: float, image_width: int) -> Iterator[Shot]:
    """The six 16:9 images of a sweep that ends at end_s, each taken as the beam passes the middle of its view."""
    T_world_lidar = scene.world.ego_pose(end_s) @ lidar.T_base_lidar()
    shadows = scene.moving_shade(end_s)  # once per sweep: building it is dear, and 0.1 s moves a shadow little
    for mount in RING:
        time_s = end_s - (1.0 - mount.delay_share) / lidar.rate_hz
        camera = camera_model(mount, image_width, round(image_width * 9 / 16))
        T_world_base = scene.world.ego_pose(time_s)
        T_world_cam = T_world_base @ T_base_camera(mount)
        picture = render(scene, camera, T_world_cam, time_s, shadows, weather)
        yield Shot(mount, camera, T_world_cam.inverse() @ T_world_lidar, T_world_base, time_s, picture)


def camera_model(mount: CameraMount, width: int, height: int) -> CameraModel:
    """Pinhole of that field of view, no distortion."""
    focal = width / 2 / np.tan(np.radians(mount.field_deg) / 2)
    K = np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1.0]])
    return CameraModel(width, height, K, "plumb_bob", (0.0, 0.0, 0.0, 0.0, 0.0))


def T_base_camera(mount: CameraMount) -> RigidTransform:
    """Optical frame -> base_link."""
    return RigidTransform(yaw_rotation(np.radians(mount.yaw_deg)) @ _FLU_OF_OPTICAL, np.array(mount.xyz_m))


def render(
    scene: Scene, camera: CameraModel, T_world_cam: RigidTransform, time_s: float, shadows: Part, weather: Weather
) -> Picture:
    """One image at one moment; pixels on edges get the mean of four rays."""
    v, u = (index.ravel().astype(np.float32) for index in np.indices((camera.height, camera.width)))
    view = _View(scene, camera, T_world_cam, _seen_actors(scene, camera, T_world_cam, time_s), shadows, weather)
    light, hits, cosine = view.look(u, v)
    edge = np.flatnonzero(_edges(light.reshape(camera.height, camera.width, 3)))
    if len(edge):
        more, _, _ = view.look(
            *((axis[edge] + _EXTRA_SAMPLES[:, column, None]).ravel() for column, axis in enumerate((u, v)))
        )
        light[edge] = (light[edge] + more.reshape(len(_EXTRA_SAMPLES), -1, 3).sum(axis=0)) / (len(_EXTRA_SAMPLES) + 1)
    shape = (camera.height, camera.width)
    return Picture(
        to_bytes(light).reshape(*shape, 3), (hits.range_m * cosine).reshape(shape), hits.class_id.reshape(shape)
    )


@dataclass(frozen=True)
class _SeenActor:
    """A moving thing in view and the rectangle of the image around it."""

    number: int
    position_m: np.ndarray
    rotation: np.ndarray
    low_uv: np.ndarray
    high_uv: np.ndarray


@dataclass(frozen=True)
class _View:
    """All that stays the same for every ray of one image."""

    scene: Scene
    camera: CameraModel
    T_world_cam: RigidTransform
    actors: list[_SeenActor]
    shadows: Part
    weather: Weather

    def look(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, Hits, np.ndarray]:
        """Light (N, 3), hits, and the cosine between ray and optical axis, for pixels u, v (N,) float32."""
        K, R = self.camera.K.astype(np.float32), self.T_world_cam.rotation.astype(np.float32)
        x, y = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
        cosine = 1.0 / np.sqrt(x * x + y * y + 1.0)
        direction = np.stack([(x * R[i, 0] + y * R[i, 1] + R[i, 2]) * cosine for i in range(3)], axis=1)
        origin = np.tile(self.T_world_cam.translation_m.astype(np.float32), (len(u), 1))
        hits = self.scene.cast(origin, direction, _FAR_M, self._actor_rays(u, v))
        lit = self.scene.lit(hits, origin, direction, self.shadows)
        return shade(hits, origin, direction, lit, self.weather), hits, cosine

    def _actor_rays(self, u: np.ndarray, v: np.ndarray) -> Iterator[ActorRays]:
        for actor in self.actors:
            (u0, v0), (u1, v1) = actor.low_uv, actor.high_uv
            rows = np.flatnonzero((u >= u0) & (u <= u1) & (v >= v0) & (v <= v1))
            if len(rows):
                yield ActorRays(actor.number, rows, actor.position_m, actor.rotation)


def _seen_actors(scene: Scene, camera: CameraModel, T_world_cam: RigidTransform, time_s: float) -> list[_SeenActor]:
    T_cam_world = T_world_cam.inverse()
    seen = []
    for number, (position, rotation) in enumerate(zip(*scene.actor_poses(time_s), strict=True)):
        corners = T_cam_world.apply(scene.actor_corners_m[number] @ rotation.T + position)
        if corners[:, 2].max() < 0.2 or corners[:, 2].min() > _FAR_M / 2:
            continue
        low, high = np.full(2, -np.inf), np.full(2, np.inf)
        if corners[:, 2].min() > 0.2:
            image = (corners @ camera.K.T)[:, :2] / corners[:, 2:]
            low, high = image.min(axis=0) - 1, image.max(axis=0) + 1
            if (high < 0).any() or low[0] > camera.width or low[1] > camera.height or (high - low).max() < 2.8:
                continue
        seen.append(_SeenActor(number, position, rotation, low, high))
    return seen


def _edges(image: np.ndarray) -> np.ndarray:
    """(H * W,) bool: pixels that differ from a neighbour in brightness as the eye sees it."""
    tone = np.sqrt(np.clip(image.mean(axis=2), 0, 1))
    edge = np.zeros(tone.shape, bool)
    across, down = np.abs(np.diff(tone, axis=1)) > _EDGE_STEP * 2, np.abs(np.diff(tone, axis=0)) > _EDGE_STEP * 2
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge.ravel()
