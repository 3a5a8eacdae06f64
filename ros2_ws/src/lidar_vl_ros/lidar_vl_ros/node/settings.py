"""What nodes are told: name, type, default, range and meaning of each parameter, in one place."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from lidar_vl_core.boxes.limits import BoxLimits, BoxRules
from lidar_vl_core.clouds.ego_region import EgoBox
from lidar_vl_core.foundation.config import Config
from lidar_vl_ros.black_box.parameters import BlackBoxParameters
from lidar_vl_ros.health.health import Limits
from lidar_vl_ros.inputs.camera_parameters import CameraParameters
from lidar_vl_ros.inputs.lidar_parameters import LidarParameters
from lidar_vl_ros.node.parameter_fields import WHILE_CONFIGURED

Topics = tuple[str, ...]
Words = tuple[str, ...]


class NodeParameters(Config):
    """What every node that serves clouds is told."""

    # Names that are no more, and what took their place: refused, as ROS would pass over them in silence.
    retired: ClassVar[dict[str, str]] = {
        "camera_topics": "each camera has a name now: cameras.NAME.topic, e.g. cameras.front.topic",
        "camera_max_time_difference_s": "it is each camera's own now: cameras.NAME.tolerance_s",
    }

    autostart: bool = Field(True, description="Configure and activate by itself; false: wait for a lifecycle manager")
    max_points: int = Field(
        2_000_000,
        ge=1,
        le=10_000_000,
        description="Of larger clouds so many points, spread evenly, are looked at; the others get no answer",
    )
    max_input_age_ms: float = Field(
        0.0,
        ge=0.0,
        le=60_000.0,
        description="Drop a cloud whose stamp is older than this on the node's clock; 0: never",
    )
    input_timeout_s: float = Field(
        2.0, ge=0.1, le=3600.0, description="Report a silent input topic after this many seconds"
    )
    max_processing_ms: float = Field(
        100.0,
        gt=0.0,
        le=60_000.0,
        description="Diagnostics warn when a cloud takes longer than this; 100: a 10 Hz LiDAR",
    )
    max_consecutive_delays: int = Field(
        10,
        ge=1,
        le=10_000,
        description="After so many clouds in a row that took longer than max_processing_ms diagnostics say ERROR",
    )
    intensity_max: float = Field(
        0.0, ge=0.0, le=1e9, description="Full scale of the driver's intensity; 0: judged once, by the first cloud"
    )
    cameras: dict[str, CameraParameters] = Field(
        {}, description="Cameras by name, each with parameters of its own: cameras.NAME.topic and so on"
    )
    camera_max_wait_s: float = Field(
        0.1,
        ge=0.0,
        le=10.0,
        description="How long a cloud waits for images that somebody needs and that can still come",
    )
    lidars: dict[str, LidarParameters] = Field(
        {}, description="Further LiDARs by name, whose points are added to each cloud: lidars.NAME.topic and so on"
    )
    lidar_max_wait_s: float = Field(
        0.1,
        ge=0.0,
        le=2.0,
        description="How long a cloud waits for those of further LiDARs, and for the transforms of its points' times",
    )
    compensate_motion: bool = Field(
        False, description="Bring the points of each cloud to its stamp, by their own times and the sensor's motion"
    )
    calibration_check_s: float = Field(
        0.0,
        ge=0.0,
        le=3600.0,
        description="Compare the edges of a cloud and its images so often, and warn where they do not meet; 0: never",
    )
    tf_max_wait_s: float = Field(
        0.1,
        ge=0.0,
        le=10.0,
        description="How long a cloud waits for moving transforms that place its images; then those that never change do, counted",
    )
    static_transforms: Topics = Field(
        (), description="Transforms as 'parent child x y z qx qy qz qw', for systems without /tf_static"
    )
    black_box: BlackBoxParameters = BlackBoxParameters.model_validate({})

    @property
    def motion_needed(self) -> bool:
        """Whether the sensor's motion is asked for, whatever the tasks do."""
        return self.compensate_motion or bool(self.lidars)

    @property
    def limits(self) -> Limits:
        """What the diagnostics judge by."""
        return Limits(round(self.input_timeout_s * 1e9), self.max_processing_ms, self.max_consecutive_delays)


class TaskParameters(Config):
    """What each task is told of its model."""

    engine: str = Field(
        "auto",
        pattern="^(auto|fused|onnxruntime|onnxruntime_gpu|tensorrt)$",
        description="auto, fused, onnxruntime, onnxruntime_gpu or tensorrt",
    )
    threads: int = Field(0, ge=0, le=256, description="Threads of the engine; 0: one per core")
    ego_radius_m: float = Field(
        0.0,
        ge=0.0,
        le=100.0,
        description="Points so near the sensor are the own vehicle's: no class, no part of a box; 0: none",
    )
    ego_box_m: EgoBox = Field(
        (), description="Points in this box of the cloud's frame, too: x, y, z of the lower, then of the upper corner"
    )
    overlay_width_px: int = Field(640, ge=64, le=4096, description="Width of one camera picture in the overlay")


class SegmentationTaskParameters(TaskParameters):
    """What the task of naming points is told."""

    model: str = Field("demo", min_length=1, description="Model package: the name of a packaged one, or a folder")
    prompts: Annotated[Words, WHILE_CONFIGURED] = Field(
        (), description="What an embedding model looks for, each prompt a class; empty: vocabulary, or the model's own"
    )
    vocabulary: Annotated[str, WHILE_CONFIGURED] = Field(
        "", description="Classes with synonyms and sinks instead of prompts: a name such as nuscenes16, or a YAML file"
    )
    unknown_threshold: Annotated[float, WHILE_CONFIGURED] = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Answers of an embedding model less probable than this become 255; 0: as the model says",
    )
    extra_fields: Topics = Field(
        (), description="Fields of the input cloud to pass on in the labelled cloud, e.g. ring"
    )
    thin_under_load: bool = Field(
        False,
        description="While clouds take longer than max_processing_ms or are replaced: look at a half, a quarter or "
        "an eighth of their points, the others are named as their neighbours",
    )
    thin_to_plan: bool = Field(
        False,
        description="Of clouds with more voxels than the TensorRT plan takes: look at a half of the points, or less, instead of "
        "dropping them",
    )
    ensemble: bool = Field(
        False, description="Name points by the pictures that see them, too; a model with an image encoder can"
    )
    image_features_max_age_s: float = Field(
        1.0,
        ge=0.0,
        le=10.0,
        description="Ensemble: pictures are encoded beside the clouds, which take the newest ones that are, up to this age, where "
        "the sensor's motion is known; 0: each cloud waits for its own",
    )
    odometry_topic: str = Field(
        "",
        description="nav_msgs/Odometry that tells the sensor's motion; empty: /tf does, where the ensemble asks for it",
    )


class ClassParameters(Config):
    """Limits of one class; what is unset is as for all."""

    min_score: float | None = Field(
        None, ge=0.0, le=1.0, description="Boxes of this class below this score are not told; unset: as for all"
    )
    max_range_m: float | None = Field(
        None, ge=0.0, le=1000.0, description="Nor those farther from the sensor, seen from above; 0: any"
    )


class DetectionTaskParameters(TaskParameters):
    """What the task of finding objects is told."""

    model: str = Field(
        "demo_detector", min_length=1, description="Model package of task detection: a packaged one, or a folder"
    )
    min_score: Annotated[float, WHILE_CONFIGURED] = Field(
        0.0, ge=0.0, le=1.0, description="Boxes below this score are not told; 0: as the model says"
    )
    max_range_m: Annotated[float, WHILE_CONFIGURED] = Field(
        0.0, ge=0.0, le=1000.0, description="Nor boxes farther from the sensor, seen from above; 0: any"
    )
    classes: Annotated[dict[str, ClassParameters], WHILE_CONFIGURED] = Field(
        {}, description="Limits of single classes instead: classes.NAME.min_score, classes.NAME.max_range_m"
    )
    marker_lifetime_s: float = Field(
        1.0, ge=0.0, le=3600.0, description="Markers vanish so long after the last cloud; 0: with the next only"
    )
    sweeps: int = Field(
        1, ge=1, le=20, description="Sweeps that are joined, the newest among them, where the sensor's motion is known"
    )
    sweeps_max_age_s: float = Field(0.6, gt=0.0, le=5.0, description="Sweeps older than this are not joined")
    motion_max_wait_s: float = Field(
        0.05, ge=0.0, le=1.0, description="How long joining waits for the transform of the newest sweep's time"
    )
    odometry_topic: str = Field(
        "", description="nav_msgs/Odometry that tells the sensor's motion; empty: /tf does, where sweeps are joined"
    )

    @property
    def rules(self) -> BoxRules:
        """As the core takes them."""
        of_class = {name: BoxLimits(each.min_score, each.max_range_m) for name, each in self.classes.items()}
        return BoxRules(BoxLimits(self.min_score or None, self.max_range_m or None), of_class)


class SegmentationParameters(SegmentationTaskParameters, NodeParameters):
    """What the segmentation node is told."""


class DetectionParameters(DetectionTaskParameters, NodeParameters):
    """What the detection node is told."""


class PerceptionParameters(NodeParameters):
    """What the node of both tasks is told: each task's own parameters stand below its name."""

    retired: ClassVar[dict[str, str]] = NodeParameters.retired | {
        "model": "as there are two: segmentation.model and detection.model"
    }

    use_segmentation: bool = Field(True, description="Label points; false: that task's model is not loaded")
    use_detection: bool = Field(True, description="Find objects; false: that task's model is not loaded")
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
