"""Detectors of full size beside their packages on real clouds: the head's maps and the boxes of PyTorch and of both CPU engines.

Run: python -m tests.bench.training.detector_parity [--clouds 50]; minutes a network, so it is no part of `make bench`. The networks are
those of the recipes, with random weights that are brought to life as tests/training/export/full_size.py says. The clouds are
those of the folder of recordings that tests use: PandaSet, nuScenes, KITTI, SemanticKITTI, a Hesai, a VLP-16, a bag.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.model_packages.package_writer import write_model_package
from offline_training.datasets.data_sources import data_source, open_source
from offline_training.export.card_text import CardText
from offline_training.export.detection_description import detection_card, detection_manifest
from offline_training.export.detector_onnx import detector_onnx
from offline_training.export.export_detection import compare_detector
from offline_training.export.parity import BoxParity
from tests.recordings import FOLDERS
from tests.training.export.full_size import at_once, full_size

RECIPES = ("second_kitti", "centerpoint_nuscenes")
FILES = (
    "kitti_object/training/velodyne/*.bin", "semantickitti/sequences/*/velodyne/*.bin", "nuscenes_*/*LIDAR_TOP*.bin",
    "calibanything_st/*/*.pcd", "bags/*/*.pcd",
)  # fmt: skip
BAGS, PANDASETS, RANGE_IMAGES = "bags/kitti_raw*mcap", "pandaset_*", "rangeimage_labelled/nuscenes*/*.npz"
AT_ONCE = 5  # clouds of a line
MEASURED_ON = 4  # clouds whose statistics the norms get
CARD = CardText(name="parity", licence="none", training_data=("none",), limits=("random weights",), text="Not trained.")


def main() -> int:
    """Print lines for each network and engine; exit code 1 where one is too far from PyTorch."""
    parser = CommandLine(prog="python -m tests.bench.training.detector_parity")
    parser.add_argument("--data", type=Path, default=FOLDERS.get("real", FOLDERS["shipped"]), metavar="DIR")
    parser.add_argument("--clouds", type=int, default=50, help="at most; default 50")
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=RECIPES)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clouds = [at_once(cloud) for cloud in spread(list(clouds_of(arguments.data)), arguments.clouds)]
    print(f"{len(clouds)} clouds of {min(map(len, clouds)):,} to {max(map(len, clouds)):,} points", flush=True)
    near = [one.is_near for recipe in arguments.only for one in told(recipe, clouds)]
    return 0 if all(near) else 1


def told(recipe: str, clouds: list[PointCloud]) -> Iterator[BoxParity]:
    """The engines' distances from PyTorch, printed a few clouds at a time."""
    detector, preparer, config = full_size(recipe, spread(clouds, MEASURED_ON))
    manifest = detection_manifest(detector, preparer, class_table(config.classes), CARD)
    model = detector_onnx(detector, preparer.voxels.map_shape, CARD.name)
    millions = sum(parameter.numel() for parameter in detector.parameters()) / 1e6
    print(f"{recipe}, {millions:.1f} million weights", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        package = write_model_package(
            Path(folder) / "package", model, manifest, detection_card(detector, manifest, CARD)
        )
        for first in range(0, len(clouds), AT_ONCE):
            for one in compare_detector(detector, preparer, package, clouds[first : first + AT_ONCE]):
                print(f"from cloud {first}: {one}", flush=True)
                yield one


def clouds_of(folder: Path) -> Iterator[PointCloud]:
    """Every cloud of a folder of recordings."""
    for pattern in FILES:
        yield from (read_cloud(path) for path in sorted(folder.glob(pattern)))
    for path in sorted(folder.glob(PANDASETS)):
        source = data_source({"kind": "pandaset", "folder": str(path)}, str(path))
        dataset = open_source(source, class_table("nuscenes16"))
        yield from (dataset[index].cloud for index in range(len(dataset)))
    for path in sorted(folder.glob(RANGE_IMAGES)):
        yield range_image(path)
    for path in sorted(folder.glob(BAGS)):
        with open_recording(path) as recording:
            yield from (frame.cloud for frame in recording.frames(with_views=False))


def range_image(path: Path) -> PointCloud:
    """The pixels of a range image that met something."""
    with np.load(path) as image:
        met = image["depth"] > 0
        return PointCloud(
            image["xyz"][met].astype(np.float32), (image["intensity"][met] / 255).astype(np.float32), 0, "lidar"
        )


def spread(clouds: list[PointCloud], most: int) -> list[PointCloud]:
    """As many of them at most , evenly chosen."""
    rows = np.unique(np.linspace(0, len(clouds) - 1, min(most, len(clouds))).round().astype(int))
    return [clouds[row] for row in rows]


if __name__ == "__main__":
    raise SystemExit(main())
