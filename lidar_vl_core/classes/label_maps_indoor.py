"""What each raw label means in indoor data sets; None = ignored there."""

from lidar_vl_core.classes.label_tables_indoor import COLORS_OF_INDOOR_CLASSES

# ScanNet, NYU40 ids of its *.labels.ply -> the classes of its benchmark. 0 = unlabelled.
_SCANNET: dict[int, str | None] = {
    **dict.fromkeys(range(41)),
    1: "wall",
    2: "floor",
    3: "cabinet",
    4: "bed",
    5: "chair",
    6: "sofa",
    7: "table",
    8: "door",
    9: "window",
    10: "bookshelf",
    11: "picture",
    12: "counter",
    14: "desk",
    16: "curtain",
    24: "refrigerator",
    28: "shower curtain",
    33: "toilet",
    34: "sink",
    36: "bathtub",
    39: "otherfurniture",
}

# NYU Depth V2's label maps of 13 classes: 0 = unlabelled, then the classes.
_NYU_13: dict[int, str | None] = {0: None, **dict(enumerate(COLORS_OF_INDOOR_CLASSES["nyu13"], start=1))}

CLASS_NAME_OF_RAW_INDOOR: dict[str, dict[str, dict[int, str | None]]] = {
    "scannet": {"scannet20": _SCANNET},
    "nyuv2_13": {"nyu13": _NYU_13},
}
