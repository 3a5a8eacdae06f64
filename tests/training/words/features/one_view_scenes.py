"""Scenes of few points and views, and a model whose feature of a pixel is where it lies."""

import numpy as np
import torch

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.words.scenes.extract_config import ExtractConfig
from tests.training.words.features.feature_scenes import CAMERA

PER_POINT = ExtractConfig(voxel_m=None, occlusion="none", border_px=0)


def scene_of(xyz_m, *views):
    cloud = PointCloud(np.asarray(xyz_m, np.float32), np.zeros(len(xyz_m), np.float32), 0, "scene")
    return Sample("scene", cloud, None, class_table("nuscenes16"), views)


def view_of(T_cam_scene=None, camera=CAMERA, depth_m=None):
    load_depth_m = None if depth_m is None else lambda: depth_m
    pose = T_cam_scene or RigidTransform.identity()
    return CameraView("camera", camera, pose, 0, lambda: None, load_depth_m=load_depth_m)


def pixel_numbers(view):
    """(2, H, W): what a pixel says is where it lies."""
    v, u = torch.meshgrid(torch.arange(view.camera.height), torch.arange(view.camera.width), indexing="ij")
    return torch.stack([u, v]).float()
