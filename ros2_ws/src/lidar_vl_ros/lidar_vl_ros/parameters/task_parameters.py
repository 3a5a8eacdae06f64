"""Parameters of each task, whichever node runs it: name, type, default, range and meaning of each."""

from typing import Annotated

from pydantic import Field

from lidar_vl_core.boxes.limits import BoxLimits, BoxRules
from lidar_vl_core.cameras.topic_names import TopicName
from lidar_vl_core.clouds.ego_region import EgoBox
from lidar_vl_core.foundation.config import Config
from lidar_vl_ros.parameters.fields import WHILE_CONFIGURED

Texts = tuple[str, ...]


class TaskParameters(Config):
    """Parameters that every task has for its model."""

    engine: str = Field(
        "auto",
        pattern="^(auto|fused|onnxruntime|onnxruntime_gpu|tensorrt)$",
        description="Inference engine: auto, fused, onnxruntime, onnxruntime_gpu or tensorrt",
    )
    threads: int = Field(0, ge=0, le=256, description="Threads of the engine; 0: one per core")
    ego_radius_m: float = Field(
        0.0,
        ge=0.0,
        le=100.0,
        description="Points this close to the sensor belong to the own vehicle: no label, no part of any box; 0: none do",
    )
    ego_box_m: EgoBox = Field(
        (),
        description="Points in this box belong to the own vehicle as well: x, y, z of the lower corner, then of the upper one, in the cloud's frame",
    )
    overlay_width_px: int = Field(640, ge=64, le=4096, description="Width of one camera image in the overlay")


class SegmentationTaskParameters(TaskParameters):
    """Parameters of segmentation."""

    model: str = Field(
        "demo", min_length=1, description="Model package: the name of one that is installed, or a folder"
    )
    prompts: Annotated[Texts, WHILE_CONFIGURED] = Field(
        (),
        description="What an embedding model looks for, one class per prompt; empty: the vocabulary, or the model's own words",
    )
    vocabulary: Annotated[str, WHILE_CONFIGURED] = Field(
        "", description="Classes with synonyms and sinks, instead of prompts: a name such as nuscenes16, or a YAML file"
    )
    unknown_threshold: Annotated[float, WHILE_CONFIGURED] = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Labels of an embedding model less probable than this become 255 (no answer); 0: the model's own threshold",
    )
    extra_fields: Texts = Field((), description="Fields of the input cloud to copy into the labelled cloud, e.g. ring")
    thin_under_load: bool = Field(
        False,
        description="While clouds take longer than max_processing_ms, or are replaced: process a half, a quarter or an eighth "
        "of their points; the others get the labels of their neighbours",
    )
    thin_to_plan: bool = Field(
        False,
        description="Clouds with more voxels than the TensorRT plan allows: process a half of their points, or fewer, instead of "
        "dropping the cloud",
    )
    ensemble: bool = Field(
        False, description="Label points by the images that see them as well; needs a model with an image encoder"
    )
    image_features_max_age_s: float = Field(
        1.0,
        ge=0.0,
        le=10.0,
        description="Ensemble: images are encoded in the background, and each cloud uses the newest finished ones up to this "
        "age, where the sensor's motion is known; 0: each cloud waits for its own images",
    )
    odometry_topic: TopicName = Field(
        "",
        description="Topic of nav_msgs/Odometry with the sensor's motion; empty: /tf, if the ensemble needs it",
    )


class ClassParameters(Config):
    """Limits of one class; an unset one is the limit for all classes."""

    min_score: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Boxes of this class with a lower score are not published; unset: the limit for all classes",
    )
    max_range_m: float | None = Field(
        None,
        ge=0.0,
        le=1000.0,
        description="Boxes of this class farther than this from the sensor, in the x-y plane, are not published; 0: no limit; unset: the limit for all classes",
    )


class DetectionTaskParameters(TaskParameters):
    """Parameters of detection."""

    model: str = Field(
        "demo_detector",
        min_length=1,
        description="Model package of task detection: the name of one that is installed, or a folder",
    )
    min_score: Annotated[float, WHILE_CONFIGURED] = Field(
        0.0, ge=0.0, le=1.0, description="Boxes with a lower score are not published; 0: the model's own limit"
    )
    max_range_m: Annotated[float, WHILE_CONFIGURED] = Field(
        0.0,
        ge=0.0,
        le=1000.0,
        description="Boxes farther than this from the sensor, in the x-y plane, are not published; 0: no limit",
    )
    classes: Annotated[dict[str, ClassParameters], WHILE_CONFIGURED] = Field(
        {}, description="Limits for single classes: classes.NAME.min_score, classes.NAME.max_range_m"
    )
    marker_lifetime_s: float = Field(
        1.0,
        ge=0.0,
        le=3600.0,
        description="Markers vanish this many seconds after the last cloud; 0: only when the next cloud replaces them",
    )
    sweeps: int = Field(
        1,
        ge=1,
        le=20,
        description="Number of sweeps to accumulate, the newest included, where the sensor's motion is known",
    )
    sweeps_max_age_s: float = Field(0.6, gt=0.0, le=5.0, description="Sweeps older than this are not accumulated")
    motion_max_wait_s: float = Field(
        0.05, ge=0.0, le=1.0, description="Longest wait for the transform at the newest sweep's time"
    )
    odometry_topic: TopicName = Field(
        "", description="Topic of nav_msgs/Odometry with the sensor's motion; empty: /tf, if sweeps are accumulated"
    )

    @property
    def rules(self) -> BoxRules:
        """The limits as the core takes them."""
        of_class = {name: BoxLimits(each.min_score, each.max_range_m) for name, each in self.classes.items()}
        return BoxRules(BoxLimits(self.min_score or None, self.max_range_m or None), of_class)
