"""Find objects in a cloud: python docs/examples/detect_boxes.py [CLOUD]. Writes boxes.json and boxes.png."""

import sys
from pathlib import Path

import numpy as np
from segment_a_cloud import made_up_sweep  # beside this file

import lidar_vl_core
from lidar_vl_core.boxes.box_list import write_box_list
from lidar_vl_core.boxes.points_in_boxes import count_points_in_boxes
from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.from_arrays import cloud_from_arrays
from lidar_vl_core.drawing.box_figures import boxes_from_above_figure
from lidar_vl_core.drawing.figures import png_bytes

LEAST_SCORE = 0.3  # the detector itself leaves out lower scores only


def main() -> None:
    """Load the packaged detector, find boxes in a cloud, and print one per line, best first."""
    detector = lidar_vl_core.load("demo_detector")
    cloud = read_cloud(sys.argv[1]) if len(sys.argv) > 1 else cloud_from_arrays(made_up_sweep())
    found = detector.detect(cloud)
    boxes = found.taken(found.score >= LEAST_SCORE)
    points = count_points_in_boxes(cloud.xyz_m, boxes.boxes)
    for box, class_id, score, inside in zip(boxes.boxes, boxes.class_id, boxes.score, points, strict=True):
        x_m, y_m, _, length_m, width_m, height_m, yaw_rad = box
        print(
            f"{detector.classes.names[class_id]:<24}{score:5.2f}  {np.hypot(x_m, y_m):5.1f} m away, "
            f"{length_m:.1f} x {width_m:.1f} x {height_m:.1f} m, heading {np.degrees(yaw_rad):4.0f} deg, {inside} points"
        )
    print(f"{len(boxes)} boxes with a score of at least {LEAST_SCORE}; {len(found)} in total")
    write_box_list(Path("boxes.json"), boxes, detector.classes, cloud.stamp_ns)
    drawn = boxes_from_above_figure(cloud.measured_xyz_m(), boxes, None, detector.classes, 900)
    Path("boxes.png").write_bytes(png_bytes(drawn))


if __name__ == "__main__":
    main()
