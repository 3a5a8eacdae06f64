"""Labelled scans to one batch: the network's inputs, and the classes of rows and points."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.networks.base.point_backbone import BackboneInputs, Preparer


@dataclass(frozen=True)
class Batch:
    """Several scans, one behind the other."""

    inputs: BackboneInputs
    row_class: Tensor  # (R,) int64 class of each row of the network's output, 255 = ignore
    point_class: Tensor  # (P,) int64, 255 = ignore

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device."""
        return replace(
            self,
            inputs=self.inputs.to(device),
            row_class=self.row_class.to(device),
            point_class=self.point_class.to(device),
        )


def collate(scans: Sequence[LabelledScan], preparer: Preparer, num_classes: int, first_point: bool = False) -> Batch:
    """Join scans; a row takes the class that most of its points have, or that of its first point."""
    inputs = preparer([(scan.xyz_m, scan.intensity) for scan in scans])
    class_id = np.concatenate([scan.class_id for scan in scans])
    row_of_point = inputs.row_of_point.numpy()
    if first_point:
        classes = class_of_first_point(class_id, row_of_point, inputs.row_count)
    else:
        classes = row_class(class_id, row_of_point, inputs.row_count, num_classes)
    return Batch(
        inputs=inputs,
        row_class=torch.from_numpy(classes.astype(np.int64)),
        point_class=torch.from_numpy(class_id.astype(np.int64)),
    )


def row_class(class_id: np.ndarray, row_of_point: np.ndarray, row_count: int, num_classes: int) -> np.ndarray:
    """(R,) uint8 class that most labelled points of a row have, the lower id in a draw, 255 where none has one."""
    counted = (row_of_point >= 0) & (class_id != IGNORE_ID)
    cell = row_of_point[counted].astype(np.int64) * num_classes + class_id[counted]
    votes = np.bincount(cell, minlength=row_count * num_classes).reshape(-1, num_classes)
    winner = votes.argmax(axis=1).astype(np.uint8)
    winner[votes.max(axis=1, initial=0) == 0] = IGNORE_ID
    return winner


def class_of_first_point(class_id: np.ndarray, row_of_point: np.ndarray, row_count: int) -> np.ndarray:
    """(R,) uint8 class of the first point of each row, labelled or not, as in the code of SLidR and OLIVINE."""
    classes = np.full(row_count + 1, IGNORE_ID, np.uint8)  # the row -1 writes the last
    classes[row_of_point[::-1]] = class_id[::-1]  # of equal rows the last written stays
    return classes[:row_count]
