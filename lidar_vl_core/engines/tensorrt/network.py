"""A plan on the GPU: one upload, one run, one download. Never run on a GPU where it was written; its order of calls is tested."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.engines.tensorrt.arena import Slot, packed, view
from lidar_vl_core.engines.tensorrt.build_request import RowRange, input_shapes
from lidar_vl_core.engines.tensorrt.cuda import Cuda
from lidar_vl_core.engines.tensorrt.module import TensorRt
from lidar_vl_core.engines.tensorrt.parse import Messages
from lidar_vl_core.foundation.errors import BadRequest, EngineUnavailable, TooManyVoxels
from lidar_vl_core.foundation.files import write_bytes

if TYPE_CHECKING:
    import tensorrt_rtx as trt

Shapes = tuple[tuple[int, ...], ...]


class TensorRtNetwork:
    """A loaded plan with the memory of its largest inputs. One scan at a time."""

    def __init__(
        self,
        tensorrt: TensorRt,
        plan: bytes,
        dims: Mapping[str, Sequence[int | str]],
        rows: Mapping[str, RowRange],
        runtime_cache: Path | None = None,
        cuda: Cuda | None = None,
    ) -> None:
        """dims, rows: of the inputs, as the plan was built. Raises EngineUnavailable; nothing stays on the GPU then."""
        self._cuda, self._dims, self._rows = cuda or Cuda(), dict(dims), dict(rows)
        self._messages = Messages(tensorrt)
        self._tensorrt, self._cache_file = tensorrt, runtime_cache
        self._last: Shapes | None = None  # of the run before
        self._graph: tuple[Shapes, object] | None = None
        self._may_capture = True
        with ExitStack() as taken:
            self._load(plan, taken)
            self._taken = taken.pop_all()

    def _load(self, plan: bytes, taken: ExitStack) -> None:
        """Engine, context, stream and memory, each of which `taken` gives back."""
        module = self._tensorrt.module
        self._runtime: trt.Runtime = module.Runtime(self._messages.logger)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineUnavailable(
                f"engine tensorrt: expected a plan that {self._tensorrt.name} {self._tensorrt.version} loads on this GPU, found: "
                f"{self._messages}. Build it again here: `lidar-vl build-engine`."
            )
        self._engine: trt.ICudaEngine = engine
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        self._types = {name: np.dtype(module.nptype(engine.get_tensor_dtype(name))) for name in names}
        self._outputs = [name for name in names if engine.get_tensor_mode(name) == module.TensorIOMode.OUTPUT]
        if set(names) - set(self._outputs) != set(self._dims):
            raise EngineUnavailable(
                f"engine tensorrt: expected a plan of inputs {', '.join(sorted(self._dims))}, found {', '.join(names)}. Build it again."
            )
        self._context = self._execution_context(engine)
        self._stream = self._cuda.stream()
        taken.callback(self._cuda.destroy_stream, self._stream)
        largest = {name: shapes[2] for name, shapes in input_shapes(self._dims, self._rows).items()}
        self._set_shapes(largest)
        upload = packed({name: (shape, self._types[name]) for name, shape in largest.items()})[1]
        download = packed(self._answer_shapes())[1]
        self._device_in, self._host_in = self._memory(upload, taken)
        self._device_out, self._host_out = self._memory(download, taken)
        taken.callback(self._forget_graph)

    def _execution_context(self, engine: "trt.ICudaEngine") -> "trt.IExecutionContext":
        """With what TensorRT-RTX compiled for this GPU the last time, where that is known."""
        self._compiled: trt.IRuntimeCache | None = None
        if self._tensorrt.is_rtx and self._cache_file is not None:
            config = engine.create_runtime_config()
            self._compiled = config.create_runtime_cache()
            if self._cache_file.is_file():
                self._compiled.deserialize(
                    self._cache_file.read_bytes()
                )  # of another GPU: it is refused and stays empty
            config.set_runtime_cache(self._compiled)
            context = engine.create_execution_context(config)
        else:
            context = engine.create_execution_context()
        if context is None:
            raise EngineUnavailable(
                f"engine tensorrt: expected memory for the plan, found: {self._messages}. Build it from clouds with fewer voxels."
            )
        return context

    def _memory(self, size: int, taken: ExitStack) -> tuple[int, int]:
        """Addresses of a block on the GPU and of one as large on the host."""
        device = self._cuda.allocate(size)
        taken.callback(self._cuda.free, device)
        host = self._cuda.allocate_host(size)
        taken.callback(self._cuda.free_host, host)
        return device, host

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names; inputs and outputs have the shapes of the model file.

        Raises BadRequest for other inputs than the model's, TooManyVoxels for more rows than the plan was built for, and
        EngineUnavailable with what CUDA or TensorRT says.
        """
        self._require_fitting(inputs)
        shapes = tuple(inputs[name].shape for name in self._dims)
        upload, upload_size = packed({name: (inputs[name].shape, self._types[name]) for name in self._dims})
        for name, slot in upload.items():
            np.copyto(view(self._host_in, slot), inputs[name])
        if self._graph is not None and self._graph[0] == shapes:
            self._cuda.launch(self._graph[1], self._stream)
        else:
            self._forget_graph()
            self._prepare(upload)
            self._enqueue(upload_size)
        self._cuda.wait(self._stream)
        if (
            self._may_capture and self._graph is None and shapes == self._last
        ):  # twice alike: the third time only a launch is left to do
            self._write_down(shapes, upload_size)
        if self._last is None:
            self._keep_compiled()
        self._last = shapes
        return [view(self._host_out, self._download[name]).copy() for name in names]

    def close(self) -> None:
        """Free the GPU's memory; the network can no longer be run."""
        self._taken.close()

    def _prepare(self, upload: Mapping[str, Slot]) -> None:
        """Tell TensorRT shapes and places of all tensors."""
        self._set_shapes({name: slot.shape for name, slot in upload.items()})
        self._download, self._download_size = packed(self._answer_shapes())
        places = [(self._device_in, upload), (self._device_out, self._download)]
        for base, slots in places:
            for name, slot in slots.items():
                if not self._context.set_tensor_address(name, base + slot.offset):
                    raise self._refused(f"a place for {name}")

    def _enqueue(self, upload_size: int) -> None:
        self._cuda.upload(self._device_in, self._host_in, upload_size, self._stream)
        if not self._context.execute_async_v3(int(self._stream)):
            raise self._refused("a run")
        self._cuda.download(self._host_out, self._device_out, self._download_size, self._stream)

    def _write_down(self, shapes: Shapes, upload_size: int) -> None:
        """Capture the run as a CUDA graph; a run that cannot be captured is launched as before."""
        try:
            self._cuda.begin_capture(self._stream)
            try:
                self._enqueue(upload_size)
            finally:
                graph = self._cuda.end_capture(self._stream)
        except EngineUnavailable:
            self._may_capture = False
        else:
            self._graph = (shapes, graph)

    def _forget_graph(self) -> None:
        if self._graph is not None:
            self._cuda.destroy_graph(self._graph[1])
            self._graph = None

    def _set_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise self._refused(f"{name} of {shape}")

    def _answer_shapes(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        dims = {name: self._context.get_tensor_shape(name) for name in self._outputs}
        return {
            name: (tuple(shape[number] for number in range(len(shape))), self._types[name])
            for name, shape in dims.items()
        }

    def _keep_compiled(self) -> None:
        """After the first run, which compiles."""
        if self._compiled is not None and self._cache_file is not None:
            write_bytes(self._cache_file, bytes(memoryview(self._compiled.serialize())))

    def _require_fitting(self, inputs: Mapping[str, np.ndarray]) -> None:
        if set(inputs) != set(self._dims):
            raise BadRequest(
                f"inputs: expected {', '.join(self._dims)}, found {', '.join(inputs)}. Make them by the package."
            )
        found: dict[str, int] = {}
        for name, dims in self._dims.items():
            shape = inputs[name].shape
            sizes = [
                dim if isinstance(dim, int) else found.setdefault(dim, size)
                for dim, size in zip(dims, shape, strict=False)
            ]
            if len(shape) != len(dims) or list(shape) != sizes or inputs[name].dtype != self._types[name]:
                raise BadRequest(
                    f"input {name}: expected {sizes or list(dims)} {self._types[name]}, found {list(shape)} {inputs[name].dtype}. "
                    "Make all inputs of one cloud by the package."
                )
        for name, rows in found.items():
            allowed = self._rows[name]
            if not allowed.least <= rows <= allowed.most:
                raise TooManyVoxels(
                    f"cloud: expected {allowed.least} to {allowed.most} rows on {name}, as the plan was built for, found {rows}. "
                    "Build it from larger clouds: `lidar-vl build-engine --clouds`."
                )

    def _refused(self, expected: str) -> EngineUnavailable:
        return EngineUnavailable(
            f"engine tensorrt: expected {expected}, found: {self._messages}. Build the plan again."
        )
