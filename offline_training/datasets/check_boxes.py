"""What check-data says of boxes: how many of each class there are, and whether they hold points."""

from collections.abc import Iterator

import numpy as np

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import LidarVlError
from offline_training.datasets.base.box_sample import points_of_boxes
from offline_training.datasets.base.box_source import BoxSource
from offline_training.datasets.base.file_counts import WRONG
from offline_training.datasets.box_sources import box_spec, open_boxes
from offline_training.datasets.data_sources import DataSource, data_set_spec


def box_findings(source: DataSource) -> Iterator[str]:
    """Lines on the boxes of a data set, none where it is not of the kind that has some."""
    spec = box_spec(source.kind)
    if spec is None:
        return
    if not spec.are_there(source, data_set_spec(source.kind).chosen_sequences(source)):
        yield "note: no boxes found"
        return
    try:
        dataset = open_boxes(source, class_table(spec.classes[0]))
    except LidarVlError as error:
        yield f"{WRONG}{error}"
        return
    yield from _counts(dataset)
    yield from _samples(dataset)


def _counts(dataset: BoxSource) -> Iterator[str]:
    """A line for all classes and one on their sizes, and one for each sample whose boxes cannot be read."""
    count, sums = np.zeros(256, np.int64), np.zeros((256, 4))
    for index in range(len(dataset)):
        try:
            boxes = dataset.boxes(index)
        except LidarVlError as error:
            yield f"{WRONG}{error}"
            continue
        count += np.bincount(boxes.class_id, minlength=256)
        bottom_m = boxes.boxes[:, 2] - boxes.boxes[:, 5] / 2
        np.add.at(sums, boxes.class_id, np.column_stack([boxes.boxes[:, 3:6], bottom_m]))
    names = (*dataset.classes.names, "of no class")
    told = [f"{name} {number:,}" for name, number in zip(names, [*count[: len(names) - 1], count[255]], strict=True)]
    yield f"boxes of {dataset.classes.name} in {len(dataset):,} samples: {', '.join(told)}"
    there = [(name, sums[row] / count[row]) for row, name in enumerate(dataset.classes.names) if count[row]]
    if there:
        sizes = [
            f"{name} {' x '.join(f'{size:.2f}' for size in mean[:3])}, bottom {mean[3]:.2f}" for name, mean in there
        ]
        yield f"mean length x width x height and bottom in m, for anchors: {'; '.join(sizes)}"


def _samples(dataset: BoxSource) -> Iterator[str]:
    """The first, the middle and the last sample: how many of its points lie in boxes."""
    for index in sorted({0, len(dataset) // 2, len(dataset) - 1}):
        try:
            sample = dataset[index]
        except LidarVlError as error:
            yield f"{WRONG}{error}"
            continue
        points = points_of_boxes(sample.cloud, sample.boxes)
        told = f"{sample.name}: {len(points)} boxes, {int((points > 0).sum())} of them with points, {points.sum():,} in all"
        fits = len(points) == 0 or points.any()
        yield told if fits else f"{WRONG}{told}: boxes and points do not fit; check that both are in the same frame"
