"""What this machine can run, and whether TensorRT does a package here: built, compared, measured, reported. Reads and writes files."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.machine.about_machine import About
from lidar_vl_core.commands.machine.build_engine import EngineBuilt, build_engine
from lidar_vl_core.engines.checked_engine import LIMITS
from lidar_vl_core.engines.tensorrt.gpu import require_gpu
from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.model_packages.package import ModelPackage

if TYPE_CHECKING:
    from lidar_vl_core.commands.machine.engine_trial import Trial

_WITHOUT_GPU = "sm86,sm89,sm120"  # Ampere, Ada and Blackwell cards


@dataclass(frozen=True)
class Examined:
    """A package on this machine."""

    package: str
    built: EngineBuilt
    trial: "Trial | None"
    verdict: str

    def lines(self) -> list[str]:
        """The report as lines for a terminal."""
        told = [f"TensorRT and {self.package}: {self.verdict}", *(f"  {line}" for line in self.built.lines())]
        if self.trial is not None:
            told.append(f"  {self.trial.clouds} clouds: {self.trial.worst}")
            for engine, taken_ms in self.trial.network_ms.items():
                percentiles = ", ".join(f"{name} {value:.1f} ms" for name, value in taken_ms.items())
                told.append(f"  network by {engine}: {percentiles}")
        return told


def examine(
    package: ModelPackage, clouds: Sequence[PointCloud], progress: Callable[[str], None] = lambda _phase: None
) -> Examined:
    """Build the plan, for the GPU here or, without one, for the usual cards; run it beside the fused engine where it can.

    Raises as build_engine().
    """
    from lidar_vl_core.commands.machine.engine_trial import try_engine

    try:
        require_gpu()
        target, missing = "this", ""
    except EngineUnavailable as error:
        target, missing = _WITHOUT_GPU, str(error)
    precision = package.manifest.precision
    built = build_engine(package, target, clouds, precision, progress=progress)
    if missing:
        verdict = f"the plan builds; its answers and its speed are unknown because there is {missing.partition(':')[0]}"
        return Examined(package.manifest.name, built, None, verdict)
    trial = try_engine(package, clouds)
    if trial.problem:
        verdict = f"NOT USABLE: {trial.problem}"
    elif LIMITS[precision].allow(trial.worst):
        verdict = "the answers match those of the fused engine"
    else:
        verdict = "NOT USABLE: the answers differ from those of the fused engine"
    return Examined(package.manifest.name, built, trial, verdict)


def report_json(about: About, examined: Examined | None) -> dict[str, Any]:
    """The report as JSON."""
    told: dict[str, Any] = {"date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "machine": about}
    if examined is not None:
        told["tensorrt"] = {
            "package": examined.package,
            "verdict": examined.verdict,
            "plan": examined.built.plan.note.model_dump(mode="json"),
            "trial": None if examined.trial is None else asdict(examined.trial),
        }
    return told


def report_markdown(about: About, examined: Examined | None) -> str:
    """The report as a Markdown page."""
    lines = ["# What this machine can run", ""]
    for title, section in about.items():
        lines += [f"## {title}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {_cell(found)} |" for name, found in section.items()] + [""]
    if examined is not None:
        lines += [f"## TensorRT and {examined.package}", "", *(f"- {line.strip()}" for line in examined.lines()), ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
