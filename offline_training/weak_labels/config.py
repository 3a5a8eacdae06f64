"""The configuration of `weak-label`, and one for each kind of labeler."""

from typing import Annotated, Literal

from pydantic import Field

from lidar_vl_core.foundation.config import Config, Use
from offline_training.datasets.data_sources import EvenSource
from offline_training.weak_labels.pictures.mask_painting import PaintRule, Uncovered

_Count = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0.0, le=1.0)]


class PrecomputedConfig(Config):
    """Existing labels as 8-bit PNGs, one for each image."""

    kind: Literal["precomputed"]
    folder: str
    template: str = "{file}.png"  # under the folder; see picture_path.PicturePath for the fields
    values: str  # ontology whose ids the PNGs hold
    ignored_values: tuple[int, ...] = ()  # values that mean no class, besides 255


class ClosedSetConfig(Config):
    """A segmenter as an ONNX file."""

    kind: Literal["closed_set"]
    model: str  # YAML file, see closed_set.OnnxSegmenterSpec


class EspnetConfig(Config):
    """ESPNet, whose published weights are trained on Cityscapes."""

    kind: Literal["espnet"]
    weights: str  # safetensors file
    values: str = "cityscapes"  # ontology of the classes it was trained on; one more output means no class
    min_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # less certain pixels stay uncovered
    height: int = 512  # height, width of its input, multiples of 8 pixels
    width: int = 1024


class GroundedSamConfig(Config):
    """Text to boxes to masks."""

    kind: Literal["grounded_sam"]
    detector: str  # folder of Grounding DINO, MM-Grounding-DINO or LLMDet
    segmenter: str  # folder of SAM, SAM-HQ or SAM 2
    box_threshold: _Share = 0.25  # as OLIVINE's scripts, both
    text_threshold: _Share = 0.25
    boxes_at_once: _Count = 16  # masks computed together; fewer need less memory
    device: str = "auto"  # auto: the first GPU if there is one


class Sam3LabelerConfig(Config):
    """Text to masks by one model."""

    kind: Literal["sam3"]
    model: str  # folder of SAM 3
    score_threshold: _Share = 0.5  # as its authors
    device: str = "auto"


LabelerConfig = Annotated[
    PrecomputedConfig | ClosedSetConfig | EspnetConfig | GroundedSamConfig | Sam3LabelerConfig,
    Field(discriminator="kind"),
]


class WeakLabelConfig(Config):
    """Labels and superpixels for every image of some data sets. A YAML file holds what differs from these defaults."""

    out: str  # folder of the label store
    source: tuple[EvenSource, ...] = Field(min_length=1)
    ontology: str = "nuscenes16"  # a name in configs/weak_labels/ontologies, or a .yaml file
    labeler: LabelerConfig | None = None  # default: superpixels only
    rule: PaintRule = "small_over_large"  # which mask wins where they overlap; paint_order as in OLIVINE's scripts
    uncovered: Uncovered = 255  # class id of pixels without a class; 0 as in OLIVINE's and Seal's files

    superpixels: Literal["none", "slic", "sam"] = "none"
    slic_segments: _Count = 150  # SLidR; 30 for its VoxelNet
    slic_compactness: Annotated[float, Field(gt=0.0)] = 6.0
    slic_sigma: Annotated[float, Field(ge=0.0)] = 3.0  # pixels
    sam_masks: str | None = None  # folder that holds SAM's masks
    sam_template: str = "{file}"  # under it, the folder of one image's masks, one PNG each

    engine: Literal["local", "ray"] = "local"  # ray: over all machines of a cluster, or over processes on this one
    ray_workers: _Count = 1  # each with the model loaded
    ray_cpus_per_worker: _Count = 1
    ray_gpus_per_worker: Annotated[float, Field(ge=0.0)] = 0.0  # 1 for a model that fills a GPU, 0.5 for two on one
    batch_size: _Count = 4  # images per call of the labeler
    threads: Annotated[int, Field(ge=0)] = 0  # threads that read, decode, segment and write; 0 = one per core
    preview_pictures: Annotated[int, Field(ge=0)] = 8  # shown in preview.png
    progress: bool = True  # a progress bar, on a terminal

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            (
                isinstance(self.labeler, GroundedSamConfig | Sam3LabelerConfig),
                ("rule",),
                "with a labeler that produces masks",
            ),
            (self.superpixels == "slic", ("slic_segments", "slic_compactness", "slic_sigma"), "with superpixels: slic"),
            (self.superpixels == "sam", ("sam_masks", "sam_template"), "with superpixels: sam"),
        )
