"""What every ONNX file is checked for before use: all numbers inside the file, no unbounded sizes."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.foundation.errors import BadModelPackage, shortened

if TYPE_CHECKING:
    import onnx
    from google.protobuf.message import Message

_MOST_NUMBERS = 1 << 29  # of a tensor: 2 GB of float32, more than a protobuf holds
_MOST_MESSAGES = 1_000_000  # of any kind in a file; the packaged models have some hundred
_MOST_FUNCTIONS = 4096
_MOST_NODES = 1_000_000  # once all functions are written out
_EXPORT_AGAIN = "Export it again."

_Key = tuple[str, str, str]  # domain, name and overload of a function


def read_model(content: bytes, origin: str) -> "onnx.ModelProto":
    """The model in a file's content. Raises BadModelPackage naming `origin` for what no engine should run."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise _bad(origin, "an ONNX model", error) from error
    require_sound_model(model, origin)
    return model


def require_sound_model(model: "onnx.ModelProto", origin: str) -> None:
    """Raise BadModelPackage for numbers kept elsewhere, sizes that do not fit, unknown operator sets, endless functions."""
    import onnx
    from onnx import defs

    for number, message in enumerate(_messages(model)):
        if number == _MOST_MESSAGES:
            raise _bad(origin, f"at most {_MOST_MESSAGES} nodes, values and attributes", "more")
        if isinstance(message, onnx.TensorProto):
            _require_inside(message, origin)
            _require_filled(message, origin)
        elif isinstance(message, onnx.SparseTensorProto):
            _require_sizes(message.values.name, message.dims, origin)
    for owner in (model, *model.functions):
        versions = [each.version for each in owner.opset_import if each.domain in ("", "ai.onnx")]
        if any(not 1 <= version <= defs.onnx_opset_version() for version in versions):
            raise _bad(origin, f"operators of opset 1 to {defs.onnx_opset_version()}", f"opset {versions}")
    if model.ir_version > onnx.IR_VERSION:
        raise _bad(origin, f"IR version {onnx.IR_VERSION} or older", model.ir_version)
    _require_bounded_functions(model, origin)


def require_valid_model(model: "onnx.ModelProto", origin: str, shapes: bool = False) -> None:
    """Raise BadModelPackage for NaN, and where ONNX's own checker finds a fault: of names, order, fields, shapes if asked."""
    import onnx
    from onnx import checker, numpy_helper

    for tensor in model.graph.initializer:
        is_real = tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        if is_real and np.isnan(numpy_helper.to_array(tensor)).any():
            raise _bad(origin, "weights without NaN", f"NaN in {tensor.name}")
    try:
        checker.check_model(model, full_check=shapes)
    except (checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise _bad(origin, "layers that fit together", error) from error


def require_bounded_values(model: "onnx.ModelProto", origin: str) -> None:
    """Raise BadModelPackage for a value whose fixed sizes alone exceed any reasonable memory."""
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(model).graph
    for value in (*graph.value_info, *graph.output):
        sizes = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        if math.prod(sizes) > _MOST_NUMBERS:
            raise _bad(origin, f"values of at most {_MOST_NUMBERS} numbers", f"{value.name} {sizes}")


def _messages(root: "Message") -> Iterator["Message"]:
    """A message and all inside it, however deep: in branches, loops, functions, attributes, training."""
    from google.protobuf.message import Message

    waiting: list[Message] = [root]
    while waiting:
        message = waiting.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if isinstance(value, Message) else value)


def _require_inside(tensor: "onnx.TensorProto", origin: str) -> None:
    from onnx import TensorProto

    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        places = {entry.key: entry.value for entry in tensor.external_data}
        raise BadModelPackage(
            f"{origin}: expected all weights inside the file, found {shortened(tensor.name)!r} kept outside at "
            f"{shortened(places.get('location', '?'))!r}. Export it again with the weights inside."
        )


def _require_filled(tensor: "onnx.TensorProto", origin: str) -> None:
    """Of tensors as bytes; those as lists of numbers are counted where they are read."""
    from onnx import helper

    if tensor.data_type == 0 and not tensor.ByteSize():
        return
    _require_sizes(tensor.name, tensor.dims, origin)
    if not tensor.HasField("raw_data"):
        return
    try:
        bits = 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError as error:
        raise _bad(origin, "numbers of a known type", f"{tensor.name} of type {tensor.data_type}") from error
    # Types of 4 bits and less are packed; numpy has a byte for each.
    if bits > 8 and len(tensor.raw_data) * 8 != bits * math.prod(tensor.dims):
        raise _bad(
            origin,
            "weights that fill their shapes",
            f"{tensor.name} {list(tensor.dims)} in {len(tensor.raw_data)} bytes",
        )


def _require_sizes(name: str, dims: "list[int]", origin: str) -> None:
    if any(size < 0 for size in dims) or len(dims) > 8 or math.prod(dims) > _MOST_NUMBERS:
        raise _bad(origin, f"up to 8 sizes of 0 or more, at most {_MOST_NUMBERS} numbers", f"{name} {list(dims[:9])}")


def _require_bounded_functions(model: "onnx.ModelProto", origin: str) -> None:
    """Functions are written out before they run: one that calls itself has no end, a few that call in pairs fill the memory."""
    import onnx

    calls = {
        (function.domain, function.name, function.overload): [
            _key(node) for node in _messages(function) if isinstance(node, onnx.NodeProto)
        ]
        for function in model.functions
    }
    if len(calls) != len(model.functions) or len(calls) > _MOST_FUNCTIONS:
        raise _bad(
            origin, f"at most {_MOST_FUNCTIONS} functions of different names", [each.name for each in model.functions]
        )
    sizes: dict[_Key, int] = {}
    while len(sizes) < len(calls):
        ready = [
            key for key in calls.keys() - sizes.keys() if all(one not in calls or one in sizes for one in calls[key])
        ]
        if not ready:
            raise _bad(origin, "functions that do not call themselves", sorted(calls.keys() - sizes.keys()))
        sizes |= {key: sum(sizes.get(one, 1) for one in calls[key]) for key in ready}
    total = sum(sizes.get(_key(node), 1) for node in _messages(model.graph) if isinstance(node, onnx.NodeProto))
    if total > _MOST_NODES:
        raise _bad(origin, f"at most {_MOST_NODES} operators after functions are inlined", total)


def _key(node: "onnx.NodeProto") -> _Key:
    return node.domain, node.op_type, node.overload


def _bad(origin: str, expected: str, found: object) -> BadModelPackage:
    return BadModelPackage(f"{origin}: expected {expected}, found {shortened(found)}. {_EXPORT_AGAIN}")
