"""The manifest of a model package: all a robot must know about a network besides its weights."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.config import Config
from lidar_vl_core.model_packages.detection_spec import VALUES, DetectionSpec
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.model_packages.manifest_text import Name, Prose
from lidar_vl_core.model_packages.training_sweeps import TrainingSweeps
from lidar_vl_core.sparse_model.known_precisions import Precision
from lidar_vl_core.voxels.flat_grids import FEATURES

MODEL, CARD = "model.onnx", "card.md"


def _a_day(text: str) -> str:
    try:
        is_day = date.fromisoformat(text).isoformat() == text  # newer Pythons read other spellings, too
    except ValueError:
        is_day = False
    if not is_day:
        raise ValueError("expected a date such as 2026-11-29")
    return text


_Channel = Annotated[int, Field(ge=0, le=255)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Level = Annotated[int, Field(ge=1, le=16)]


class ClassTableSpec(Config):
    """Classes the network answers with."""

    name: Name
    names: Annotated[tuple[Name, ...], Field(min_length=1, max_length=IGNORE_ID - 1)]
    colors_rgb: Annotated[tuple[tuple[_Channel, _Channel, _Channel], ...], Field(max_length=IGNORE_ID - 1)]

    @model_validator(mode="after")
    def _fitting(self) -> "ClassTableSpec":
        if len(set(self.names)) != len(self.names):
            raise ValueError("names: expected every class once")
        if len(self.colors_rgb) != len(self.names):
            raise ValueError(f"colors_rgb: expected {len(self.names)}, one per class, found {len(self.colors_rgb)}")
        return self


class GridSpec(Config):
    """Voxel grid the network was trained on; fields as in VoxelGrid."""

    kind: Name
    voxel_size: tuple[float, float, float]
    point_cloud_range: tuple[float, float, float, float, float, float]


class Producer(Config):
    """Software that wrote the package, and when."""

    version: Name
    commit: Name
    made_on: Annotated[str, AfterValidator(_a_day)] | None = None  # 2026-11-29; nothing where the package does not know


class WaffleSpec(Config):
    """How WaffleIron reads points, beside its grid; keys as in its training, fields as in FlatGrids."""

    waffle_cell_m: Annotated[float, Field(ge=0.001, le=1000)]
    waffle_max_points: Annotated[int, Field(ge=1, le=100_000_000)] | None = None  # default: all


class Manifest(Config):
    """All a robot must know about a network besides its weights."""

    format: Literal[1] = 1
    name: Name
    task: Literal["segmentation", "embedding", "detection"] = "segmentation"
    network: Literal["voxelnet", "waffleiron"] | None = None  # of segmentation; nothing = a U-Net
    waffleiron: WaffleSpec | None = None  # of this network
    class_table: ClassTableSpec  # of an embedding package: the classes of its text table
    grid: GridSpec
    # Names of voxel_features(), in the order of the input channels; of a detector: x, y, z and one of detection_spec.VALUES;
    # of WaffleIron: flat_grids.FEATURES.
    features: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]
    levels: _Level
    precision: Precision = "fp32"  # of the model file's operators; int8: of its sparse convolutions, the rest float32
    opset: Annotated[int, Field(ge=1, le=1000)]
    producer: Producer
    training_data: tuple[Prose, ...]
    training_sweeps: TrainingSweeps | None = None  # nothing where the package does not know
    licence: Annotated[Prose, Field(min_length=1)]
    limits: tuple[Prose, ...]
    files: dict[Name, _Sha256] = Field(
        default_factory=dict
    )  # file name -> hex SHA-256; filled in by write_model_package
    language: LanguageSpec | None = None  # of an embedding package
    detection: DetectionSpec | None = None  # of a detection package

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        if (self.task == "embedding") != (self.language is not None):
            raise ValueError("language: required for an embedding package and not allowed for any other")
        if (self.task == "detection") != (self.detection is not None):
            raise ValueError("detection: required for a detection package and not allowed for any other")
        if (self.network == "waffleiron") != (self.waffleiron is not None):
            raise ValueError("waffleiron: required for a WaffleIron package and not allowed for any other")
        if self.network is not None:
            self._require_point_network(self.network)
        if self.detection is not None:
            self._require_detector(self.detection)
        return self

    def _require_point_network(self, network: str) -> None:
        known = [("x", "y", "z", *values) for values in VALUES if "time" not in values]
        if network == "waffleiron":
            known = [FEATURES]
        if self.task != "segmentation" or self.features not in known:
            raise ValueError(f"network {network}: expected task segmentation and features from {known}")

    def _require_detector(self, detection: DetectionSpec) -> None:
        known = [("x", "y", "z", *values) for values in VALUES]
        if self.features not in known:
            raise ValueError(f"features: expected one of {known} for a detector, found {self.features}")
        beyond = [class_id for class_id in detection.head.class_ids if class_id >= len(self.class_table.names)]
        if beyond:
            raise ValueError(f"detection: expected only classes of class_table, found {beyond}")

    @property
    def file_names(self) -> frozenset[str]:
        """Files of the package that have a hash: all but the manifest."""
        return frozenset({MODEL, CARD}) | (self.language.file_names if self.language else frozenset())
