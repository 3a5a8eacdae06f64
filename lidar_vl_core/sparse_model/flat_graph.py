"""The properties of WaffleIron's model file that a robot needs to run it, checked once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lidar_vl_core.sparse_model.bad_model import bad_model
from lidar_vl_core.sparse_model.flat_form import NEIGHBOURS, table_shapes
from lidar_vl_core.sparse_model.model_file import require_bounded_values, require_sound_model, require_valid_model
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT
from lidar_vl_core.voxels.flat_grids import PLANES

if TYPE_CHECKING:
    import onnx

_OPS = {
    "Add", "Concat", "Conv", "Erf", "Gather", "Identity", "LayerNormalization", "MatMul", "Mul", "Pad", "ReduceMax",
    "ReduceSum", "Relu", "Reshape", "Sub", "Transpose", "Unsqueeze",
}  # fmt: skip


@dataclass(frozen=True)
class FlatGraph:
    """The sizes of the network of a file."""

    in_channels: int
    neighbours: int
    grid_shapes: tuple[tuple[int, int], ...]  # cells of each plane
    out_channels: int


def read_flat_graph(model: "onnx.ModelProto") -> FlatGraph:
    """Read a model that FlatGraphBuilder made.

    Raises BadModelPackage for external data, an unknown operator, and for inputs and shapes that do not fit.
    """
    require_sound_model(model, "model.onnx")
    foreign = sorted({f"{node.domain}:{node.op_type}" for node in model.graph.node if _is_foreign(node)})
    if foreign or model.functions:
        raise bad_model(f"operators {', '.join(sorted(_OPS))}", ", ".join(foreign) or "functions of its own")
    shapes = {value.name: _shape(value) for value in model.graph.input}
    grids = [shapes.get(f"cells{plane}", []) for plane in range(len(PLANES))]
    if any(len(grid) != 3 or grid[0] != 1 or not all(isinstance(size, int) for size in grid) for grid in grids):
        raise bad_model(f"inputs cells0 to cells{len(PLANES) - 1} of fixed sizes (1, height, width)", grids)
    grid_shapes = tuple((int(height), int(width)) for _, height, width in grids)
    in_channels, neighbours = (_width(shapes.get(name, [])) for name in (FEATURES, NEIGHBOURS))
    known = {FEATURES: ["R", in_channels], NEIGHBOURS: ["R", neighbours]} | table_shapes(grid_shapes)
    if shapes != known or min(in_channels, neighbours) < 1:
        raise bad_model(f"inputs {_unlike(known, shapes)}", _unlike(shapes, known))
    outputs = [(value.name, _width(_shape(value))) for value in model.graph.output]
    if [name for name, _ in outputs] != [OUTPUT] or outputs[0][1] < 1:
        raise bad_model("one output logits (R, a fixed number of classes)", outputs)
    require_valid_model(model, "model.onnx", shapes=True)
    require_bounded_values(model, "model.onnx")
    return FlatGraph(in_channels, neighbours, grid_shapes, outputs[0][1])


def _is_foreign(node: "onnx.NodeProto") -> bool:
    return node.domain != "" or node.op_type not in _OPS


def _unlike(
    shapes: Mapping[str, Sequence[object]], others: Mapping[str, Sequence[object]]
) -> dict[str, Sequence[object]]:
    """Those of the shapes that are not as in the others."""
    return {name: shape for name, shape in shapes.items() if others.get(name) != shape}


def _shape(value: "onnx.ValueInfoProto") -> list[str | int]:
    """Sizes of a value, or their names."""
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _width(shape: list[str | int]) -> int:
    """The fixed second size of a value; 0 where it has none."""
    return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else 0
