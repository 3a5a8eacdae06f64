"""A plan of a model package for TensorRT: rows measured from clouds, built once, kept in the cache. Reads and writes files."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.tensorrt.build_process import BuiltPlan, build_plan
from lidar_vl_core.engines.tensorrt.build_request import THIS, BuildRequest, parse_targets
from lidar_vl_core.engines.tensorrt.gpu import require_gpu
from lidar_vl_core.engines.tensorrt.measured_rows import MARGIN, measured_rows
from lidar_vl_core.engines.tensorrt.module import tensorrt_here
from lidar_vl_core.engines.tensorrt.package_part import package_part, require_precision
from lidar_vl_core.engines.tensorrt.parse import input_dims
from lidar_vl_core.engines.tensorrt.plan_cache import CachedPlan, PlanCache, PlanNote
from lidar_vl_core.engines.tensorrt_plugin.library import library_sha256
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.model_packages.manifest import MODEL
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.sparse_model.known_precisions import Precision
from lidar_vl_core.tasks.network_rows import network_rows


@dataclass(frozen=True)
class EngineBuilt:
    """The outcome of a request for a plan."""

    plan: CachedPlan
    is_new: bool  # built now, not found in the cache

    def lines(self) -> list[str]:
        """The outcome as lines for a terminal."""
        note = self.plan.note
        rows = ", ".join(f"{name} {each.usual:,} to {each.most:,}" for name, each in note.request.rows.items())
        return [
            f"{'built' if self.is_new else 'found'}: {self.plan.path}",
            f"  {note.model} for {', '.join(note.request.targets)} {note.request.gpu}".rstrip()
            + f", {note.request.precision}, {note.request.module} {note.request.version}, {note.layers} layers, "
            f"{self.plan.path.stat().st_size / 1e6:.1f} MB, {note.built}",
            f"  rows, usual to most: {rows}; measured of {note.measured}",
        ]


def build_engine(
    package: ModelPackage,
    target: str,
    clouds: Iterable[PointCloud],
    precision: Precision = "fp32",
    cache: PlanCache | None = None,
    progress: Callable[[str], None] = lambda _phase: None,
    time_limit_s: float = 3600.0,
    plugin: bool = False,
) -> EngineBuilt:
    """Build the plan of a package for targets such as "sm86,sm89" or "this"; or find it in the cache.

    plugin: sparse convolutions are computed by our compiled plugin. Raises EngineUnavailable without TensorRT, without that, without a GPU where the target is "this", and where the build fails; BadRequest
    for a wrong target, precision or clouds; BadModelPackage with the parser's errors.
    """
    tensorrt = tensorrt_here()
    targets = parse_targets(target, tensorrt.is_rtx)
    require_precision(package, precision)
    part, content = package_part(package)
    counts = [network_rows(package, cloud) for cloud in clouds]
    request = BuildRequest(
        module=tensorrt.name,
        version=tensorrt.version,
        model_sha256=package.manifest.files[MODEL],
        part=part,
        precision=precision,
        targets=targets,
        gpu=require_gpu().name if targets == (THIS,) else "",
        rows=measured_rows(counts),
        plugin_sha256=library_sha256() if plugin else "",
    )
    cache = cache or PlanCache()
    known = _whole(cache.find(request), progress)
    if known is not None:
        return EngineBuilt(known, is_new=False)
    started_s = time.monotonic()
    timing_cache = cache.timing_cache(tensorrt.name, tensorrt.version)
    built = build_plan(request, content, timing_cache, progress, time_limit_s)
    took_s = time.monotonic() - started_s
    note = _note(package, request, content, built, len(counts), took_s)
    return EngineBuilt(cache.add(note, built.content), is_new=True)


def _whole(plan: CachedPlan | None, progress: Callable[[str], None]) -> CachedPlan | None:
    """None for a plan that is damaged, too: then it is told and built again."""
    try:
        if plan is not None:
            plan.content()
    except EngineUnavailable as error:
        progress(f"built again: {error}")
        return None
    return plan


def _note(
    package: ModelPackage, request: BuildRequest, content: bytes, built: BuiltPlan, clouds: int, took_s: float
) -> PlanNote:
    import onnx

    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return PlanNote(
        request=request,
        inputs=input_dims(onnx.load_model_from_string(content)),
        plan_sha256=hashlib.sha256(built.content).hexdigest(),
        layers=built.layers,
        model=package.manifest.name,
        measured=f"{clouds} clouds, the most of any times {MARGIN}",
        built=f"{now}, in {took_s:.0f} s",
    )
