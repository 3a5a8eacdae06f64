"""Checkpoints of SLidR, OLIVINE, Seal, ST-SLidR, ScaLR, ScaLR+, WaffleIron and OpenPCDet as ours: same numbers, our names. Reads and writes files."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lidar_vl_core.foundation.errors import BadCheckpoint
from lidar_vl_core.foundation.files import sha256_of
from offline_training.networks.foreign_heads import (
    CLASS_STATISTIC,
    MEAN_FEATURE,
    PICTURE_HEAD,
    class_statistics,
    picture_heads,
    require_finite,
)
from offline_training.networks.foreign_waffleiron import ANCHOR as WAFFLEIRON_ANCHOR
from offline_training.networks.foreign_waffleiron import (
    KITTI,
    NUSCENES,
    SCALR_NUSCENES,
    Intensity,
    has_deep_head,
    network_name,
    translate_waffleiron,
)
from offline_training.networks.foreign_weights import SPCONV_ANCHOR, SR_UNET_ANCHOR, translate_weights
from offline_training.networks.image.weight_file import named_tensors, read_weight_content
from offline_training.networks.projection_heads import PROJECTION_CHANNELS
from offline_training.networks.sparse.minkunet import LEVELS
from offline_training.runs.backbone_config import VOXELNET, BackboneConfig
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint

BACKBONE_PREFIX, HEADS_PREFIX, _OBJECTIVE_PREFIX = "network", "heads", "objective"  # of names in our checkpoint
_WAFFLEIRONS: Mapping[str, tuple[tuple[float, ...], float, Intensity]] = {  # range and cells as published, in metres
    "waffleiron_nuscenes": ((-50.0, -50.0, -5.0, 50.0, 50.0, 5.0), 0.6, NUSCENES),
    "waffleiron_kitti": ((-50.0, -50.0, -3.0, 50.0, 50.0, 2.0), 0.4, KITTI),
    "scalr": ((-64.0, -64.0, -8.0, 64.0, 64.0, 8.0), 0.5, SCALR_NUSCENES),
    "scalr_plus": ((-64.0, -64.0, -8.0, 64.0, 64.0, 8.0), 0.5, SCALR_NUSCENES),
}
_GELU = "scalr_plus"  # the kind with another activation
_ANCHORS = {VOXELNET: SPCONV_ANCHOR, **dict.fromkeys(_WAFFLEIRONS, WAFFLEIRON_ANCHOR)}
_ALIGNMENT = 2 ** (LEVELS - 1)  # voxels: coarse ones come by halving, there from 0, here from the range's minimum
_REACH_M, _HEIGHT_M = 204.8, 51.2  # beyond every return: the foreign grids end nowhere
_PUBLISHED_VOXEL_M = 0.1
_KITTI_SCORES = 20  # of a fine-tuned head: SemanticKITTI's classes, whose loaders add 1 to the intensity


@dataclass(frozen=True)
class ImportedCheckpoint:
    """The result of importing a third-party file."""

    path: Path  # of our checkpoint
    config: BackboneConfig
    parameters: int  # of the backbone
    heads: tuple[str, ...]  # of ProjectionHeads, kept so that pre-training can go on
    statistics: int  # classes of OLIVINE whose distributions are kept for the same reason
    left_out: Mapping[str, int]  # tensors, by the first part of their names
    notes: tuple[str, ...]  # what was taken for granted

    def __str__(self) -> str:
        left_out = ", ".join(f"{count} of {name}" for name, count in sorted(self.left_out.items()))
        config = self.config
        lines = [
            f"network: {config.network}, {self.parameters} parameters",
            f"grid: {config.grid_kind}, voxel_size {list(config.voxel_size)}, "
            f"point_cloud_range {list(config.point_cloud_range)}",
            f"features: {', '.join(config.features)}",
            f"heads for pre-training: {', '.join(self.heads) or 'none'}; distributions of classes: {self.statistics or 'none'}",
            f"tensors left out: {left_out or 'none'}",
            *[f"note: {note}" for note in self.notes],
            f"checkpoint: {self.path}",
        ]
        return "\n".join(lines)


def import_checkpoint(path: Path, kind: str, out: Path) -> ImportedCheckpoint:
    """Write the 3D network of a foreign checkpoint, and its heads of pre-training, as a checkpoint of ours in `out`.

    kind: waffleiron_nuscenes, waffleiron_kitti, scalr and scalr_plus are WaffleIrons by their authors; voxelnet is a VoxelNet of spconv, by SLidR, OLIVINE or OpenPCDet; slidr, olivine, seal and st_slidr are SR-UNets
    of MinkowskiEngine. Code in a file is never run. Raises BadCheckpoint with what is missing, unexpected or misshapen.
    """
    content = read_weight_content(path)
    tensors = named_tensors(content)
    anchor = _ANCHORS.get(kind, SR_UNET_ANCHOR)
    prefix = _prefix_of(anchor, tensors, content, path)
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    try:
        config, weights, heads, notes = _translated(kind, own, content, path)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{path}: {error}") from error
    statistics = class_statistics(others)
    pictures = picture_heads(others)
    require_finite(path, {**statistics, **pictures})
    kept = (PICTURE_HEAD, CLASS_STATISTIC) if statistics else (PICTURE_HEAD,)
    left_out = Counter(name.split(".")[0] for name in others if not any(one.search(name) for one in kept))
    if statistics and "epoch" in content:
        notes.append(
            f"it was trained for {content['epoch']} epochs: continue with `pretrain`, start_from and start_epoch"
        )
    left_out.update(name.split(".")[0] for name in own if anchor == WAFFLEIRON_ANCHOR and name.startswith("classif."))
    if any(name.endswith("weight") and len(tensor) != PROJECTION_CHANNELS for name, tensor in heads.items()):
        left_out["final"] += 1  # the head of a fine-tuned network, for classes in its own order
        heads = {}
    heads = {**heads, **pictures}
    tensors_by_our_names = {
        **{f"{BACKBONE_PREFIX}.{name}": tensor for name, tensor in weights.items()},
        **{f"{HEADS_PREFIX}.{name}": tensor for name, tensor in heads.items()},
        **{f"{_OBJECTIVE_PREFIX}.{name}": tensor for name, tensor in statistics.items()},
    }
    state = {"imported": {"kind": kind, "file": path.name, "sha256": sha256_of(path)}}
    written = save_checkpoint(out, Checkpoint(0, tensors_by_our_names, config.model_dump(mode="json"), state))
    return ImportedCheckpoint(
        path=written,
        config=config,
        parameters=sum(parameter.numel() for parameter in build_backbone(config, None).parameters()),
        heads=tuple(sorted({name.split(".")[0] for name in heads})),
        statistics=len(statistics.get(MEAN_FEATURE, ())),
        left_out=left_out,
        notes=tuple(notes),
    )


def _translated(
    kind: str, own: Mapping[str, Tensor], content: Mapping, path: Path
) -> tuple[BackboneConfig, dict[str, Tensor], dict[str, Tensor], list[str]]:
    """Configuration, tensors of the backbone and of its heads by our names, and what was taken for granted."""
    if kind in _WAFFLEIRONS:
        return _waffleiron(kind, own)
    config, notes = (_voxelnet_config(), []) if kind == VOXELNET else _sr_unet_config(content, own, path)
    weights, heads = translate_weights(own, build_backbone(config, None))
    return config, weights, heads, notes


def _waffleiron(
    kind: str, own: Mapping[str, Tensor]
) -> tuple[BackboneConfig, dict[str, Tensor], dict[str, Tensor], list[str]]:
    range_m, cell_m, intensity = _WAFFLEIRONS[kind]
    voxels: dict[str, Any] = {"voxel_size": (_PUBLISHED_VOXEL_M,) * 3, "point_cloud_range": range_m}
    if has_deep_head(own) and kind != _GELU:
        raise BadCheckpoint(
            "expected a head of one layer, found one of two, as ScaLR+ has, whose network computes with GELU. Use --kind scalr_plus."
        )
    config = BackboneConfig(network=network_name(own, kind == _GELU), waffle_cell_m=cell_m, **voxels)
    notes = [f"the file does not state its grids: using the published ones, cells of {cell_m} m in {list(range_m)}"]
    if kind in ("scalr", _GELU):
        notes += [
            "intensities are normalised as ScaLR does those of nuScenes; it does each data set's by its own mean",
            f"the file does not state its activation: using {'GELU, as ScaLR+' if kind == _GELU else 'ReLU, as ScaLR; ScaLR+ is --kind scalr_plus'}",
        ]
    return config, translate_waffleiron(own, build_backbone(config, None), intensity), {}, notes


def _prefix_of(anchor: str, tensors: Mapping[str, Tensor], content: Mapping, path: Path) -> str:
    """What stands before the names of the 3D network: that before the one tensor every such network has."""
    prefixes = [name.removesuffix(anchor) for name in tensors if f".{name}".endswith(f".{anchor}")]
    if len(prefixes) == 1:
        return prefixes[0]
    names = {
        SR_UNET_ANCHOR: "an SR-UNet of MinkowskiEngine",
        SPCONV_ANCHOR: "a VoxelNet of spconv",
        WAFFLEIRON_ANCHOR: "a WaffleIron",
    }
    others = [name for name in names if name != anchor and any(each.endswith(name) for each in tensors)]
    if prefixes:
        found = f"{len(prefixes)}, below {', '.join(prefixes)}"
        advice = "Save only the network you need."
    elif others:
        found, advice = names[others[0]], "Choose another --kind."
    elif tensors:
        found, advice = f"tensors {', '.join(list(tensors)[:4])}", "Choose the file of a 3D network."
    else:
        found, advice = (
            f"no tensors but {', '.join(map(str, list(content)[:6])) or 'nothing'}",
            "Choose a file of weights.",
        )
    raise BadCheckpoint(f"{path}: expected one tensor {anchor} of {names[anchor]}, found {found}. {advice}")


def _sr_unet_config(content: Mapping, tensors: Mapping[str, Tensor], path: Path) -> tuple[BackboneConfig, list[str]]:
    """The grid that the file's own configuration names, aligned so that coarse voxels are those of MinkowskiEngine."""
    theirs = content.get("config")
    theirs = theirs if isinstance(theirs, Mapping) else {}
    notes = []
    for name, published in (("voxel_size", f"{_PUBLISHED_VOXEL_M} m"), ("cylindrical_coordinates", "true")):
        if name not in theirs:
            notes.append(f"the file does not state {name}: using the published value, {published}")
    voxel_m: Any = theirs.get("voxel_size", _PUBLISHED_VOXEL_M)
    voxel_m = voxel_m.item() if isinstance(voxel_m, np.generic) else voxel_m
    if isinstance(voxel_m, bool) or not isinstance(voxel_m, int | float) or not 0 < voxel_m < math.inf:
        raise BadCheckpoint(f"{path}: voxel_size: expected a number of metres, found {voxel_m!r}. Choose another file.")
    reach_m, height_m = _aligned(_REACH_M, voxel_m), _aligned(_HEIGHT_M, voxel_m)
    features = ("first_intensity_255",)
    head = tensors.get("final.kernel")
    if head is not None and head.ndim and head.shape[-1] == _KITTI_SCORES:
        features = ("first_intensity_plus_1",)
        notes.append(
            f"a head of {_KITTI_SCORES} scores: assumed to be fine-tuned on intensity + 1, as for SemanticKITTI"
        )
    if theirs.get("cylindrical_coordinates", True):
        degree, half_turn = math.radians(1.0), _aligned(math.pi, math.radians(1.0))
        size, low, high = (voxel_m, degree, voxel_m), (0.0, -half_turn, -height_m), (reach_m, half_turn, height_m)
        kind = "cylindrical"
    else:
        size, low, high = (voxel_m,) * 3, (-reach_m, -reach_m, -height_m), (reach_m, reach_m, height_m)
        kind = "cartesian"
    config = BackboneConfig(
        network="res16unet_34c", grid_kind=kind, voxel_size=size, point_cloud_range=(*low, *high), features=features
    )
    return config, notes


def _voxelnet_config() -> BackboneConfig:
    return BackboneConfig(
        network=VOXELNET,
        voxel_size=(0.1, 0.1, 0.2),
        point_cloud_range=(-51.2, -51.2, -5.0, 51.2, 51.2, 3.0),
        features=("x", "y", "z", "intensity_255"),
    )


def _aligned(reach: float, voxel_size: float) -> float:
    """The next multiple of _ALIGNMENT voxels."""
    step = _ALIGNMENT * voxel_size
    return math.ceil(reach / step - 1e-6) * step
