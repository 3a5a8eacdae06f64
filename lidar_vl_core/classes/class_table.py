"""Class tables (names, colours) and the maps from the labels of data sets into them."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.classes.label_maps import CLASS_NAME_OF_RAW, HOLDS_INSTANCES
from lidar_vl_core.classes.label_tables_downstream import COLORS_OF_CLASSES
from lidar_vl_core.classes.label_tables_indoor import COLORS_OF_INDOOR_CLASSES
from lidar_vl_core.classes.label_tables_rooms import SYNTHETIC_ROOMS_COLORS
from lidar_vl_core.foundation.errors import BadLabels

IGNORE_ID = 255  # no class: unlabelled, ignored by the benchmark, or no answer of the network


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Classes by id: id k has the name names[k] and the colour colors_rgb[k]."""

    name: str
    names: tuple[str, ...]
    colors_rgb: np.ndarray  # (K, 3) uint8

    def __post_init__(self) -> None:
        """Raise BadLabels when names repeat or colours do not fit them."""
        if not 1 <= len(self.names) < IGNORE_ID or len(set(self.names)) != len(self.names):
            raise BadLabels(
                f"class table {self.name}: expected 1 to {IGNORE_ID - 1} different names, found {len(self.names)} "
                f"({len(set(self.names))} different). Give each class its own name."
            )
        if self.colors_rgb.shape != (len(self.names), 3) or self.colors_rgb.dtype != np.uint8:
            raise BadLabels(
                f"class table {self.name}: expected colours ({len(self.names)}, 3) uint8, found "
                f"{self.colors_rgb.shape} {self.colors_rgb.dtype}. Give one RGB colour per class."
            )

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassTable):
            return NotImplemented
        same_classes = self.name == other.name and self.names == other.names
        return same_classes and np.array_equal(self.colors_rgb, other.colors_rgb)

    def __hash__(self) -> int:
        return hash((self.name, self.names))

    def id_of(self, class_name: str) -> int:
        """The id of a class; raises BadLabels for a name the table does not have."""
        if class_name not in self.names:
            raise BadLabels(f"class table {self.name}: no class {class_name!r}. It has {', '.join(self.names)}.")
        return self.names.index(class_name)

    def colorize(self, class_id: np.ndarray) -> np.ndarray:
        """(..., ) class ids -> (..., 3) uint8 colours; 255 and ids beyond the table are black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self)] = self.colors_rgb
        return palette[class_id]


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Translates the raw ids of a data set into the ids of a class table."""

    source: str
    target: ClassTable
    class_of_raw: np.ndarray  # (R,) int16: class id, 255 = ignored, -1 = not an id of the source
    raw_mask: int | None = None  # bits of the raw value that hold the class; SemanticKITTI keeps instances above them

    def apply(self, raw_id: np.ndarray) -> np.ndarray:
        """(N,) raw integer ids (or whole floats) -> (N,) uint8 class ids, 255 = ignored.

        Raises BadLabels for ids the source does not have: a wrong table must not pass unseen.
        """
        raw = _as_integers(raw_id, self.source)
        if self.raw_mask is not None:
            raw = raw & np.asarray(self.raw_mask).astype(raw.dtype)
        inside = (raw >= 0) & (raw < len(self.class_of_raw))
        class_id = self.class_of_raw[np.where(inside, raw, 0)]
        unknown = ~inside | (class_id < 0)
        if unknown.any():
            raise BadLabels(
                f"expected label ids of {self.source}, found {np.unique(raw[unknown])[:8].tolist()}, which it does not "
                "have. Name the label table the data was labelled with."
            )
        return class_id.astype(np.uint8)


def class_table(name: str) -> ClassTable:
    """The class table of that name; raises BadLabels listing the names there are."""
    if name not in _TABLES:
        raise BadLabels(f"no class table {name!r}. There are {', '.join(_TABLES)}.")
    return _TABLES[name]


def label_map(source_table: str, target: ClassTable) -> LabelMap:
    """The map from the labels of a data set (or another table) into `target`; raises BadLabels listing the choices.

    Sources: the names of class tables, and raw: nuscenes_lidarseg, pandaset, semantic_kitti, rellis3d, semantic_poss,
    semantic_stf, synlidar, daps3d, scannet, nyuv2_13.
    """
    if source_table == target.name:
        return _map_from_names(source_table, target, dict(enumerate(target.names)))
    by_target = CLASS_NAME_OF_RAW.get(source_table, {})
    if target.name not in by_target:
        choices = [f"{source} -> {goal}" for source, goals in CLASS_NAME_OF_RAW.items() for goal in goals]
        raise BadLabels(
            f"no map from the labels of {source_table!r} to the classes of {target.name!r}. "
            f"There are {', '.join(choices)}."
        )
    return _map_from_names(source_table, target, by_target[target.name])


def _map_from_names(source: str, target: ClassTable, class_name_of_raw: dict[int, str | None]) -> LabelMap:
    holds_class_ids = source in _TABLES
    class_of_raw = np.full(max(max(class_name_of_raw) + 1, IGNORE_ID + 1 if holds_class_ids else 0), -1, np.int16)
    for raw_id, class_name in class_name_of_raw.items():
        class_of_raw[raw_id] = IGNORE_ID if class_name is None else target.id_of(class_name)
    if holds_class_ids:
        class_of_raw[IGNORE_ID] = IGNORE_ID
    return LabelMap(source, target, class_of_raw, raw_mask=0xFFFF if source in HOLDS_INSTANCES else None)


def _as_integers(raw_id: np.ndarray, source: str) -> np.ndarray:
    raw = np.asarray(raw_id)
    if raw.dtype.kind in "iu":
        return raw
    if raw.dtype.kind != "f" or not np.array_equal(raw, np.trunc(raw)) or np.isinf(raw).any():
        raise BadLabels(
            f"expected whole numbers as label ids of {source}, found {raw.dtype} with other values. "
            "Check which field holds the labels."
        )
    return raw.astype(np.int64)


# Colours: nuScenes devkit's palette (bus = its rigid bus, pedestrian = its adult).
NUSCENES_16 = ClassTable(
    "nuscenes16",
    (
        "barrier", "bicycle", "bus", "car", "construction_vehicle", "motorcycle", "pedestrian", "traffic_cone",
        "trailer", "truck", "driveable_surface", "other_flat", "sidewalk", "terrain", "manmade", "vegetation",
    ),
    np.array(
        [
            (112, 128, 144), (220, 20, 60), (255, 69, 0), (255, 158, 0), (233, 150, 70), (255, 61, 99),
            (0, 0, 230), (47, 79, 79), (255, 140, 0), (255, 99, 71), (0, 207, 191), (175, 0, 75),
            (75, 0, 75), (112, 180, 60), (222, 184, 135), (0, 175, 0),
        ],
        np.uint8,
    ),
)  # fmt: skip

# Order: SemanticKITTI's train ids 1..19 less one. Colours: its published palette, as RGB.
SEMANTIC_KITTI_19 = ClassTable(
    "semantic_kitti19",
    (
        "car", "bicycle", "motorcycle", "truck", "other-vehicle", "person", "bicyclist", "motorcyclist", "road",
        "parking", "sidewalk", "other-ground", "building", "fence", "vegetation", "trunk", "terrain", "pole",
        "traffic-sign",
    ),
    np.array(
        [
            (100, 150, 245), (100, 230, 245), (30, 60, 150), (80, 30, 180), (0, 0, 255), (255, 30, 30),
            (255, 40, 200), (150, 30, 90), (255, 0, 255), (255, 150, 255), (75, 0, 75), (175, 0, 75),
            (255, 200, 0), (255, 120, 50), (0, 175, 0), (135, 60, 0), (150, 240, 80), (255, 240, 150),
            (255, 0, 0),
        ],
        np.uint8,
    ),
)  # fmt: skip


def _named_table(name: str) -> ClassTable:
    colors = {**COLORS_OF_CLASSES, **COLORS_OF_INDOOR_CLASSES}[name]
    return ClassTable(name, tuple(colors), np.array(list(colors.values()), np.uint8))


RELLIS3D_19 = _named_table("rellis3d19")
RELLIS3D_14 = _named_table("rellis3d14")
SEMANTIC_POSS_13 = _named_table("semantic_poss13")
SYNLIDAR_32 = _named_table("synlidar32")
DAPS3D_4 = _named_table("daps3d4")
SCANNET_20 = _named_table("scannet20")
MATTERPORT_21 = _named_table("matterport21")
S3DIS_13 = _named_table("s3dis13")
NYU_13 = _named_table("nyu13")

SYNTHETIC_ROOMS = ClassTable(
    "synthetic_rooms", tuple(SYNTHETIC_ROOMS_COLORS), np.array(list(SYNTHETIC_ROOMS_COLORS.values()), np.uint8)
)

_TABLES = {
    table.name: table
    for table in (
        NUSCENES_16, SEMANTIC_KITTI_19, RELLIS3D_19, RELLIS3D_14, SEMANTIC_POSS_13, SYNLIDAR_32, DAPS3D_4,
        SYNTHETIC_ROOMS, SCANNET_20, MATTERPORT_21, S3DIS_13, NYU_13,
    )
}  # fmt: skip
