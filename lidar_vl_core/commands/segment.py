"""One cloud through the network: labelled cloud, image, and how many points each class has. Writes files."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.cloud_files import read_cloud_file, write_labelled_cloud
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.figures import labelled_png
from lidar_vl_core.evaluation.seen_sweeps import SeenSweeps
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_core.foundation.files import write_bytes
from lidar_vl_core.foundation.processes.compilation import compilation_told
from lidar_vl_core.tasks.segmenter import Segmenter


def read_with_warnings(path: Path, columns: str | None = None, intensity_max: float | None = None) -> PointCloud:
    """The cloud of a file; what is odd about how it was read goes to stderr. columns: names between commas, of a .bin.

    Raises BadCloudFile.
    """
    names = None if columns is None else [name.strip() for name in columns.split(",")]
    read = read_cloud_file(path, names, intensity_max)
    for remark in read.remarks:
        print(f"warning: {path}: {remark}", file=sys.stderr)
    return read.cloud


def segment(cloud: PointCloud, segmenter: Segmenter, out: Path, picture: Path | None) -> list[str]:
    """Label a cloud and write it, with an image of it from above where one is asked for; returns lines for people.

    Raises what the segmenter does, and BadCloudFile for a format that cannot be written; nothing is written then.
    """
    with compilation_told():
        segmenter.warm_up()
    labels = segmenter.segment(cloud)
    if picture is not None:
        write_bytes(picture, labelled_png(cloud.measured_xyz_m(), labels.class_id, segmenter.classes))
    try:
        write_labelled_cloud(out, cloud, labels)
    except LidarVlError:
        if picture is not None:
            picture.unlink(missing_ok=True)
        raise
    seen = SeenSweeps()
    seen.add(cloud, labels)
    odd = [f"warning: {line}" for line in seen.warnings(segmenter.package.manifest.training_sweeps)]
    lines = odd + _class_counts(labels.class_id, segmenter.classes.names)
    if any(cloud.origin_m):
        lines.append(f"origin of the points, in metres: {' '.join(f'{m:.0f}' for m in cloud.origin_m)}")
    return [*lines, f"{len(cloud):,} points labelled in {labels.timing_ms['total']:.0f} ms: {out}"]


def _class_counts(class_id: np.ndarray, names: Sequence[str]) -> list[str]:
    counts = np.bincount(class_id, minlength=256)
    most_first = sorted(zip(counts, names, strict=False), reverse=True)
    lines = [f"  {name:<24}{count:>9,}" for count, name in most_first if count]
    return lines + ([f"  {'(no answer)':<24}{counts[IGNORE_ID]:>9,}"] if counts[IGNORE_ID] else [])
