"""Detectors and VoxelNet for points as one ONNX file: a sparse encoder as in onnx_form.py, then its map seen from above, or points between its cells, in standard operators.

Every convolution has a table of its own kind as input: "subm{l}" (Nl, 27), and "strided{l}" (N{l+1}, K) from level l to the
next, the last of which are the cells of the map. The map is gathered by an index that is an input, too: TensorRT refuses
to add at indices.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.sparse_model.onnx_form import OUTPUT, SparseGraphBuilder

if TYPE_CHECKING:
    import onnx

MAP_ROWS = "map_rows"  # the value between both parts: (A, C) features of the active cells of the map
CORNER_CELL, CORNER_WEIGHT = "corner_cell", "corner_weight"  # (R, 4) cell and weight at the corners around each point
MAP_INDEX = "map_index"  # (D, H, W) int32 row of each cell; A = an empty cell


class EncoderGraphBuilder(SparseGraphBuilder):
    """Writes a detector node by node: sparse convolutions, dense_map(), 2D convolutions, finish_maps()."""

    def __init__(self, in_channels: int, kernels: Sequence[int], name: str) -> None:
        """kernels: neighbours of the strided convolution that leaves each level."""
        super().__init__(in_channels, 1, name)
        subm = {f"subm{level}": (f"N{level}", 27) for level in range(len(kernels))}
        self._tables = subm | {f"strided{level}": (f"N{level + 1}", kernel) for level, kernel in enumerate(kernels)}
        self._map_inputs: list[onnx.ValueInfoProto] = []
        self._sizes: dict[str, tuple[int, int]] = {}

    def dense_map(self, x: str, map_shape: tuple[int, int, int]) -> str:
        """Dense map (1, C * D, H, W) of rows (A, C); channel c of height d is c * D + d. map_shape: cells along x, y, z."""
        from onnx import TensorProto, helper

        width, height, depth = map_shape
        channels = self._channels[x]
        self._map_inputs = [helper.make_tensor_value_info(MAP_INDEX, TensorProto.INT32, [depth, height, width])]
        self._nodes.append(helper.make_node("Identity", [x], [MAP_ROWS], name=MAP_ROWS))
        zero_row = self._constant(f"{MAP_ROWS}.zero", np.zeros((1, channels), np.float32))
        padded = self._node("Concat", [MAP_ROWS, zero_row], channels, axis=0)
        cells = self._node("Gather", [padded, MAP_INDEX], channels, axis=0)
        upright = self._node("Transpose", [cells], channels, perm=[3, 0, 1, 2])
        shape = self._constant(f"{MAP_ROWS}.shape", np.array([1, channels * depth, height, width], np.int64))
        dense = self._node("Reshape", [upright, shape], channels * depth)
        self._sizes[dense] = (height, width)
        return dense

    def conv2d(self, x: str, weight: np.ndarray, bias: np.ndarray, stride: int = 1, padding: int = 0) -> str:
        """2D convolution with weight (C_out, C_in, k, k). Raises BadRequest where it does not fit."""
        self._require_map(x, weight.shape[1], len(bias) == len(weight), weight)
        kernel = weight.shape[-1]
        attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
        y = self._weighted("Conv", [x], weight, bias, **attributes)
        height, width = ((side + 2 * padding - kernel) // stride + 1 for side in self._sizes[x])
        self._sizes[y] = (height, width)
        return y

    def conv_transpose2d(self, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """Transposed 2D convolution with weight (C_in, C_out, k, k) and stride k.

        Raises BadRequest where it does not fit.
        """
        self._require_map(x, weight.shape[0], len(bias) == weight.shape[1], weight)
        kernel = weight.shape[-1]
        attributes = {"kernel_shape": [kernel] * 2, "strides": [kernel] * 2}
        y = self._weighted("ConvTranspose", [x], weight, bias, **attributes)
        height, width = (side * kernel for side in self._sizes[x])
        self._sizes[y] = (height, width)
        return y

    def relu(self, x: str) -> str:
        """Rectified linear unit."""
        return self._sized(super().relu(x), x)

    def concat(self, a: str, b: str) -> str:
        """Channels of `a`, then channels of `b`, of rows or of maps of one size. Raises BadRequest for other sizes."""
        if self._sizes.get(a) != self._sizes.get(b):
            raise BadRequest(
                f"concat: expected maps of one size, found {self._sizes.get(a)} and {self._sizes.get(b)}. "
                "Fix the strides of the network."
            )
        return self._sized(super().concat(a, b), a)

    def finish_maps(self, outputs: Mapping[str, str]) -> "onnx.ModelProto":
        """Return the checked model; outputs: map (1, C, H, W) by the name it gets in the file."""
        from onnx import TensorProto, helper

        told = []
        for name, value in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
            shape = [1, self._channels[value], *self._sizes[value]]
            told.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return self._model(self._map_inputs, told)

    def finish_points(self, x: str, weight: np.ndarray, bias: np.ndarray) -> "onnx.ModelProto":
        """Return the checked model whose output "logits" (R, K) are scores of points.

        x: rows (A, C); weight: (C, K). The head goes before the points, of which there are more than cells.
        """
        from onnx import TensorProto, helper

        self._require_weight(x, weight[None], bias, 1, "the head")
        classes = len(bias)
        inputs = [
            helper.make_tensor_value_info(CORNER_CELL, TensorProto.INT32, ["R", 4]),
            helper.make_tensor_value_info(CORNER_WEIGHT, TensorProto.FLOAT, ["R", 4]),
        ]
        self._nodes.append(helper.make_node("Identity", [x], [MAP_ROWS], name=MAP_ROWS))
        scores = self._node("MatMul", [MAP_ROWS, self._constant("head.weight", weight.astype(np.float32))], classes)
        zero_row = self._constant("head.zero", np.zeros((1, classes), np.float32))
        padded = self._node("Concat", [scores, zero_row], classes, axis=0)
        around = self._node("Gather", [padded, CORNER_CELL], classes, axis=0)
        axis = self._constant("head.axis", np.array([2], np.int64))
        weighted = self._node("Mul", [around, self._node("Unsqueeze", [CORNER_WEIGHT, axis], 1)], classes)
        corners = self._constant("head.corners", np.array([1], np.int64))
        total = self._node("ReduceSum", [weighted, corners], classes, keepdims=0)
        answer = self._node("Add", [total, self._constant("head.bias", bias.astype(np.float32))], classes)
        self._nodes.append(helper.make_node("Identity", [answer], [OUTPUT], name=OUTPUT))
        return self._model(inputs, [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["R", classes])])

    def _sized(self, y: str, x: str) -> str:
        if x in self._sizes:
            self._sizes[y] = self._sizes[x]
        return y

    def _require_map(self, x: str, channels_in: int, bias_fits: bool, weight: np.ndarray) -> None:
        if x not in self._sizes or weight.ndim != 4 or channels_in != self._channels[x] or not bias_fits:
            raise BadRequest(
                f"2D convolution of {x}: expected a map of {channels_in} channels and one bias for each of its outputs, "
                f"found {self._channels[x]} channels and weight {weight.shape}. Fix the layer before export."
            )
