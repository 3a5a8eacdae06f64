"""Weights of others from a local file into a network, tensor by tensor; code inside a file is never run. Touches the disk."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lidar_vl_core.foundation.errors import BadCheckpoint

_NAMES_SHOWN = 4


def read_weight_file(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that read_weight_content() can read.

    Follows the usual nesting: `state_dict`, `model`, or the `teacher` of a DINO run. Raises BadCheckpoint.
    """
    content = read_weight_content(path)
    for name in ("state_dict", "model", "teacher"):
        if isinstance(content.get(name), Mapping):
            content = content[name]
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise BadCheckpoint(
            f"{path}: expected named tensors, found {_listed(map(str, content))}. Choose a file of weights."
        )
    return tensors


def read_weight_content(path: Path) -> Mapping:
    """All of a .safetensors file, or of any file of torch.save (.pth, .pt, .tar, .ckpt), without unpickling code.

    Raises BadCheckpoint.
    """
    if not path.is_file():
        raise BadCheckpoint(
            f"{path}: expected a file of weights, found none. Weights are never downloaded by themselves: "
            "download them and give their path."
        )
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy every tensor into the network. Raises BadCheckpoint naming missing, unexpected and misshapen tensors.

    Counters of batch norms may be missing: old files have none, and a network in eval mode does not read them.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in tensors if name not in own]
    misshapen = [
        f"{name} {tuple(tensor.shape)} for {tuple(own[name].shape)}"
        for name, tensor in tensors.items()
        if name in own and tensor.shape != own[name].shape
    ]
    problems = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    if any(problems.values()):
        found = "; ".join(f"{len(names)} {kind}: {_listed(names)}" for kind, names in problems.items() if names)
        raise BadCheckpoint(
            f"{path}: expected the {len(own)} tensors of {type(network).__name__}, found {found}. "
            "Choose the weights of this architecture."
        )
    network.load_state_dict(dict(tensors), strict=False)


def _read_safetensors(path: Path) -> Mapping:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadCheckpoint(f"{path}: expected safetensors, found: {error}. Copy the file anew.") from error


def _read_torch(path: Path) -> Mapping:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged or hostile file raises what its bytes lead to
        reason = next((line for line in str(error).splitlines() if "nsupported" in line or "GLOBAL" in line), None)
        raise BadCheckpoint(
            f"{path}: expected a file of torch.save that holds tensors only, found one that is damaged or would run "
            f"code when loaded ({' '.join((reason or str(error)).split())[:200]}). Code in weights is never run: "
            "convert the file to safetensors where you trust it, and give that."
        ) from error
    if not isinstance(content, Mapping):
        raise BadCheckpoint(f"{path}: expected named tensors, found {type(content).__name__}. Choose another file.")
    return content


def _listed(names: Iterable[str]) -> str:
    first = list(names)
    rest = f" and {len(first) - _NAMES_SHOWN} more" if len(first) > _NAMES_SHOWN else ""
    return (", ".join(first[:_NAMES_SHOWN]) or "nothing") + rest
