"""One cloud through a detector: a list of boxes, an image, and how many each class has. Writes files."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.box_list import write_box_list
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.box_figures import boxes_from_above_figure
from lidar_vl_core.drawing.figures import in_rows, legend, png_bytes
from lidar_vl_core.foundation.files import write_bytes
from lidar_vl_core.foundation.processes.compilation import compilation_told
from lidar_vl_core.tasks.detector import Detector


def detect(cloud: PointCloud, detector: Detector, out: Path, picture: Path | None) -> list[str]:
    """Find the boxes of a cloud and write them, with an image from above where one is asked for; returns lines for people.

    Raises what the detector does, and BadRequest for a format that cannot be written; nothing is written then.
    """
    with compilation_told():
        detector.warm_up()
    boxes, timing_ms = detector.detect_timed(cloud)
    write_box_list(out, boxes, detector.classes, cloud.stamp_ns)
    if picture is not None:
        best_last = boxes.taken(np.arange(len(boxes))[::-1])  # the best lie on top
        from_origin = replace(best_last, boxes=best_last.boxes - np.array([*cloud.origin_m, 0, 0, 0, 0]))
        drawn = boxes_from_above_figure(cloud.measured_xyz_m(), from_origin, None, detector.classes, 900)
        write_bytes(picture, png_bytes(in_rows([drawn, legend(detector.classes, boxes.class_id, drawn.width)], 1)))
    counts = np.bincount(boxes.class_id, minlength=len(detector.classes))
    lines = [f"  {name:<24}{count:>6}" for name, count in zip(detector.classes.names, counts, strict=True) if count]
    return [*lines, f"{len(boxes)} boxes in {len(cloud):,} points, in {timing_ms['total']:.0f} ms: {out}"]
