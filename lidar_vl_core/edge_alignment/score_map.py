"""How well depth edges and image edges would fit if the camera were turned or moved: one score per change."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.edge_alignment.depth_edges import DepthEdges
from lidar_vl_core.edge_alignment.image_edges import ImageEdges

TURNS_DEG = np.linspace(-2.5, 2.5, 21)  # (A,)
SHIFTS_M = np.linspace(-0.4, 0.4, 21)  # (A,)
_EDGES_AT_ONCE = 1000  # each is looked at in all changes: 60 MB for so many
FOCAL_PX = 450.0  # of the reduced image: 8 px a degree, whatever lens the camera has


@dataclass(frozen=True, eq=False)
class ScoreMaps:
    """Sums over edges of how much the image edges stand out where they fall; those of several frames add up."""

    turned: np.ndarray  # (A, A) float64, by yaw and pitch of the points in the optical frame, in TURNS_DEG
    shifted: np.ndarray  # (A, A) float64, by their shift to the right and down, in SHIFTS_M
    edges: int

    def __add__(self, other: "ScoreMaps") -> "ScoreMaps":
        return ScoreMaps(self.turned + other.turned, self.shifted + other.shifted, self.edges + other.edges)


def no_scores() -> ScoreMaps:
    """The score map of no frame at all."""
    return ScoreMaps(np.zeros((len(TURNS_DEG),) * 2), np.zeros((len(SHIFTS_M),) * 2), 0)


def reduced(camera: CameraModel) -> CameraModel:
    """The camera with its image reduced to FOCAL_PX; one of fewer pixels as it is."""
    scale = min(1.0, FOCAL_PX / float(camera.K[0, 0]))
    return camera.scaled(max(round(camera.width * scale), 1), max(round(camera.height * scale), 1))


def score_maps(depth: DepthEdges, image: ImageEdges, camera: CameraModel) -> ScoreMaps:
    """Score every change for the edges of one frame. camera: of the image that `image` has the size of."""
    turned, shifted = np.zeros(len(_TURNS)), np.zeros(len(_SHIFTS_M))
    for stands_out, chosen in ((image.upright, depth.is_upright), (image.level, ~depth.is_upright)):
        places_m = depth.xyz_cam_m[chosen]
        for start in range(0, len(places_m), _EDGES_AT_ONCE):
            xyz_cam_m = places_m[start : start + _EDGES_AT_ONCE]
            turned += _scores(np.einsum("tij,ej->tei", _TURNS, xyz_cam_m), stands_out, camera)
            shifted += _scores(xyz_cam_m + _SHIFTS_M[:, None], stands_out, camera)
    side = len(TURNS_DEG)
    return ScoreMaps(turned.reshape(side, side), shifted.reshape(side, side), len(depth))


def turn(yaw_deg: float, pitch_deg: float) -> np.ndarray:
    """(3, 3) rotation of points in an optical frame: yaw moves what is seen to the right, then pitch moves it up."""
    yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    return about_x @ about_y


_TURNS = np.stack([turn(yaw, pitch) for yaw in TURNS_DEG for pitch in TURNS_DEG])  # (A * A, 3, 3)
_SHIFTS_M = np.array([(right, down, 0.0) for right in SHIFTS_M for down in SHIFTS_M])  # (A * A, 3)


def _scores(xyz_cam_m: np.ndarray, stands_out: np.ndarray, camera: CameraModel) -> np.ndarray:
    """(C,) sums over the edges of each change (C, E, 3); one that falls beside the image counts as 0."""
    from scipy import ndimage

    changes, edges, _ = xyz_cam_m.shape
    uv_px, _, visible = camera.project(xyz_cam_m.reshape(-1, 3))
    uv_px[~visible] = -10.0
    found = ndimage.map_coordinates(stands_out, uv_px.T[::-1], order=1, mode="constant", cval=0.0)
    return found.reshape(changes, edges).sum(axis=1)
