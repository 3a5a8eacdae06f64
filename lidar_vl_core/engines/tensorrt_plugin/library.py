"""The compiled plugin: where it lies, and how TensorRT gets to know it. Loads a library of machine code."""

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lidar_vl_core.engines.tensorrt_plugin.python_plugin import creator_of, launcher
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.sparse_model.conv_bodies import DOMAIN

if TYPE_CHECKING:
    import onnx

BUILT = Path(__file__).parent / "built" / "liblidar_vl_tensorrt.so"  # where `make plugin` puts it

_registered: set[tuple[str, Path]] = set()


def register_plugin(trt: Any, library: Path = BUILT) -> str:  # noqa: ANN401  the module tensorrt or tensorrt_rtx
    """Make the plugin known to TensorRT, once a process. Returns "C++" or "Python", whichever the library has it in.

    Raises EngineUnavailable where the library is not there or is another one. With TensorRT for RTX the process has to be
    started with a folder in LD_LIBRARY_PATH in which libtensorrt_rtx.so is: its wheel has libtensorrt_rtx.so.1 alone, and
    parsing a plugin's node ends the process where it does not find the shorter name.
    """
    if not library.is_file():
        raise EngineUnavailable(
            f"{library}: expected the compiled TensorRT plugin, found no file. Build it with `make plugin`, or build the "
            "engine without it."
        )
    try:
        code = ctypes.CDLL(str(library))
        launch = launcher(code)
    except (OSError, AttributeError) as error:
        raise EngineUnavailable(
            f"{library}: expected the TensorRT plugin compiled for this machine, found: {error}. Build it anew with `make plugin`."
        ) from error
    in_cpp = hasattr(code, "getCreators")
    key = (str(trt.__name__), library.resolve())
    if key not in _registered:
        registry = trt.get_plugin_registry()
        if in_cpp:
            known = registry.load_library(str(library)) is not None
        else:
            known = registry.register_creator(creator_of(trt, launch), DOMAIN)
        if not known:
            raise EngineUnavailable(
                f"{library}: expected TensorRT to take the plugin, found that it refused. See its log."
            )
        _registered.add(key)
    return "C++" if in_cpp else "Python"


def inlined_but_for_plugin(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The model with its functions written out, but for those that the plugin computes."""
    import onnx.inliner

    others = [
        (body.domain, body.name) for body in model.functions if (body.domain, body.name) != (DOMAIN, "SparseConv")
    ]
    inlined: onnx.ModelProto = onnx.inliner.inline_selected_functions(model, others)
    return inlined
