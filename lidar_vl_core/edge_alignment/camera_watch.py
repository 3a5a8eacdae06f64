"""CameraWatch: the alignment of each camera over time, frame by frame."""

from collections import deque
from itertools import pairwise

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.edge_alignment.alignment import Alignment, alignment_of
from lidar_vl_core.edge_alignment.depth_edges import depth_edges
from lidar_vl_core.edge_alignment.image_edges import image_edges
from lidar_vl_core.edge_alignment.score_map import ScoreMaps, no_scores, reduced, score_maps


class CameraWatch:
    """Sums the scores of the last frames of each camera."""

    def __init__(self, frames: int) -> None:
        """frames: number kept for each camera; older ones are dropped."""
        self._frames = frames
        self._seen: dict[str, deque[tuple[int, ScoreMaps]]] = {}

    def add(self, cloud: PointCloud, view: CameraView) -> None:
        """Add one image of a cloud. Raises BadImage or BadCalibration where it cannot be used."""
        rgb = view.load_rgb()
        view.require_size(rgb)
        kept = self._seen.setdefault(view.name, deque(maxlen=self._frames))
        kept.append((view.stamp_ns, frame_scores(cloud, view, rgb)))

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras that were added, by name."""
        return tuple(sorted(self._seen))

    def frames(self, camera: str) -> int:
        """How many images of a camera are kept."""
        return len(self._seen[camera])

    def scores(self, camera: str) -> ScoreMaps:
        """The sum over all frames that are kept."""
        return sum((maps for _, maps in self._seen[camera]), no_scores())

    def alignment(self, camera: str) -> Alignment:
        """The alignment over all frames that are kept."""
        return alignment_of(self.scores(camera))

    def over_time(self, camera: str, parts: int) -> list[tuple[int, int, Alignment]]:
        """First and last stamp of each part of the frames, and what it says; at most so many parts of equal length."""
        kept = list(self._seen[camera])
        bounds = np.linspace(0, len(kept), min(parts, len(kept)) + 1).round().astype(int)
        found = []
        for start, stop in pairwise(bounds):
            part = kept[start:stop]
            found.append((part[0][0], part[-1][0], alignment_of(sum((maps for _, maps in part), no_scores()))))
        return found


def frame_scores(cloud: PointCloud, view: CameraView, rgb: np.ndarray) -> ScoreMaps:
    """Scores of one image (H, W, 3) and its cloud."""
    camera = reduced(view.camera)
    depth = depth_edges(cloud.xyz_m[cloud.has_return()], camera, view.T_cam_lidar)
    return score_maps(depth, image_edges(rgb, camera.width, camera.height), camera)
