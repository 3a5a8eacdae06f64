"""How much of a data set lies on the disk: scans, labels and pictures of each sequence, and what its splits lack."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.splits import official_split, splits_of
from offline_training.datasets.lidar.kitti_layout import sequences_root
from offline_training.datasets.lidar.nuscenes import NuScenes
from offline_training.datasets.lidar.rellis3d import Rellis3d

# What is counted, as patterns below the folder of the sequences; the first * is the sequence.
_COUNTED: dict[str, dict[str, str]] = {
    "pandaset": {"scans": "lidar/*.npz", "pictures": "camera/*/*.jpg"},
    "synthetic": {"scans": "*.npz"},
    "synthetic_rooms": {"scans": "*/cloud.npz", "pictures": "*/*.jpg"},
    "semantic_kitti": {"scans": "*/velodyne/*.bin", "labels": "*/labels/*.label", "pictures": "*/image_2/*.png"},
    "scribble_kitti": {"scans": "*/velodyne/*.bin", "scribbles": "*/scribbles/*.label", "labels": "*/labels/*.label"},
    "rellis3d": {
        "scans": "*/os1_cloud_node_kitti_bin/*.bin",
        "labels": "*/os1_cloud_node_semantickitti_label_id/*.label",
    },
    "semantic_poss": {"scans": "*/velodyne/*.bin", "labels": "*/labels/*.label"},
    "semantic_stf": {"scans": "*/velodyne/*.bin", "labels": "*/labels/*.label"},
    "synlidar": {"scans": "*/velodyne/*.bin", "labels": "*/labels/*.label"},
    "daps3d": {"scans": "*/clouds/*.bin", "labels": "*/labels/*.label"},
}


def file_counts(kind: str, folder: Path) -> Iterator[str]:
    """A line for each sequence with the number of its files of each sort, by their names on the disk."""
    root = folder / "data" if kind == "daps3d" else sequences_root(folder)
    counts = {what: _by_sequence(root, pattern) for what, pattern in _COUNTED[kind].items()}
    for sequence in sorted(set().union(*counts.values())):
        told = ", ".join(f"{what} {counts[what][sequence]:,}" for what in counts if counts[what][sequence])
        yield f"{sequence}: {told}"


def key_frame_counts(dataset: NuScenes) -> Iterator[str]:
    """A line for each scene of nuScenes with the number of its key frames and of their files that are there."""
    counts: dict[str, Counter[str]] = {}
    for index in range(len(dataset)):
        files = dataset.files(index)
        scene = counts.setdefault(files.name.partition("/")[0], Counter())
        scene["key frames"] += 1
        scene["scans"] += files.sweep.exists()
        scene["labels"] += files.labels is not None and files.labels.exists()
        scene["pictures"] += sum(path.exists() for path in files.pictures)
    for name, scene in counts.items():
        yield f"{name}: " + ", ".join(f"{what} {count:,}" for what, count in scene.items())


def split_counts(kind: str, folder: Path, there: frozenset[str]) -> Iterator[str]:
    """A line for each official split: how many of its parts are there. `there`: the names of sequences or scenes."""
    for split in splits_of(kind):
        if kind == "rellis3d":
            yield f"split {split}: {_listed_scans(folder, official_split(kind, split)[0])}"
            continue
        parts = official_split(kind, split)
        missing = [part for part in parts if part not in there]
        lacks = f", without {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}" if missing else ""
        yield f"split {split}: {len(parts) - len(missing)} of {len(parts)}{lacks}"


def sequences_there(kind: str, folder: Path) -> frozenset[str]:
    """Names of the sequences that hold at least one scan."""
    root = folder / "data" if kind == "daps3d" else sequences_root(folder)
    return frozenset(_by_sequence(root, _COUNTED[kind]["scans"]))


def _listed_scans(folder: Path, name: str) -> str:
    try:
        scans = Rellis3d(folder, (name,)).scans
    except BadDataset as error:
        return str(error)
    missing = sum(not (scan.points.exists() and scan.labels.exists()) for scan in scans)
    return f"{len(scans):,} scans listed in {name}, {missing:,} of them without scan or label file"


def _by_sequence(root: Path, pattern: str) -> Counter[str]:
    place = pattern.split("/").index("*") if "*" in pattern.split("/")[:-1] else None
    found: Counter[str] = Counter()
    for path in root.glob(pattern):
        parts = path.relative_to(root).parts
        found[path.parent.name if place is None else parts[place]] += 1
    return found
