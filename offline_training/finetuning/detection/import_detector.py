"""Detectors of OpenPCDet as checkpoints of ours: the same numbers, our names. Reads and writes files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lidar_vl_core.foundation.config import load_config
from lidar_vl_core.foundation.errors import BadCheckpoint
from lidar_vl_core.foundation.files import sha256_of
from offline_training.finetuning.detection.config import DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import build_detector
from offline_training.networks.foreign_detectors import DETECTOR_ANCHOR, translate_detector
from offline_training.networks.image.weight_file import named_tensors, read_weight_content
from offline_training.runs.checkpoint import RAW, Checkpoint, save_checkpoint

_RECIPES = Path(__file__).resolve().parents[2] / "configs" / "finetune" / "detection"
_RECIPE_OF = {"second": "second_kitti", "pv_rcnn": "pv_rcnn_kitti", "centerpoint": "centerpoint_nuscenes"}


@dataclass(frozen=True)
class ImportedDetector:
    """The result of importing a third-party file."""

    path: Path  # of our checkpoint
    config: DetectFinetuneConfig
    parameters: int

    def __str__(self) -> str:
        config = self.config
        lines = [
            f"detector: {config.network}, {self.parameters} parameters, classes {config.classes}",
            f"grid: voxel_size {list(config.voxel_size)}, point_cloud_range {list(config.point_cloud_range)}",
            f"checkpoint: {self.path}",
        ]
        return "\n".join(lines)


def import_detector(path: Path, kind: str, out: Path) -> ImportedDetector:
    """Write a detector of OpenPCDet as a checkpoint of ours in `out`, with the configuration of our recipe for its data set.

    kind: second, pv_rcnn or centerpoint, with OpenPCDet's own sizes (CenterPoint: voxels of 0.1 m, residual units). Code in a file is never
    run. Raises BadCheckpoint with what is missing, unexpected or misshapen.
    """
    tensors = named_tensors(read_weight_content(path))
    config = load_config(DetectFinetuneConfig, _RECIPES / f"{_RECIPE_OF[kind]}.yaml")
    network = build_detector(config)
    try:
        weights = translate_detector(_of_detector(tensors), network)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{path}: {error}") from error
    state = {"imported": {"kind": kind, "file": path.name, "sha256": sha256_of(path)}}
    named = {f"{RAW}.{name}": tensor for name, tensor in weights.items()}
    written = save_checkpoint(out, Checkpoint(0, named, config.model_dump(mode="json"), state))
    return ImportedDetector(written, config, sum(parameter.numel() for parameter in network.parameters()))


def _of_detector(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the detector without what stands before their names. Raises BadCheckpoint where there is none."""
    prefixes = [name.removesuffix(DETECTOR_ANCHOR) for name in tensors if f".{name}".endswith(f".{DETECTOR_ANCHOR}")]
    if len(prefixes) != 1:
        raise BadCheckpoint(
            f"expected one tensor {DETECTOR_ANCHOR} of a detector of OpenPCDet, found {len(prefixes)} among "
            f"{len(tensors)} tensors. Choose another file, or another --kind."
        )
    (prefix,) = prefixes
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
