"""Find objects in LiDAR clouds: clouds in, one array of boxes out for each, possibly empty."""

import sys
from typing import Any

from lidar_vl_ros.parameters.each_node import DetectionParameters
from lidar_vl_ros.process.run_node import run_node
from lidar_vl_ros.tasks.detection import DetectionTask, OpenDetector, open_detector
from lidar_vl_ros.tasks.task_node import TaskNode


class DetectionNode(TaskNode):
    """~/input/pointcloud -> ~/output/objects/markers, boxes and detections."""

    def __init__(self, open_detector: OpenDetector = open_detector, **node_options: Any) -> None:  # noqa: ANN401
        super().__init__("detection_node", DetectionParameters, **node_options)
        self.detection = DetectionTask(self, open_detector)
        self.does(self.detection)


def main(args: list[str] | None = None) -> int:
    """Run the node until shutdown."""
    return run_node(DetectionNode, DetectionParameters, args)


if __name__ == "__main__":
    sys.exit(main())
