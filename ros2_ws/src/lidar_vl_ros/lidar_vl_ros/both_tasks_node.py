"""Segmentation and detection in one node: each cloud is read, decoded and paired with its images once, for both."""

import sys
from typing import Any

from lidar_vl_ros.parameters.each_node import PerceptionParameters
from lidar_vl_ros.process.run_node import run_node
from lidar_vl_ros.tasks.detection import DetectionTask, OpenDetector, open_detector
from lidar_vl_ros.tasks.segmentation import OpenSegmenter, SegmentationTask, open_segmenter
from lidar_vl_ros.tasks.task_node import TaskNode


class BothTasksNode(TaskNode):
    """~/input/pointcloud -> the outputs of segmentation_node and detection_node; boxes also carry the class of their points."""

    def __init__(
        self,
        open_segmenter: OpenSegmenter = open_segmenter,
        open_detector: OpenDetector = open_detector,
        **node_options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__("perception_node", PerceptionParameters, **node_options)
        self.segmentation = SegmentationTask(self, open_segmenter)
        self.detection = DetectionTask(self, open_detector)
        self.does(self.segmentation, lambda told: told.of_segmentation() if told.use_segmentation else None)
        self.does(self.detection, lambda told: told.of_detection() if told.use_detection else None)


def main(args: list[str] | None = None) -> int:
    """Run the node until shutdown."""
    return run_node(BothTasksNode, PerceptionParameters, args)


if __name__ == "__main__":
    sys.exit(main())
