"""The few calls of CUDA's runtime that are made here, each checked. Nothing else touches the GPU's memory."""

import importlib
from types import ModuleType
from typing import Any

from lidar_vl_core.foundation.errors import EngineUnavailable


class Cuda:
    """CUDA's runtime; addresses, streams and graphs are numbers or handles that only it understands.

    Every call raises EngineUnavailable with what CUDA says.
    """

    def __init__(self, runtime: ModuleType | None = None) -> None:
        """runtime: cuda.bindings.runtime, or what tests have for it. Raises EngineUnavailable where it is not installed."""
        if runtime is None:
            try:
                runtime = importlib.import_module("cuda.bindings.runtime")
            except ImportError as error:
                raise EngineUnavailable(
                    "CUDA: expected the package cuda-bindings, found none. Install it: pip install 'lidar-vl[tensorrt]', or "
                    "cuda-bindings of the CUDA version that is here; or use engine fused."
                ) from error
        self._runtime = runtime

    def _call(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401  what the call returns
        """Raises EngineUnavailable with CUDA's own words."""
        error, *values = getattr(self._runtime, name)(*arguments)
        if int(error) != 0:
            words = self._runtime.cudaGetErrorString(error)[1]
            raise EngineUnavailable(
                f"CUDA {name}: expected success, found error {int(error)}: {words.decode() if isinstance(words, bytes) else words}."
            )
        return values[0] if len(values) == 1 else tuple(values)

    def device_count(self) -> int:
        """GPUs that can be used. Raises EngineUnavailable without a driver."""
        return int(self._call("cudaGetDeviceCount"))

    def device(self) -> tuple[str, tuple[int, int], int]:
        """Name, compute capability and bytes of memory of the first GPU."""
        about = self._call("cudaGetDeviceProperties", 0)
        name = about.name.decode() if isinstance(about.name, bytes) else str(about.name)
        return name.rstrip("\0"), (int(about.major), int(about.minor)), int(about.totalGlobalMem)

    def allocate(self, size: int) -> int:
        """Address of new memory of the GPU."""
        return int(self._call("cudaMalloc", size))

    def free(self, address: int) -> None:
        """Free it."""
        self._call("cudaFree", address)

    def allocate_host(self, size: int) -> int:
        """Address of new memory of the host that the GPU copies from and to without a detour."""
        return int(self._call("cudaMallocHost", size))

    def free_host(self, address: int) -> None:
        """Free it."""
        self._call("cudaFreeHost", address)

    def stream(self) -> Any:  # noqa: ANN401
        """A new stream."""
        return self._call("cudaStreamCreate")

    def destroy_stream(self, stream: Any) -> None:  # noqa: ANN401
        """Free it."""
        self._call("cudaStreamDestroy", stream)

    def upload(self, to: int, of: int, size: int, stream: Any) -> None:  # noqa: ANN401
        """Host memory to the GPU."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", to, of, size, kind, stream)

    def download(self, to: int, of: int, size: int, stream: Any) -> None:  # noqa: ANN401
        """Memory of the GPU to the host."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", to, of, size, kind, stream)

    def wait(self, stream: Any) -> None:  # noqa: ANN401
        """Wait until the stream has finished all its work."""
        self._call("cudaStreamSynchronize", stream)

    def begin_capture(self, stream: Any) -> None:  # noqa: ANN401
        """Start recording what the stream is given instead of running it."""
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)

    def end_capture(self, stream: Any) -> Any:  # noqa: ANN401
        """The recorded work, ready to be launched any number of times."""
        graph = self._call("cudaStreamEndCapture", stream)
        try:
            return self._call("cudaGraphInstantiate", graph, 0)
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch(self, graph: Any, stream: Any) -> None:  # noqa: ANN401
        """Launch the recorded work."""
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: Any) -> None:  # noqa: ANN401
        """Free it."""
        self._call("cudaGraphExecDestroy", graph)
