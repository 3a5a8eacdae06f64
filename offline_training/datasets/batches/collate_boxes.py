"""Scans with boxes to one batch: the network's inputs, and the boxes of each scan, free of what a network makes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import torch

from lidar_vl_core.boxes.boxes3d import Boxes3d
from offline_training.datasets.augment.box_scan import BoxScan
from offline_training.networks.base.point_backbone import Scan


class Inputs(Protocol):
    """What a network reads: BackboneInputs, or a detector's own."""

    def to(self: "InputsT", device: torch.device | str) -> "InputsT":
        """The same inputs on another device."""
        ...


InputsT = TypeVar("InputsT", bound=Inputs)


@dataclass(frozen=True)
class BoxBatch(Generic[InputsT]):
    """Several scans, one behind the other."""

    inputs: InputsT
    boxes: tuple[Boxes3d, ...]  # of each scan, in the frame of its points

    def to(self, device: torch.device | str) -> "BoxBatch[InputsT]":
        """The batch with its inputs on another device."""
        return replace(self, inputs=self.inputs.to(device))


def collate_boxes(scans: Sequence[BoxScan], preparer: Callable[[Sequence[Scan]], InputsT]) -> BoxBatch[InputsT]:
    """Join scans; a preparer gets points, intensities and, where sweeps are joined, the seconds before the annotated one."""
    return BoxBatch(preparer([network_scan(scan) for scan in scans]), tuple(scan.boxes for scan in scans))


def network_scan(scan: BoxScan) -> Scan:
    """The arrays of a scan that networks read."""
    if scan.time_lag_s is None:
        return scan.xyz_m, scan.intensity
    return scan.xyz_m, scan.intensity, scan.time_lag_s
