"""The downstream data sets, each written to a folder in its own format and opened from it."""

from collections.abc import Callable
from pathlib import Path

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.data_sources import data_set_spec, data_source, open_source
from tests.written.lidar_data_sets import CALIB, write_kitti_like, write_rellis


def write_scribbles(folder: Path, raw: list[int]) -> None:
    for sequence, labels in (("00", "scribbles"), ("08", "labels")):
        root = write_kitti_like(folder / "sequences" / sequence, raw, labels=labels)
        (root / "calib.txt").write_text(CALIB)


# kind -> classes, how its folder is written from raw ids, raw ids, and the names they stand for (None = ignored).
KINDS: dict[str, tuple[ClassTable, Callable[[Path, list[int]], object], list[int], list[str | None]]] = {
    "scribble_kitti": (class_table("semantic_kitti19"), write_scribbles, [0, 252, 70], [None, "car", "vegetation"]),
    "rellis3d": (
        class_table("rellis3d19"),
        lambda folder, raw: write_rellis(folder, raw, {"train": ["00001/000003", "00000/000007"], "val": ["00004/000001"]}),
        [0, 3, 34, 7],
        [None, "grass", "rubble", "sky"],
    ),
    "semantic_poss": (
        class_table("semantic_poss13"),
        lambda folder, raw: [write_kitti_like(folder / "sequences" / s, raw, full=255.0) for s in ("00", "02")],
        [0, 5, 12, 22],
        [None, "person", "traffic-sign", "ground"],
    ),
    "semantic_stf": (
        class_table("semantic_kitti19"),
        lambda folder, raw: [write_kitti_like(folder / s, raw, columns=5, full=255.0) for s in ("train", "val")],
        [20, 1, 19],
        [None, "car", "traffic-sign"],
    ),
    "synlidar": (
        class_table("synlidar32"),
        lambda folder, raw: [write_kitti_like(folder / s, raw) for s in ("00", "12")],
        [0, 2, 15, 32],
        [None, "pick-up", "crowd", "other-object"],
    ),
    "daps3d": (
        class_table("daps3d4"),
        lambda folder, raw: [write_kitti_like(folder / "data" / s, raw, points="clouds", full=255.0)
                             for s in data_set_spec("daps3d").official_split("val")],
        [0, 10, 72, 80],
        [None, "vehicle", "surface", "obstacle"],
    ),
}  # fmt: skip


def opened(kind: str, folder: Path, **changes: object) -> SampleSource:
    source = data_source({"kind": kind, "folder": str(folder), **changes}, "test")
    return open_source(source, KINDS[kind][0])


def written(kind: str, folder: Path) -> Path:
    KINDS[kind][1](folder, KINDS[kind][2])
    return folder
