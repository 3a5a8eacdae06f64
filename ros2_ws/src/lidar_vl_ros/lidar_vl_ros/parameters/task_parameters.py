"""What each task is told, whichever node does it: name, type, default, range and meaning of each parameter."""

from typing import Annotated

from pydantic import Field

from lidar_vl_core.boxes.limits import BoxLimits, BoxRules
from lidar_vl_core.clouds.ego_region import EgoBox
from lidar_vl_core.foundation.config import Config
from lidar_vl_ros.parameters.fields import WHILE_CONFIGURED

Texts = tuple[str, ...]


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
    prompts: Annotated[Texts, WHILE_CONFIGURED] = Field(
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
    extra_fields: Texts = Field((), description="Fields of the input cloud to pass on in the labelled cloud, e.g. ring")
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
