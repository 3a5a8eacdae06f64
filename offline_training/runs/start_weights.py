"""The weights a run begins with: the backbone of a pre-training, or all that fits of another fine-tuning. Reads files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.base.point_backbone import PointBackbone
from offline_training.networks.detection.detector import ENCODER, Detector
from offline_training.runs.checkpoint import AVERAGED, RAW, Checkpoint, load_checkpoint, weights_of

_HEAD = "head."
_MOST_TOLD = 4  # names in one line
_BOXES = ("anchors", "groups", "velocity", "axis_alone")  # of a detector: what the numbers of its head mean
_OF_ANCHORS = ("name", "size", "bottom")  # the others say which boxes an anchor learns from
_INPUTS = ("grid_kind", "voxel_size", "features")  # of BackboneConfig: what decides over the numbers a network sees


@dataclass(frozen=True)
class StartWeights:
    """What a network took from a checkpoint, by the names of its tensors."""

    path: Path
    taken: tuple[str, ...]
    left_there: tuple[str, ...]  # the checkpoint has them, the network did not take them
    fresh: tuple[str, ...]  # the network has them and keeps its own
    other_inputs: tuple[str, ...] = ()  # what the checkpoint's network saw and this one will not

    def told(self) -> str:
        """One line for the log."""
        return (
            f"starts with {len(self.taken)} tensors of {self.path}; not used: {_first(self.left_there)}; "
            f"fresh: {_first(self.fresh)}; other inputs: {'; '.join(self.other_inputs) or 'none'}"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values for a run's log."""
        return {
            "started_from": str(self.path),
            "taken": len(self.taken),
            "not_taken": self.left_there,
            "fresh": self.fresh,
            "other_inputs": self.other_inputs,
        }


def begin_with(
    network: PointBackbone, checkpoint_path: Path, classes: str, inputs: Config | None = None
) -> StartWeights:
    """Give a network the weights of a checkpoint, averaged ones where there are any.

    inputs: the new run's, to tell where they differ from those the weights were trained on. The head comes along only from a run that told the same classes (name of their table) apart; else it stays fresh.
    Raises BadCheckpoint when the checkpoint has no network, or one of another shape.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    offered = _weights(checkpoint)
    own = network.state_dict()
    same_head = checkpoint.config.get("classes") == classes and _fits(offered, own, _HEAD)
    asked = {name for name in own if same_head or not name.startswith(_HEAD)}
    return _begin(network, offered, asked, checkpoint, checkpoint_path, inputs)


def begin_detector_with(
    detector: Detector, checkpoint_path: Path, classes: str, inputs: Config | None = None
) -> StartWeights:
    """Give a detector the sparse encoder of a pre-trained or fine-tuned VoxelNet, or all of another detector, averaged weights first.

    inputs: the new run's, to tell where they differ from those the weights were trained on. The head comes along only from a
    detector that told the same classes apart with the same anchors and groups; parts that the other one does not have stay fresh. Raises BadCheckpoint when
    there is no such encoder, or one of another shape.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    weights = _weights(checkpoint)
    is_detector = any(name.startswith(ENCODER) for name in weights)
    offered = weights if is_detector else {f"{ENCODER}{name}": tensor for name, tensor in weights.items()}
    own = detector.state_dict()
    same_head = checkpoint.config.get("classes") == classes and _fits(offered, own, _HEAD)
    same_head &= inputs is None or _same_boxes(checkpoint.config, inputs)
    parts = {_part(name) for name in offered} - ({_HEAD} if not same_head else set())
    asked = {name for name in own if name.startswith(ENCODER) or (is_detector and _part(name) in parts)}
    return _begin(detector, offered, asked, checkpoint, checkpoint_path, inputs)


def take_weights(network: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Give a network all weights of a checkpoint, averaged ones where there are any; raises BadCheckpoint if one differs."""
    try:
        network.load_state_dict(_weights(checkpoint))
    except RuntimeError as error:
        told = " ".join(str(error).split())[:400]
        raise BadCheckpoint(
            f"{path}: expected weights of a network of the configured shape, found: {told}. Use the configuration it was trained with."
        ) from error


def _part(name: str) -> str:
    """The first part of a tensor's name, with its dot."""
    return name[: name.index(".") + 1]


def _first(names: tuple[str, ...]) -> str:
    return (", ".join(names[:_MOST_TOLD]) or "none") + (f", ... ({len(names)})" if len(names) > _MOST_TOLD else "")


def _weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return weights_of(checkpoint, AVERAGED) or weights_of(checkpoint, RAW)


def _begin(
    network: nn.Module,
    offered: Mapping[str, Tensor],
    asked: set[str],
    checkpoint: Checkpoint,
    path: Path,
    inputs: Config | None,
) -> StartWeights:
    own = network.state_dict()
    if not any(name in own for name in offered if not name.startswith(_HEAD)):
        raise BadCheckpoint(
            f"{path}: expected weights of {type(network).__name__}, found none of its names among "
            f"{len(checkpoint.tensors)} tensors. Give the checkpoint of a pre-training or fine-tuning of this network."
        )
    if wrong := [_difference(name, offered, own) for name in own if name in asked and not _fits(offered, own, name)]:
        raise BadCheckpoint(
            f"{path}: expected weights of a network of the configured shape, found {len(wrong)} others: "
            f"{'; '.join(wrong[:3])}. Use the configuration it was trained with."
        )
    network.load_state_dict({**own, **{name: offered[name] for name in asked}})
    return StartWeights(
        path,
        taken=tuple(name for name in own if name in asked),
        left_there=tuple(name for name in offered if name not in asked),
        fresh=tuple(name for name in own if name not in asked),
        other_inputs=() if inputs is None else _other_inputs(checkpoint.config, inputs),
    )


def _same_boxes(there: Mapping[str, Any], here: Config) -> bool:
    """Whether a head's numbers say the same of a box in both configurations; what the other one does not name has its default."""
    fields = type(here).model_fields
    own = here.model_dump(mode="json", include=set(_BOXES))
    return all(_meant(there.get(key, fields[key].get_default())) == _meant(own[key]) for key in own)


def _meant(value: Any) -> Any:  # noqa: ANN401  of a configuration
    """Lists for tuples, and of an anchor what its numbers are measured by."""
    if isinstance(value, list | tuple):
        return [_meant(one) for one in value]
    return {key: _meant(value.get(key)) for key in _OF_ANCHORS} if isinstance(value, dict) else value


def _other_inputs(there: Mapping[str, Any], here: Config) -> tuple[str, ...]:
    own = here.model_dump(mode="json", include=set(_INPUTS))
    return tuple(
        f"{key} {there[key]} there, {own[key]} here"
        for key in _INPUTS
        if key in there and key in own and there[key] != own[key]
    )


def _fits(offered: Mapping[str, Tensor], own: Mapping[str, Tensor], prefix: str) -> bool:
    """Whether the checkpoint has every tensor whose name begins so, in the network's shape."""
    names = [name for name in own if name.startswith(prefix)]
    return all(name in offered and offered[name].shape == own[name].shape for name in names)


def _difference(name: str, offered: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    there = _size(offered[name]) if name in offered else "nothing"
    return f"{name} {there} for {_size(own[name])}"


def _size(tensor: torch.Tensor) -> str:
    return "x".join(str(length) for length in tensor.shape) or "one number"
