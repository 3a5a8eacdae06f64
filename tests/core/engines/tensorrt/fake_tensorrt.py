"""A module that stands for TensorRT and CUDA's runtime: the plan is the model file itself, memory is the host's, and every call is kept."""

import ctypes
from types import SimpleNamespace

import numpy as np
import onnx

from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.engines.tensorrt.cuda import Cuda
from lidar_vl_core.engines.tensorrt.module import TensorRt

_TYPES = {1: np.float32, 6: np.int32, 7: np.int64}


class FakeRuntime:
    """cuda.bindings.runtime: blocks of host memory by address; a name in `fails` is answered with error 2."""

    def __init__(self, devices: int = 1, capability: tuple[int, int] = (8, 9)) -> None:
        self.cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice="up", cudaMemcpyDeviceToHost="down")
        self.cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.blocks: dict[int, ctypes.Array] = {}
        self.streams, self.graphs = 0, 0
        self.captured: list | None = None
        self._devices, self._capability = devices, capability

    def __getattr__(self, name: str):
        if not name.startswith("cuda"):
            raise AttributeError(name)

        def call(*arguments):
            self.calls.append(name)
            if name in self.fails:
                return (2,)
            answer = getattr(self, f"_{name}")(*arguments)
            return (0,) if answer is None else (0, answer)

        return call

    def cudaGetErrorString(self, error):
        return 0, b"out of memory"

    def do(self, work) -> None:
        """Now, or when the graph that is being written down is launched."""
        self.captured.append(work) if self.captured is not None else work()

    def _cudaGetDeviceCount(self):
        return self._devices

    def _cudaGetDeviceProperties(self, _number):
        major, minor = self._capability
        return SimpleNamespace(name=b"Fake L4\0\0", major=major, minor=minor, totalGlobalMem=1 << 34)

    def _cudaMalloc(self, size):
        block = ctypes.create_string_buffer(size)
        self.blocks[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def _cudaMallocHost(self, size):
        return self._cudaMalloc(size)

    def _cudaFree(self, address):
        del self.blocks[address]

    def _cudaFreeHost(self, address):
        del self.blocks[address]

    def _cudaStreamCreate(self):
        self.streams += 1
        return 7

    def _cudaStreamDestroy(self, _stream):
        self.streams -= 1

    def _cudaMemcpyAsync(self, to, of, size, _kind, _stream):
        self.do(lambda: ctypes.memmove(to, of, size))

    def _cudaStreamSynchronize(self, _stream):
        pass

    def _cudaStreamBeginCapture(self, _stream, _mode):
        self.captured = []

    def _cudaStreamEndCapture(self, _stream):
        captured, self.captured = self.captured, None
        return captured

    def _cudaGraphInstantiate(self, graph, _flags):
        self.graphs += 1
        return graph

    def _cudaGraphDestroy(self, _graph):
        pass

    def _cudaGraphLaunch(self, graph, _stream):
        for work in graph:
            work()

    def _cudaGraphExecDestroy(self, _graph):
        self.graphs -= 1


class FakeEngine:
    """A model file, run by ONNX Runtime on what lies at the addresses it is given."""

    def __init__(self, plan: bytes, module: "FakeTensorRt") -> None:
        self.model, self.module = onnx.load_model_from_string(plan), module
        self.values = {value.name: value for value in [*self.model.graph.input, *self.model.graph.output]}
        self.names = list(self.values)
        self.num_io_tensors = len(self.names)

    def get_tensor_name(self, number):
        return self.names[number]

    def get_tensor_dtype(self, name):
        return self.values[name].type.tensor_type.elem_type

    def get_tensor_mode(self, name):
        outputs = {value.name for value in self.model.graph.output}
        return self.module.TensorIOMode.OUTPUT if name in outputs else self.module.TensorIOMode.INPUT

    def create_runtime_config(self):
        return FakeConfig(self.module)

    def create_execution_context(self, _config=None):
        return None if self.module.no_context else FakeContext(self)


class FakeConfig:
    def __init__(self, module) -> None:
        self.module = module

    def create_runtime_cache(self):
        return SimpleNamespace(deserialize=self.module.read_back.append, serialize=lambda: b"compiled")

    def set_runtime_cache(self, _cache):
        return True


class FakeContext:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine, self.shapes, self.addresses = engine, {}, {}
        self.session = open_onnxruntime(engine.model.SerializeToString(), 1)

    def set_input_shape(self, name, shape):
        self.shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name):
        dims = self.engine.values[name].type.tensor_type.shape.dim
        named = {}
        for given, shape in self.shapes.items():
            for dim, size in zip(self.engine.values[given].type.tensor_type.shape.dim, shape, strict=True):
                named[dim.dim_param] = size
        return [dim.dim_value or named[dim.dim_param] for dim in dims]

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        runtime = self.engine.module.runtime
        runtime.calls.append("execute")
        if self.engine.module.refuses_to_run:
            return False
        runtime.do(self._execute)
        return True

    def _execute(self):
        inputs = {name: self._at(name, shape).copy() for name, shape in self.shapes.items()}
        outputs = [value.name for value in self.engine.model.graph.output]
        for name, answer in zip(outputs, self.session.run(outputs, inputs), strict=True):
            self._at(name, answer.shape)[:] = answer * self.engine.module.times

    def _at(self, name, shape):
        dtype = np.dtype(_TYPES[self.engine.get_tensor_dtype(name)])
        block = (ctypes.c_byte * (int(np.prod(shape)) * dtype.itemsize)).from_address(self.addresses[name])
        return np.frombuffer(block, dtype).reshape(shape)


class FakeTensorRt:
    """The module; times: what every answer is multiplied by."""

    __version__ = "1.7.1.116"
    TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")

    class ILogger:
        Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1)

        def __init__(self) -> None:
            pass

    def __init__(self, runtime: FakeRuntime) -> None:
        self.runtime, self.times = runtime, 1.0
        self.no_engine = self.no_context = self.refuses_to_run = False
        self.read_back: list[bytes] = []

    def Runtime(self, logger):
        def deserialize(plan):
            if self.no_engine:
                logger.log(1, "IRuntime::deserializeCudaEngine: cudaError 35")
                return None
            return FakeEngine(plan, self)

        return SimpleNamespace(deserialize_cuda_engine=deserialize)

    @staticmethod
    def nptype(number):
        return _TYPES[number]


def fakes(**runtime) -> tuple[TensorRt, Cuda, FakeTensorRt, FakeRuntime]:
    """As the code takes them, and themselves."""
    fake_runtime = FakeRuntime(**runtime)
    module = FakeTensorRt(fake_runtime)
    return TensorRt("tensorrt_rtx", module.__version__, module), Cuda(fake_runtime), module, fake_runtime
