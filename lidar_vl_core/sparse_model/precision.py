"""The precision a model file computes in, and any file read as float32."""

from typing import TYPE_CHECKING

from lidar_vl_core.sparse_model.bad_model import bad_model

if TYPE_CHECKING:
    import onnx

    from lidar_vl_core.sparse_model.known_precisions import Precision


def precision_of(model: "onnx.ModelProto") -> "Precision":
    """The precision of the operators; int8: of the sparse convolutions, everything else being float32."""
    from lidar_vl_core.sparse_model.half_form import is_in_half
    from lidar_vl_core.sparse_model.int8_form import is_in_int8

    return "int8" if is_in_int8(model) else "fp16" if is_in_half(model) else "fp32"


def as_float32(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The same network in float32, with exactly the weights of the file, for engines that compute in float32.

    Raises BadModelPackage for a file that is partly of one precision and partly of another.
    """
    from lidar_vl_core.sparse_model.half_form import from_half
    from lidar_vl_core.sparse_model.int8_form import from_int8

    try:
        precision = precision_of(model)
        if precision == "fp16":
            return from_half(model)
        return from_int8(model) if precision == "int8" else model
    except (ValueError, TypeError, KeyError, IndexError) as error:  # of damaged weights, by onnx and numpy
        raise bad_model("weights that fill their shapes", error) from error
