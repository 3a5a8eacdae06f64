"""A machine with a GPU that is none, for the tests of engines that need one."""

import hashlib

import onnx
import pytest

from lidar_vl_core.engines import gpu_engines
from lidar_vl_core.engines.tensorrt import open_plan as opening
from lidar_vl_core.engines.tensorrt.build_request import BuildRequest, RowRange
from lidar_vl_core.engines.tensorrt.package_part import package_part
from lidar_vl_core.engines.tensorrt.parse import input_dims
from lidar_vl_core.engines.tensorrt.plan_cache import PlanCache, PlanNote
from tests.core.engines.tensorrt.fake_tensorrt import fakes


@pytest.fixture
def plans(tmp_path, monkeypatch):
    """A cache to put plans in, and a machine whose TensorRT and GPU are fakes."""
    tensorrt, cuda, module, runtime = fakes()
    monkeypatch.setenv("LIDAR_VL_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setattr(opening, "tensorrt_here", lambda _names=(): tensorrt)
    monkeypatch.setattr("lidar_vl_core.engines.tensorrt.gpu.Cuda", lambda: cuda)
    monkeypatch.setattr("lidar_vl_core.engines.tensorrt.network.Cuda", lambda: cuda)
    monkeypatch.setattr(gpu_engines, "may_have_gpu", lambda: True)

    def add(package, most: int = 5000, **changes) -> None:
        part, content = package_part(package)
        dims = input_dims(onnx.load_model_from_string(content))
        names = {dim for shape in dims.values() for dim in shape if isinstance(dim, str)}
        asked = {"module": "tensorrt_rtx", "version": module.__version__, "targets": ("sm86", "sm89"), "part": part}
        asked |= {"model_sha256": package.manifest.files["model.onnx"]} | changes
        rows = {name: RowRange(least=1, usual=100, most=most) for name in names}
        sha256 = hashlib.sha256(content).hexdigest()
        note = PlanNote(
            request=BuildRequest(**asked, rows=rows),
            inputs=dims,
            plan_sha256=sha256,
            layers=1,
            model="m",
            measured="x",
            built="now",
        )
        PlanCache().add(note, content)

    return add, module, runtime
