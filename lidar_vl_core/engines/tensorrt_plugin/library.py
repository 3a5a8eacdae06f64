"""The compiled plugin: where it lies, and how TensorRT gets to know it. Loads a library of machine code."""

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lidar_vl_core.engines.tensorrt_plugin.python_plugin import creator_of, launcher
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.foundation.files import sha256_of
from lidar_vl_core.sparse_model.conv_bodies import DOMAIN

if TYPE_CHECKING:
    import onnx

BUILT = Path(__file__).parent / "built" / "liblidar_vl_tensorrt.so"  # where `make plugin` puts it
LIBRARY_VARIABLE = "LIDAR_VL_TENSORRT_PLUGIN"  # another place of it
_RTX_LIBRARY = "libtensorrt_rtx.so"

_registered: set[tuple[str, str]] = set()


def plugin_library() -> Path:
    """The compiled plugin of this machine. Raises EngineUnavailable where there is none."""
    library = Path(os.environ.get(LIBRARY_VARIABLE) or BUILT)
    if not library.is_file():
        raise EngineUnavailable(
            f"{library}: expected the compiled TensorRT plugin, found no file. Build it with `make plugin`, or build the "
            "engine without it."
        )
    return library


def library_sha256() -> str:
    """SHA-256 of the compiled plugin: a plan belongs to one. Raises EngineUnavailable where there is none."""
    return sha256_of(plugin_library())


def register_plugin(trt: Any, sha256: str | None = None) -> str:  # noqa: ANN401  the module tensorrt or tensorrt_rtx
    """Make the plugin known to TensorRT, once a process. Returns "C++" or "Python", whichever the library has it in.

    Raises EngineUnavailable where the library is not there, is not the one of this hash, or cannot be used.
    """
    library, found = plugin_library(), library_sha256()
    if sha256 not in (None, found):
        raise EngineUnavailable(
            f"{library}: expected the plugin that the plan was built with, SHA-256 {str(sha256)[:16]}..., found {found[:16]}.... "
            "Build the plan again: `lidar-vl build-engine --plugin`."
        )
    _require_rtx_library(trt)
    try:
        code = ctypes.CDLL(str(library))
        launch = launcher(code)
    except (OSError, AttributeError) as error:
        raise EngineUnavailable(
            f"{library}: expected the TensorRT plugin compiled for this machine, found: {error}. Build it again with `make plugin`."
        ) from error
    in_cpp = hasattr(code, "getCreators")
    if (trt.__name__, found) not in _registered:
        registry = trt.get_plugin_registry()
        if in_cpp:
            known = registry.load_library(str(library)) is not None
        else:
            known = registry.register_creator(creator_of(trt, launch), DOMAIN)
        if not known:
            raise EngineUnavailable(
                f"{library}: expected TensorRT to accept the plugin, found that it refused. See its log."
            )
        _registered.add((trt.__name__, found))
    return "C++" if in_cpp else "Python"


def _require_rtx_library(trt: Any) -> None:  # noqa: ANN401
    """TensorRT for RTX ends the process at the first plugin where it does not find itself under this name."""
    if trt.__name__ != "tensorrt_rtx":
        return
    try:
        ctypes.CDLL(_RTX_LIBRARY)
    except OSError as error:
        raise EngineUnavailable(
            f"{_RTX_LIBRARY}: expected it on the library path, as plugins need it, found {_RTX_LIBRARY}.1 alone, as its "
            f"wheel brings it. Link it to {_RTX_LIBRARY} in a folder, and start with LD_LIBRARY_PATH=FOLDER."
        ) from error


def inlined_but_for_plugin(content: bytes) -> "onnx.ModelProto":
    """The model with its functions written out, but for those that the plugin computes."""
    import onnx
    import onnx.inliner

    model = onnx.load_model_from_string(content)
    others = [
        (body.domain, body.name) for body in model.functions if (body.domain, body.name) != (DOMAIN, "SparseConv")
    ]
    inlined: onnx.ModelProto = onnx.inliner.inline_selected_functions(model, others)
    return inlined
