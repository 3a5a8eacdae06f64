"""Weights of others from a local file into a network, tensor by tensor; code inside a file is never run. Touches the disk."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.base.torch_files import load_as_data
from offline_training.networks.image.weight_path import require_weight_file

_NAMES_SHOWN = 4
_MOST_HEADER_BYTES = 10_000_000  # of safetensors: names and shapes of some ten thousand tensors
# Under which name a file of training keeps its network, the first that is there: trained weights before averaged ones.
_NETWORK = (
    "state_dict", "model_state_dict", "model_state", "model_dict", "model", "network", "net", "module", "weights", "params",
    "teacher", "student", "model_ema", "state_dict_ema", "ema_state_dict", "ema",
)  # fmt: skip
_NOT_WEIGHTS = re.compile(
    r"optim|sched|scaler|criterion|loss|callback|hyper|^(amp|args?|config|cfg|rng.*)$", re.IGNORECASE
)
_PLAIN_ARRAYS = ("float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
_PLAIN = (torch.bfloat16, *(getattr(torch, name) for name in _PLAIN_ARRAYS))
_WRAPPERS = ("module.", "_orig_mod.")  # of a network trained on several devices, or compiled


def read_weight_file(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that read_weight_content() can read, in their shapes there.

    As named_tensors() finds them. Raises BadCheckpoint.
    """
    content = read_weight_content(path)
    tensors = named_tensors(content)
    if not tensors:
        raise BadCheckpoint(
            f"{path}: expected named tensors, found {_listed(map(str, content))}. Choose a file of weights."
        )
    return tensors


def named_tensors(content: Mapping) -> dict[str, Tensor]:
    """The tensors of the network that a file of training holds, whatever else is in it; {} where it holds none.

    They lie under one of the usual names, several deep, or in the only part that holds tensors; of several such parts, as
    model_points and model_images, all are taken, with the parts' names before theirs. Those of optimisers are never taken,
    and what stands before every name because the network was wrapped goes away.
    Shapes are as stored.
    """
    known = next((content[name] for name in _NETWORK if _holds_tensors(content.get(name))), None)
    if known is not None:
        return named_tensors(known)
    parts = {
        str(name): part for name, part in content.items() if _holds_tensors(part) and not _NOT_WEIGHTS.search(str(name))
    }
    if len(parts) == 1:
        return named_tensors(*parts.values())
    if parts:
        return {
            f"{name}.{inner}": tensor for name, part in parts.items() for inner, tensor in named_tensors(part).items()
        }
    return _unwrapped({str(name): _as_tensor(value) for name, value in content.items() if _is_tensor(value)})


def _is_tensor(value: object) -> bool:
    """Whether it holds plain numbers; what is complex, sparse, quantised or without content is no weight of a network here."""
    if isinstance(value, Tensor):
        return value.layout == torch.strided and value.dtype in _PLAIN and value.device.type == "cpu"
    return isinstance(value, np.ndarray) and value.dtype.name in _PLAIN_ARRAYS


def _as_tensor(value: Tensor | np.ndarray) -> Tensor:
    return value.detach() if isinstance(value, Tensor) else torch.from_numpy(value.copy())


def _holds_tensors(part: object) -> bool:
    return isinstance(part, Mapping) and any(_is_tensor(value) or _holds_tensors(value) for value in part.values())


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if tensors and all(name.startswith(wrapper) for name in tensors):
            return _unwrapped({name.removeprefix(wrapper): tensor for name, tensor in tensors.items()})
    return tensors


def read_weight_content(path: Path) -> Mapping:
    """All of a .safetensors file, or of any file of torch.save (.pth, .pt, .tar, .ckpt), without unpickling code.

    Raises BadCheckpoint.
    """
    require_weight_file(path)
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy every tensor into the network; names and shapes have to be the network's.

    Raises BadCheckpoint naming missing, unexpected, misshapen and not finite tensors. What stands before all names, such as
    the `model.` of a trainer, is left aside. Counters of batch norms may be missing: old files have none, and a network in
    eval mode does not read them.
    """
    own = network.state_dict()
    tensors = _below_one_prefix(tensors, own)
    missing = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in tensors if name not in own]
    misshapen = [
        f"{name} {tuple(tensor.shape)} for {tuple(own[name].shape)}"
        for name, tensor in tensors.items()
        if name in own and tensor.shape != own[name].shape
    ]
    not_finite = [name for name, tensor in tensors.items() if name in own and not torch.isfinite(tensor.float()).all()]
    problems = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": misshapen,
        "with NaN or infinite numbers": not_finite,
    }
    if any(problems.values()):
        found = "; ".join(f"{len(names)} {kind}: {_listed(names)}" for kind, names in problems.items() if names)
        raise BadCheckpoint(
            f"{path}: expected the {len(own)} tensors of {type(network).__name__}, found {found}. "
            "Choose the weights of this architecture."
        )
    network.load_state_dict(dict(tensors), strict=False)


def _below_one_prefix(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors by the network's own names, where the same words stand before every one of them."""
    first = next(iter(own), "")
    for prefix in (name.removesuffix(first) for name in tensors if name.endswith(f".{first}")):
        if all(name.startswith(prefix) and name.removeprefix(prefix) in own for name in tensors):
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _read_safetensors(path: Path) -> Mapping:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
        if header_bytes > _MOST_HEADER_BYTES:
            raise ValueError(f"a list of tensors of {header_bytes} bytes")
        return load_file(path)
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: too large to map
        raise BadCheckpoint(f"{path}: expected safetensors, found: {error}. Copy the file again.") from error


def _read_torch(path: Path) -> Mapping:
    try:
        content = load_as_data(path)
    except OSError as error:
        raise BadCheckpoint(f"{path}: expected a readable file of weights, found: {error.strerror}.") from error
    except Exception as error:  # unpickling a damaged or hostile file raises what its bytes lead to
        code = re.search(r"GLOBAL (\S+)", str(error))  # what it would run
        raise BadCheckpoint(
            f"{path}: expected a file of torch.save that holds data only, found one that is damaged or would run "
            f"code when loaded{f' (objects of {code[1][:80]})' if code else ''}. Code in weights is never run: copy a damaged "
            "file again; of another that you trust, save the network's state_dict() alone, or convert it to safetensors."
        ) from error
    if not isinstance(content, Mapping):
        raise BadCheckpoint(f"{path}: expected named tensors, found {type(content).__name__}. Choose another file.")
    try:
        named_tensors(content)
    except RecursionError as error:
        raise BadCheckpoint(
            f"{path}: expected named tensors, found mappings that hold themselves. Choose another file."
        ) from error
    return content


def _listed(names: Iterable[str]) -> str:
    first = list(names)
    rest = f" and {len(first) - _NAMES_SHOWN} more" if len(first) > _NAMES_SHOWN else ""
    return (", ".join(first[:_NAMES_SHOWN]) or "nothing") + rest
