"""The plugin as Python objects for TensorRT that call the compiled library: for building, and where Python runs the plan."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.sparse_model.conv_bodies import DOMAIN

NAME, VERSION = "SparseConv", "1"
MOST_NEIGHBOURS = 27
Launch = Callable[..., int]


def launcher(library: ctypes.CDLL) -> Launch:
    """The library's function that starts the kernel; its arguments stand in sources/sparse_conv.h."""
    launch = library.lidar_vl_sparse_conv
    pointer, number = ctypes.c_void_p, ctypes.c_int
    launch.argtypes = [number, *[pointer] * 5, *[number] * 5, pointer]
    launch.restype = number
    return launch


def creator_of(trt: Any, launch: Launch) -> Any:  # noqa: ANN401  `trt` is the module tensorrt or tensorrt_rtx
    """What TensorRT makes the plugin with, where a node SparseConv of our namespace is met."""

    plugin = _plugin(trt, launch)

    class SparseConvCreator(trt.IPluginCreatorV3One):
        """Creates the plugin; it has no options."""

        def __init__(self) -> None:
            trt.IPluginCreatorV3One.__init__(self)
            self.name, self.plugin_version, self.plugin_namespace = NAME, VERSION, DOMAIN
            self.field_names = trt.PluginFieldCollection([])

        def create_plugin(self, _name: str, _fields: Any, _phase: Any) -> Any:  # noqa: ANN401
            return plugin()

    return SparseConvCreator()


def _plugin(trt: Any, launch: Launch) -> type:  # noqa: ANN401
    """The class of the plugin itself."""

    class SparseConv(trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
        """y[i] = bias + sum_k x[table[i, k]] @ weight[k]; inputs x, table, weight, bias."""

        def __init__(self) -> None:
            for base in (trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime):
                base.__init__(self)
            self.plugin_name, self.plugin_version, self.plugin_namespace = NAME, VERSION, DOMAIN
            self.num_outputs = 1

        def get_capability_interface(self, _kind: Any) -> Any:  # noqa: ANN401
            return self

        def clone(self) -> Any:  # noqa: ANN401
            return SparseConv()

        def get_fields_to_serialize(self) -> Any:  # noqa: ANN401
            return trt.PluginFieldCollection([])

        def get_output_data_types(self, types: Sequence[Any]) -> list[Any]:
            return [types[0]]

        def get_output_shapes(self, inputs: Sequence[Any], _shapes: Sequence[Any], _build: Any) -> list[Any]:  # noqa: ANN401
            shape = trt.DimsExprs(2)
            shape[0], shape[1] = inputs[1][0], inputs[3][0]
            return [shape]

        def supports_format_combination(self, place: int, tensors: Sequence[Any], _inputs: int) -> bool:
            asked, first = tensors[place].desc, tensors[0].desc
            if asked.format != trt.TensorFormat.LINEAR:
                return False
            if place == 1:
                return bool(asked.type == trt.DataType.INT32)
            return bool(asked.type in (trt.DataType.FLOAT, trt.DataType.HALF) and asked.type == first.type)

        def configure_plugin(self, inputs: Sequence[Any], _outputs: Sequence[Any]) -> None:
            _require_kernel(inputs[1].desc.dims[1])

        def on_shape_change(self, inputs: Sequence[Any], _outputs: Sequence[Any]) -> None:
            _require_kernel(inputs[1].dims[1])

        def attach_to_context(self, _context: Any) -> Any:  # noqa: ANN401
            return self.clone()

        def enqueue(
            self,
            inputs_desc: Sequence[Any],
            _outputs_desc: Sequence[Any],
            inputs: Sequence[int],
            outputs: Sequence[int],
            _workspace: int,
            stream: int,
        ) -> None:
            x, table, weight, _ = inputs_desc
            is_half = int(x.type == trt.DataType.HALF)
            sizes = (x.dims[0], *table.dims, *tuple(weight.dims)[1:])
            status = launch(is_half, *inputs, *outputs, *sizes, stream)
            if status:
                raise RuntimeError(f"SparseConv: expected cudaSuccess from its kernel, found error {status}.")

    return SparseConv


def _require_kernel(neighbours: int) -> None:
    if not 0 < neighbours <= MOST_NEIGHBOURS:
        raise BadRequest(
            f"SparseConv: expected a table of 1 to {MOST_NEIGHBOURS} neighbours, found {neighbours}. "
            "Build the engine without the plugin."
        )
