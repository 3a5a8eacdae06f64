"""Configuration of how image features reach points, and how they are stored."""

from typing import Annotated, Literal

from pydantic import Field

from lidar_vl_core.foundation.config import Config, Use


class ExtractConfig(Config):
    """Back-projection and storage. The defaults are those of ScanNet in OpenScene."""

    store: str | None = None  # folder of the features, may serve many runs; default: features/ of the run
    occlusion: Literal["depth", "z_buffer", "none"] = (
        "depth"  # depth: depth images of RGB-D views; z_buffer: of the sweep itself, for LiDAR
    )
    relative_margin: Annotated[float, Field(gt=0.0)] = 0.25  # of the measured depth; Matterport: 0.02
    z_buffer_cell_px: Annotated[int, Field(ge=1)] = (
        8  # half the gap between scan lines, pixels; 32 beams at 1600 px: 12
    )
    border_px: Annotated[int, Field(ge=0)] = 10  # pixels discarded on each side; nuScenes: 5
    min_depth_m: Annotated[float, Field(ge=0.0)] = 0.05  # outdoors 1
    voxel_m: Annotated[float, Field(gt=0.0)] | None = (
        0.02  # one feature per voxel of this size; nothing = one per point
    )
    components: Annotated[int, Field(ge=1)] | None = (
        None  # principal components kept per feature; default: all channels
    )
    engine: Literal["local", "ray"] = "local"
    ray_workers: Annotated[int, Field(ge=1)] = 1
    ray_gpus_per_worker: Annotated[float, Field(ge=0.0)] = 0.0
    batch_size: Annotated[int, Field(ge=1)] = 4  # images per call of the model

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            (self.occlusion != "none", ("relative_margin",), "with occlusion: depth or z_buffer"),
            (self.occlusion == "z_buffer", ("z_buffer_cell_px",), "with occlusion: z_buffer"),
        )
