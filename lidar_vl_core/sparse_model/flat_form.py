"""WaffleIron as one ONNX file in standard operators: the neighbours of points, and how rows are summed into cells, are inputs.

TensorRT refuses to add at indices, so a mean over the points of each cell is a few gathers and sums, by the tables of
voxels/cell_sums.py.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.sparse_model.conv_bodies import OPSET
from lidar_vl_core.sparse_model.onnx_form import FEATURES, IR_VERSION, OUTPUT
from lidar_vl_core.voxels.cell_sums import WIDTHS, CellSums
from lidar_vl_core.voxels.flat_grids import FlatRows

if TYPE_CHECKING:
    import onnx

NEIGHBOURS = "neighbours"
Weights = tuple[
    np.ndarray, np.ndarray
]  # of a linear layer (C_in, C_out) and its bias (C_out,); of a convolution (C, 1, k, k) and (C,)


def table_shapes(grid_shapes: Sequence[tuple[int, int]]) -> dict[str, list[str | int]]:
    """Every input of the file beside features and neighbours, by its name; grid_shapes: cells of each plane."""
    shapes: dict[str, list[str | int]] = {}
    for plane, (height, width) in enumerate(grid_shapes):
        shapes[f"share{plane}"] = ["R", 1]
        for level, count in enumerate(WIDTHS):
            shapes[f"lines{plane}_{level}"] = [f"L{plane}_{level}", count or f"K{plane}_{level}"]
        shapes[f"cells{plane}"] = [1, height, width]
        shapes[f"cell_of_row{plane}"] = ["R"]
    return shapes


def file_inputs(rows: FlatRows, sums: Sequence[CellSums]) -> dict[str, np.ndarray]:
    """Every input of the file for one scan by its name, in the shapes of FlatRows and CellSums; sums: of each plane."""
    inputs = {FEATURES: rows.features, NEIGHBOURS: rows.neighbours.astype(np.int32)}
    for plane, one in enumerate(sums):
        inputs |= {f"lines{plane}_{level}": lines for level, lines in enumerate(one.lines)}
        inputs |= {f"share{plane}": one.share, f"cells{plane}": one.cells, f"cell_of_row{plane}": one.cell_of_row}
    return inputs


class FlatGraphBuilder:
    """Writes one network: embed(), then spatial_mix() and channel_mix() in turns, and finish()."""

    def __init__(self, in_channels: int, neighbours: int, grid_shapes: Sequence[tuple[int, int]], name: str) -> None:
        self.in_channels = in_channels
        self.neighbours = neighbours
        self.name = name
        self._tables = table_shapes(grid_shapes)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def embed(self, own: Weights, neighbour1: Weights, neighbour2: np.ndarray, merge: Weights) -> str:
        """A point's own features beside the greatest of what its differences to its neighbours give: (R, C)."""
        near = self._node("Gather", [FEATURES, NEIGHBOURS], axis=0)
        centre = self._node("Unsqueeze", [FEATURES, self._numbers("axis", [1])])
        difference = self._node("Sub", [near, centre])
        hidden = self._node("Relu", [self._linear(difference, neighbour1)])
        product = self._node("MatMul", [hidden, self._constant("weight", neighbour2)])
        around = self._node("ReduceMax", [product, self._numbers("axis", [1])], keepdims=0)
        joined = self._node("Concat", [self._linear(FEATURES, own), around], axis=1)
        return self._linear(joined, merge)

    def layer_norm(self, x: str, norm: Weights, epsilon: float) -> str:
        """Each row with mean 0 and variance 1, times factor, plus shift."""
        names = [self._constant("factor", norm[0]), self._constant("shift", norm[1])]
        return self._node("LayerNormalization", [x, *names], axis=-1, epsilon=epsilon)

    def scaled(self, x: str, norm: Weights) -> str:
        """x * factor + shift."""
        product = self._node("Mul", [x, self._constant("factor", norm[0])])
        return self._node("Add", [product, self._constant("shift", norm[1])])

    def spatial_mix(self, x: str, normed: str, plane: int, conv1: Weights, conv2: Weights, gelu: bool = False) -> str:
        """x and, of its norm, the means of the cells of a plane, convolved twice and read back; gelu: in place of ReLU.

        Raises BadRequest for a plane that the file lacks.
        """
        if f"cells{plane}" not in self._tables:
            raise BadRequest(f"plane: expected one of the grids of the file, found {plane}. Fix the layer.")
        grid = self._node("Transpose", [self._means(normed, plane)], perm=[0, 3, 1, 2])
        grid = self._depthwise(self._activated(self._depthwise(grid, conv1), gelu), conv2)
        rows = self._node("Transpose", [grid], perm=[0, 2, 3, 1])
        rows = self._node("Reshape", [rows, self._numbers("shape", [-1, len(conv2[1])])])
        return self._node("Add", [x, self._node("Gather", [rows, f"cell_of_row{plane}"], axis=0)])

    def channel_mix(self, x: str, normed: str, linear1: Weights, linear2: Weights, gelu: bool = False) -> str:
        """x and two linear layers of its norm, or of x itself where they hold the norm; gelu: in place of ReLU."""
        hidden = self._activated(self._linear(normed, linear1), gelu)
        return self._node("Add", [x, self._linear(hidden, linear2)])

    def finish(self, x: str, head: Weights) -> "onnx.ModelProto":
        """Return the checked model whose output "logits" (R, K) are the head's scores."""
        import onnx
        from onnx import TensorProto, helper

        self._nodes.append(helper.make_node("Identity", [self._linear(x, head)], [OUTPUT], name=OUTPUT))
        inputs = [
            helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["R", self.in_channels]),
            helper.make_tensor_value_info(NEIGHBOURS, TensorProto.INT32, ["R", self.neighbours]),
        ]
        for name, shape in self._tables.items():
            kind = TensorProto.FLOAT if name.startswith("share") else TensorProto.INT32
            inputs.append(helper.make_tensor_value_info(name, kind, shape))
        output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["R", len(head[1])])
        graph = helper.make_graph(self._nodes, self.name, inputs, [output], initializer=self._weights)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, producer_name="lidar-vl", ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _means(self, x: str, plane: int) -> str:
        """(1, H, W, C) mean of the rows of each cell, 0 where there is none."""
        shares = self._node("Mul", [x, f"share{plane}"])
        levels = [self._node("Pad", [shares, self._numbers("pads", [0, 0, 1, 0])])]  # a zero behind the last row
        for level in range(len(WIDTHS)):
            gathered = self._node("Gather", [levels[-1], f"lines{plane}_{level}"], axis=0)
            levels.append(self._node("ReduceSum", [gathered, self._numbers("axis", [1])], keepdims=0))
        return self._node("Gather", [self._node("Concat", levels, axis=0), f"cells{plane}"], axis=0)

    def _activated(self, x: str, gelu: bool) -> str:
        """ReLU, or GELU = x (1 + erf(x / sqrt 2)) / 2, which is no operator of its own in this opset."""
        if not gelu:
            return self._node("Relu", [x])
        half, one, root = (self._constant("number", np.array(value, np.float32)) for value in (0.5, 1.0, 0.5**0.5))
        erf = self._node("Erf", [self._node("Mul", [x, root])])
        return self._node("Mul", [self._node("Mul", [x, half]), self._node("Add", [erf, one])])

    def _linear(self, x: str, weights: Weights) -> str:
        product = self._node("MatMul", [x, self._constant("weight", weights[0])])
        return self._node("Add", [product, self._constant("bias", weights[1])])

    def _depthwise(self, x: str, weights: Weights) -> str:
        weight, bias = weights
        size = weight.shape[-1]
        names = [self._constant("weight", weight), self._constant("bias", bias)]
        return self._node("Conv", [x, *names], group=len(weight), kernel_shape=[size] * 2, pads=[size // 2] * 4)

    def _numbers(self, what: str, values: list[int]) -> str:
        return self._constant(what, np.array(values, np.int64))

    def _constant(self, what: str, array: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"{what}_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _node(self, op: str, inputs: list[str], **attributes: int | float | list[int]) -> str:
        from onnx import helper

        output = f"{op.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))  # type: ignore[arg-type]
        return output
