"""One class per LiDAR point: clouds in, labelled clouds out, with the same header and in the same order."""

import sys
from typing import Any

from lidar_vl_ros.parameters.each_node import SegmentationParameters
from lidar_vl_ros.process.run_node import run_node
from lidar_vl_ros.tasks.segmentation import OpenSegmenter, SegmentationTask, open_segmenter
from lidar_vl_ros.tasks.task_node import TaskNode


class SegmentationNode(TaskNode):
    """~/input/pointcloud -> ~/output/pointcloud/segmentation and further outputs."""

    def __init__(self, open_segmenter: OpenSegmenter = open_segmenter, **node_options: Any) -> None:  # noqa: ANN401
        super().__init__("segmentation_node", SegmentationParameters, **node_options)
        self.segmentation = SegmentationTask(self, open_segmenter)
        self.does(self.segmentation)


def main(args: list[str] | None = None) -> int:
    """Run the node until shutdown."""
    return run_node(SegmentationNode, SegmentationParameters, args)


if __name__ == "__main__":
    sys.exit(main())
