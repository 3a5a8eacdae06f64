"""How well depth edges and image edges fit if the camera were turned: one score for each yaw and pitch."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.edge_alignment.depth_edges import DepthEdges
from lidar_vl_core.edge_alignment.image_edges import ImageEdges

STEP_DEG, REACH_DEG = 0.25, 2.5
ANGLES_DEG = np.arange(-REACH_DEG, REACH_DEG + STEP_DEG / 2, STEP_DEG)  # (A,)
FOCAL_PX = 450.0  # of the reduced image: 8 px a degree, whatever lens the camera has


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Sum over edges of how much the image edges stand out where they fall; maps of several frames add up."""

    total: np.ndarray  # (A, A) float64, by yaw and pitch of the turn, in ANGLES_DEG
    edges: int

    def __add__(self, other: "ScoreMap") -> "ScoreMap":
        return ScoreMap(self.total + other.total, self.edges + other.edges)

    def mean(self) -> np.ndarray:
        """(A, A) a edge."""
        return self.total / max(self.edges, 1)


def no_scores() -> ScoreMap:
    """Of no frame."""
    return ScoreMap(np.zeros((len(ANGLES_DEG),) * 2), 0)


def reduced(camera: CameraModel) -> CameraModel:
    """The camera with its image reduced to FOCAL_PX; one of fewer pixels as it is."""
    scale = min(1.0, FOCAL_PX / float(camera.K[0, 0]))
    return camera.scaled(max(round(camera.width * scale), 1), max(round(camera.height * scale), 1))


def score_map(depth: DepthEdges, image: ImageEdges, camera: CameraModel) -> ScoreMap:
    """Score every turn of a camera for the edges of one frame. camera: of the image that `image` has the size of."""
    total = np.zeros(len(ANGLES_DEG) ** 2)
    for stands_out, chosen in ((image.upright, depth.is_upright), (image.level, ~depth.is_upright)):
        total += _scores(depth.xyz_cam_m[chosen], stands_out, camera)
    return ScoreMap(total.reshape(len(ANGLES_DEG), -1), len(depth))


def turn(yaw_deg: float, pitch_deg: float) -> np.ndarray:
    """(3, 3) of a camera's optical frame: yaw about its y (down; moves what is seen to the right), then pitch about its x (up)."""
    yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    return about_x @ about_y


_TURNS = np.stack([turn(yaw, pitch) for yaw in ANGLES_DEG for pitch in ANGLES_DEG])


def _scores(xyz_cam_m: np.ndarray, stands_out: np.ndarray, camera: CameraModel) -> np.ndarray:
    """(A * A,) sums over edges (E, 3); one that falls beside the image counts as 0."""
    from scipy import ndimage

    if not len(xyz_cam_m):
        return np.zeros(len(_TURNS))
    turned_m = np.einsum("tij,ej->tei", _TURNS, xyz_cam_m).reshape(-1, 3)
    uv_px, _, visible = camera.project(turned_m)
    uv_px[~visible] = -10.0
    found = ndimage.map_coordinates(stands_out, uv_px.T[::-1], order=1, mode="constant", cval=0.0)
    return found.reshape(len(_TURNS), -1).sum(axis=1)
