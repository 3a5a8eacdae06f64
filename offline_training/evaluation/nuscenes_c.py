"""nuScenes-C of Robo3D: the key frames of nuScenes under eight corruptions, as its files hold them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lidar_vl_core.classes.known_tables import label_map
from lidar_vl_core.clouds.intensity import scaled_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from offline_training.datasets.augment.corruptions import CORRUPTIONS
from offline_training.datasets.augment.corruptions_weather import SEVERITIES
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.datasets.base.sample import T_FLU_RFU
from offline_training.datasets.base.sample_files import read_rows, read_values
from offline_training.datasets.lidar.nuscenes import NuScenes

_COLUMNS = 5  # x, y, z, intensity 0..255, ring; the ring is overwritten in the snow files
_NOISE_IDS = (41, 42, 43)  # fog, snow, crosstalk: raw ids of their own beside nuScenes' 0..31
_UNLABELLED = 0


def require_nuscenes_c(folder: Path) -> None:
    """Raise BadDataset for the first corruption and severity that is not there."""
    for corruption in CORRUPTIONS:
        for severity in SEVERITIES:
            _part(folder, corruption, severity)


def nuscenes_c_scans(clean: NuScenes, folder: Path, corruption: str, severity: str) -> Iterator[LabelledScan]:
    """The scans of `clean` under a corruption, in its order, from folder/corruption/severity/{samples,lidarseg}.

    clean: nuScenes-lidarseg, whose tables name the files; the published set holds the validation scenes. Echoes of fog, snow
    and crosstalk are ignored (255). Raises BadDataset naming the frame when a file is missing, cut or does not fit.
    """
    root = _part(folder, corruption, severity)
    to_classes = label_map("nuscenes_lidarseg", clean.classes)
    for index in range(len(clean)):
        files = clean.files(index)
        if files.labels is None:
            raise BadDataset(
                f"{files.name}: expected labels of nuScenes-lidarseg, found none. Unpack nuScenes-lidarseg as well."
            )
        points = read_rows(root / files.sweep.relative_to(clean.folder), _COLUMNS, files.name)
        raw_id = read_values(root / files.labels.relative_to(clean.folder), np.uint8, files.name)
        if len(raw_id) != len(points):
            raise BadDataset(
                f"{files.name}: expected one label per point in {root}, found {len(raw_id)} for {len(points)} points. "
                "Unpack nuScenes-C again."
            )
        try:
            class_id = to_classes.apply(np.where(np.isin(raw_id, _NOISE_IDS), np.uint8(_UNLABELLED), raw_id))
        except BadLabels as error:
            raise BadDataset(f"{files.name}: {error}") from error
        intensity = scaled_intensity(points[:, 3], 255.0)
        cloud = PointCloud(T_FLU_RFU.apply(points[:, :3]), intensity, 0, files.name)
        yield LabelledScan(cloud.xyz_m, intensity, class_id).take(cloud.has_return())


def _part(folder: Path, corruption: str, severity: str) -> Path:
    root = folder / corruption / severity
    if not root.is_dir():
        raise BadDataset(
            f"{root}: expected nuScenes-C as <corruption>/<severity>/samples/LIDAR_TOP and .../lidarseg/v1.0-trainval, "
            "found no such folder. Unpack nuScenes-C there, or leave its folder out to have corruptions made."
        )
    return root
