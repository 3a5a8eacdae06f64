"""What each of the three nodes is told: what every node is, and what its tasks are."""

from typing import Any, ClassVar

from pydantic import Field, model_validator

from lidar_vl_ros.parameters.node_parameters import NodeParameters
from lidar_vl_ros.parameters.task_parameters import DetectionTaskParameters, SegmentationTaskParameters


class SegmentationParameters(SegmentationTaskParameters, NodeParameters):
    """What the segmentation node is told."""


class DetectionParameters(DetectionTaskParameters, NodeParameters):
    """What the detection node is told."""


class PerceptionParameters(NodeParameters):
    """What the node of both tasks is told: each task's own parameters stand below its name."""

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
            raise ValueError("use_segmentation, use_detection: expected one of them true, found both false")
        return self

    def of_segmentation(self) -> SegmentationParameters:
        """As the node of this task alone would be told."""
        return SegmentationParameters(**self._shared(), **dict(self.segmentation))

    def of_detection(self) -> DetectionParameters:
        """As the node of this task alone would be told."""
        return DetectionParameters(**self._shared(), **dict(self.detection))

    def _shared(self) -> dict[str, Any]:
        return {name: value for name, value in self if name in NodeParameters.model_fields}
