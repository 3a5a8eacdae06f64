"""Which sequences, scenes or folders make up the official parts of each data set."""

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.base.nuscenes_splits import NUSCENES_SPLITS

_KITTI = {
    "train": ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10"),
    "val": ("08",),
    "test": tuple(f"{number:02d}" for number in range(11, 22)),  # without labels
}

_SPLITS: dict[str, dict[str, tuple[str, ...]]] = {
    "nuscenes": NUSCENES_SPLITS,
    "semantic_kitti": _KITTI,
    "scribble_kitti": {"train": _KITTI["train"], "val": _KITTI["val"]},
    # RELLIS-3D's own lists; they name scans, so the data set reads them from the user's copy.
    "rellis3d": {"train": ("pt_train.lst",), "val": ("pt_val.lst",), "test": ("pt_test.lst",)},
    # ScanNet's lists name scenes; the data set reads them from the user's copy, as those of RELLIS-3D.
    "scannet": {"train": ("scannetv2_train.txt",), "val": ("scannetv2_val.txt",), "test": ("scannetv2_test.txt",)},
    "s3dis": {
        "train": ("Area_1", "Area_2", "Area_3", "Area_4", "Area_6"),
        "val": ("Area_5",),  # another building than the other areas
        "test": ("Area_5",),
    },
    "openscene": {"train": ("train",), "val": ("val",), "test": ("test",)},
    # OLIVINE's text trains on "00 to 05 excluding 02" and names no other sequence to validate on, so it is 02; half is 00
    # and 01. Others, such as ALSO, take 03 for the official validation sequence: name the sequences to do so.
    "semantic_poss": {"train": ("00", "01", "03", "04", "05"), "half": ("00", "01"), "val": ("02",)},
    "semantic_stf": {"train": ("train",), "val": ("val",), "test": ("test",)},
    # DAPS-2 as in OLIVINE's loader: the training scene is validated on as well. The other two splits are DAPS-1's own.
    "daps3d": {
        "train": ("38-18_7_72_90",),
        "val": ("38-18_7_72_90", "42-48_10_78_90", "44-18_11_15_32"),
        "daps1_train": _KITTI["train"],
        "daps1_val": _KITTI["val"],
    },
}


def splits_of(kind: str) -> tuple[str, ...]:
    """Names of a data set's official splits, none where it has none."""
    return tuple(_SPLITS.get(kind, {}))


def official_split(kind: str, name: str) -> tuple[str, ...]:
    """The parts of a data set's official split, as its loader names them; raises BadConfig with the splits there are.

    SynLiDAR has none: its authors train on all 13 sequences, and no split of the published 1 % and 10 % numbers is public.
    """
    splits = _SPLITS.get(kind, {})
    if name not in splits:
        there = ", ".join(splits) or "none for this data set"
        raise BadConfig(
            f"split of {kind}: expected one of its official splits ({there}), found {name!r}. Name `sequences` instead."
        )
    return splits[name]
