"""Data sets with sweep poses, and the sweep before or after a given one."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample


@runtime_checkable
class PosedSource(Protocol):
    """Samples of drives with poses, in order of time within each drive."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """The sample of that number."""
        ...

    def T_world_lidar(self, index: int) -> RigidTransform:
        """Pose of a sample's cloud frame in a world frame shared by the samples of a drive."""
        ...


@dataclass(frozen=True, eq=False)
class Neighbour:
    """The sample next to another one in time."""

    sample: Sample
    T_here_there: RigidTransform  # its cloud frame -> the cloud frame of the other one


def neighbour(source: PosedSource, index: int, max_gap_s: float = 2.0) -> Neighbour | None:
    """The next sample of the same drive, or the previous one at its end; None for a single sample.

    Samples belong to one drive when their stamps rise by at most max_gap_s (nuScenes' key frames: 0.5 s).
    """
    here_ns = source[index].cloud.stamp_ns
    for other, direction in ((index + 1, 1), (index - 1, -1)):
        if 0 <= other < len(source):
            sample = source[other]
            if 0 < direction * (sample.cloud.stamp_ns - here_ns) <= max_gap_s * 1e9:
                T_here_there = source.T_world_lidar(index).inverse() @ source.T_world_lidar(other)
                return Neighbour(sample, T_here_there)
    return None
