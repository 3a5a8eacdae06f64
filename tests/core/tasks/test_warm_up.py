"""Loops beside the network are compiled before the first message, in the forms in which messages need them."""

import multiprocessing

import numpy as np

from lidar_vl_core.boxes.loops import point_loops
from lidar_vl_core.boxes.majority import majority_in_boxes
from lidar_vl_core.cameras import pairing_loops
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.camera_overlay import Coloring, camera_overlay
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.tasks.warm_up_cloud import compile_loops_beside_the_network


def _compiled() -> dict[str, int]:
    loops = {name: loop for module in (point_loops, pairing_loops) for name, loop in vars(module).items()}
    return {name: len(loop.signatures) for name, loop in loops.items() if hasattr(loop, "signatures")}


def _warm_up_then_answer() -> None:
    compile_loops_beside_the_network()
    before = _compiled()
    assert before["points_of_boxes"] == before["seen_points"] == before["not_behind"] == 1
    xyz_m = np.random.default_rng(0).uniform(-50, 50, (40_000, 3)).astype(np.float32)
    grey = np.full((720, 960, 3), 127, np.uint8)
    lens = CameraModel(960, 720, np.array([[500.0, 0, 480], [0, 500, 360], [0, 0, 1]]))
    for points in (xyz_m, np.frombuffer(xyz_m.tobytes(), np.float32).reshape(-1, 3)):
        cloud = PointCloud(points, np.zeros(len(points), np.float32), 1, "lidar")
        majority_in_boxes(cloud.xyz_m, np.zeros(len(points), np.uint8), np.array([[0, 0, 0, 4, 2, 2, 0.3]], float))
        camera_overlay(
            grey, lens, RigidTransform.identity(), cloud.xyz_m, [Coloring(np.zeros((len(points), 3), np.uint8))], 480
        )
    assert _compiled() == before


def test_boxes_and_images_of_a_real_cloud_wait_for_no_compiler():
    process = multiprocessing.get_context("spawn").Process(target=_warm_up_then_answer)  # where nothing is loaded yet
    process.start()
    process.join()
    assert process.exitcode == 0
