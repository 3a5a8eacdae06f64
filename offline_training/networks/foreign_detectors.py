"""Weights of OpenPCDet's detectors, SECOND, CenterPoint and PV-RCNN over voxels, in our names and layouts.

The dense parts are ours as they are, under other first names; the sparse part is VoxelNet's (foreign_weights.py).
"""

from collections.abc import Mapping

from torch import Tensor

from offline_training.networks.detection.detector import ENCODER, Detector
from offline_training.networks.foreign_weights import BATCH_COUNTER, not_finite, refuse, spconv_name, spconv_tensor

DETECTOR_ANCHOR = "backbone_3d.conv_input.0.weight"  # a tensor that each such detector has
_NAMES = {  # ours begin so, theirs so; the sparse part has more to it
    "bev.": "backbone_2d.",
    "head.": "dense_head.",
    "keypoints.levels.": "pfe.SA_layers.",
    "keypoints.points.": "pfe.SA_rawpoints.",
    "keypoints.fusion.": "pfe.vsa_point_feature_fusion.",
    "point_head.": "point_head.cls_layers.",
    "roi_head.": "roi_head.",
}
_NO_WEIGHTS = ("global_step",)  # a counter that every one of its files has


def translate_detector(tensors: Mapping[str, Tensor], detector: Detector) -> dict[str, Tensor]:
    """Bring the tensors of an OpenPCDet detector, of spconv 1.x or 2.x, into the form of ours of the same architecture.

    Counters of batch norms may be missing: old files have none. Raises BadCheckpoint naming every tensor that is missing,
    unexpected, misshapen or not finite.
    Shapes are those of our network.
    """
    weights: dict[str, Tensor] = {}
    missing, misshapen = [], []
    unexpected = {name for name in tensors if name not in _NO_WEIGHTS}
    for name, own in detector.state_dict().items():
        foreign_name = _foreign_name(name)
        unexpected.discard(foreign_name)
        tensor = tensors.get(foreign_name, own if name.endswith(BATCH_COUNTER) else None)
        if tensor is None:
            missing.append(foreign_name)
            continue
        ours = spconv_tensor(tensor, own) if name.startswith(ENCODER) else _as_linear(tensor, own)
        if ours is None or ours.shape != own.shape:
            misshapen.append(f"{foreign_name} {tuple(tensor.shape)}")
        else:
            weights[name] = ours.to(own.dtype).contiguous()
    problems = {
        "missing": missing,
        "unexpected": sorted(unexpected),
        "misshapen": misshapen,
        "not finite": not_finite(tensors),
    }
    refuse(problems, detector)
    return weights


def _as_linear(tensor: Tensor, own: Tensor) -> Tensor:
    """A 1x1 convolution (C_out, C_in, 1, 1) as the linear layer that it is here; any other tensor as it is."""
    return tensor[:, :, 0, 0] if own.ndim == 2 and tensor.shape[2:] == (1, 1) else tensor


def _foreign_name(name: str) -> str:
    if name.startswith(ENCODER):
        return f"backbone_3d.{spconv_name(name.removeprefix(ENCODER))}"
    ours, theirs = next((ours, theirs) for ours, theirs in _NAMES.items() if name.startswith(ours))
    return theirs + name.removeprefix(ours)
