"""Collates paired scans: the 3D network's inputs, the images, and which row of the network belongs to which pixel."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.networks.base.point_backbone import BackboneInputs, Preparer
from offline_training.pretraining.views.corrupted_truth import true_classes
from offline_training.pretraining.views.paired_scan import PairedScan


@dataclass(frozen=True)
class PretrainBatch:
    """Several scans with all their images, concatenated; I images, P pairs, B scans."""

    inputs: BackboneInputs
    images: Tensor  # (I, h, w, 3) uint8: a quarter of what floats would cost to move
    pair_row: Tensor  # (P,) int64 row of the network's output
    pair_image: Tensor  # (P,) int64 into the images
    pair_uv: Tensor  # (P, 2) int64 column, row
    pair_class: Tensor  # (P,) int64 weak class, 255 = none
    pair_true_class: Tensor  # (P,) int64 class of the point, 255 = none or unknown
    pair_distance_m: Tensor  # (P,) float32 horizontal range of the point as the network sees it
    superpixels: Tensor | None  # (I, h, w) int64 ids, unique in the batch; -1 = none
    superpixel_count: int  # ids lie below it
    point_segment: Tensor | None  # (N,) int64 cluster of each point of the batch, unique in the batch; -1 = none
    segment_count: int  # ids lie below it

    def rgb(self) -> Tensor:
        """(I, 3, h, w) float32 images, 0..1."""
        return self.images.permute(0, 3, 1, 2).to(torch.float32).div(255.0)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.images.shape[1], self.images.shape[2]

    def superpixel_map(self) -> Tensor:
        """(I, h, w) int64 superpixels. Raises BadDataset if the scans have none."""
        if self.superpixels is None:
            raise BadDataset(
                "superpixels: expected them for every scan of the batch, found none. Make them with `lidar-vl-train weak-label`."
            )
        return self.superpixels

    def pair_superpixel(self) -> Tensor:
        """(P,) int64 superpixel under each pair, -1 = none. Raises as superpixel_map."""
        return self.superpixel_map()[self.pair_image, self.pair_uv[:, 1], self.pair_uv[:, 0]]

    def numbers(self) -> dict[str, float]:
        """Size of the batch, for the log."""
        labelled = int((self.pair_class != IGNORE_ID).sum())
        return {"rows": self.inputs.row_count, "pairs": len(self.pair_row), "labelled_pairs": labelled}

    def of_scans(self, chosen: Tensor) -> "PretrainBatch":
        """Only the pairs and clusters of some samples; chosen: (B,) bool. A sample may be several scans in a row."""
        scans = len(self.inputs.points_per_scan)
        chosen = chosen.repeat_interleave(scans // len(chosen)).to(self.pair_row.device)
        kept = chosen[self.inputs.scans_of_rows()[self.pair_row]]
        of_pairs = ("pair_row", "pair_image", "pair_uv", "pair_class", "pair_true_class", "pair_distance_m")
        segment = self.point_segment
        if segment is not None:
            segment = torch.where(chosen[self.inputs.scan_of_point()], segment, -1)
        return replace(self, **{name: getattr(self, name)[kept] for name in of_pairs}, point_segment=segment)

    def to(self, device: torch.device | str) -> "PretrainBatch":
        """The batch on another device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in values.items() if hasattr(value, "to")})


def collate_pairs(
    scans: Sequence[PairedScan], preparer: Preparer, scans_per_sample: int = 1, first_of_row: bool = False
) -> PretrainBatch:
    """Join scans whose images have one size; pairs whose point has no row of the network are removed.

    first_of_row: only the first point of each row keeps its pairs; scans_per_sample: number of consecutive scans that
    share segment ids, as the two sweeps of common_segments do. Raises BadDataset if sizes differ or only some scans
    have superpixels or segments.
    """
    _require_one_size(scans)
    inputs = preparer([(scan.xyz_m, scan.intensity) for scan in scans])
    first_point = np.cumsum([0] + [len(scan) for scan in scans])
    first_image = np.cumsum([0] + [len(scan.images) for scan in scans])
    point_index = np.concatenate([scan.point_index + first for scan, first in zip(scans, first_point, strict=False)])
    row = inputs.row_of_point.numpy()[point_index]
    kept = row >= 0
    if first_of_row:
        kept &= _first_point_of_row(inputs)[row] == point_index

    def pairwise(arrays: list[np.ndarray], dtype: type = np.int64) -> Tensor:
        return torch.from_numpy(np.concatenate(arrays).astype(dtype, copy=False)[kept])

    superpixels, superpixel_count = _global_superpixels(scans)
    segments, segment_count = _global_segments(scans, scans_per_sample)
    return PretrainBatch(
        inputs=inputs,
        images=torch.from_numpy(np.stack([image for scan in scans for image in scan.images])),
        pair_row=torch.from_numpy(row[kept]),
        pair_image=pairwise([scan.image_index + first for scan, first in zip(scans, first_image, strict=False)]),
        pair_uv=pairwise([scan.pixel_uv for scan in scans]),
        pair_class=pairwise([scan.weak_class for scan in scans]),
        pair_true_class=pairwise([true_classes(scan) for scan in scans]),
        pair_distance_m=pairwise([_horizontal_range_m(scan) for scan in scans], np.float32),
        superpixels=superpixels,
        superpixel_count=superpixel_count,
        point_segment=segments,
        segment_count=segment_count,
    )


def _first_point_of_row(inputs: BackboneInputs) -> np.ndarray:
    """(R + 1,) int64; the last entry serves points without a row."""
    row = inputs.row_of_point.numpy()[::-1]
    first = np.full(inputs.row_count + 1, -1)
    first[row] = np.arange(len(row))[::-1]  # the last of equal rows remains
    return first


def _horizontal_range_m(scan: PairedScan) -> np.ndarray:
    x_m, y_m, _ = scan.xyz_m[scan.point_index].T
    return np.hypot(x_m, y_m)


def _global_superpixels(scans: Sequence[PairedScan]) -> tuple[Tensor | None, int]:
    """Make local ids unique: image * (largest local id + 1) + local."""
    maps = [scan.superpixels for scan in scans if scan.superpixels is not None]
    if _none_have("superpixels", len(maps), len(scans)):
        return None, 0
    local = np.stack([ids for of_scan in maps for ids in of_scan]).astype(np.int64)
    per_image = int(local.max(initial=-1)) + 1
    first = np.arange(len(local))[:, None, None] * per_image
    return torch.from_numpy(np.where(local < 0, -1, local + first)), per_image * len(local)


def _global_segments(scans: Sequence[PairedScan], scans_per_sample: int) -> tuple[Tensor | None, int]:
    local = [scan.segment.astype(np.int64) for scan in scans if scan.segment is not None]
    if _none_have("segments", len(local), len(scans)):
        return None, 0
    first, unique = 0, []
    for start in range(0, len(local), scans_per_sample):
        sample = local[start : start + scans_per_sample]
        unique += [np.where(one < 0, -1, one + first) for one in sample]
        first += max(int(one.max(initial=-1)) for one in sample) + 1
    return torch.from_numpy(np.concatenate(unique)), first


def _none_have(what: str, present: int, of: int) -> bool:
    if 0 < present < of:
        raise BadDataset(
            f"{what}: expected them for every scan of a batch or for none, found them for {present} of {of}. Make them "
            "for every data set of the run."
        )
    return present == 0


def _require_one_size(scans: Sequence[PairedScan]) -> None:
    sizes = {image.shape for scan in scans for image in scan.images}
    if not sizes:
        raise BadDataset(
            "images of a batch: expected at least one, found none. Use a data set with cameras, or select its cameras."
        )
    if len(sizes) > 1:
        raise BadDataset(
            f"images of a batch: expected one size, found {sorted(sizes)}. Resize them with pair_augment first."
        )
