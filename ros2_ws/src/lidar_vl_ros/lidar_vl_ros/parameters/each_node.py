"""Parameters of each of the three nodes: those of every node, and those of its tasks."""

from typing import Any, ClassVar

from pydantic import Field, model_validator

from lidar_vl_ros.parameters.node_parameters import NodeParameters
from lidar_vl_ros.parameters.task_parameters import DetectionTaskParameters, SegmentationTaskParameters


class SegmentationParameters(SegmentationTaskParameters, NodeParameters):
    """Parameters of segmentation_node."""


class DetectionParameters(DetectionTaskParameters, NodeParameters):
    """Parameters of detection_node."""


class PerceptionParameters(NodeParameters):
    """Parameters of perception_node: each task's own parameters are below its name."""

    retired: ClassVar[dict[str, str]] = NodeParameters.retired | {
        "model": "as there are two: segmentation.model and detection.model"
    }

    use_segmentation: bool = Field(True, description="Label points; false: the segmentation model is not loaded")
    use_detection: bool = Field(True, description="Find objects; false: the detection model is not loaded")
    segmentation: SegmentationTaskParameters = SegmentationTaskParameters.model_validate({})
    detection: DetectionTaskParameters = DetectionTaskParameters.model_validate({})

    @model_validator(mode="after")
    def _has_a_task(self) -> "PerceptionParameters":
        if not (self.use_segmentation or self.use_detection):
            raise ValueError("use_segmentation, use_detection: expected at least one to be true, found both false")
        return self

    def of_segmentation(self) -> SegmentationParameters:
        """The parameters as the node of this task alone would have them."""
        return SegmentationParameters(**self._shared(), **dict(self.segmentation))

    def of_detection(self) -> DetectionParameters:
        """The parameters as the node of this task alone would have them."""
        return DetectionParameters(**self._shared(), **dict(self.detection))

    def _shared(self) -> dict[str, Any]:
        return {name: value for name, value in self if name in NodeParameters.model_fields}
