"""How a result was made: command, versions, machine, model. Reads the machine's description."""

import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lidar_vl_core.foundation.threads import available_cores
from lidar_vl_core.foundation.version import VERSION
from lidar_vl_core.model_packages.origin import origin
from lidar_vl_core.model_packages.package import ModelPackage

_PARTS = ("numpy", "numba", "onnxruntime", "rosbags")


def provenance(package: ModelPackage, command: str) -> dict[str, str]:
    """Everything somebody needs to get the same result again, as name -> text."""
    producer = package.manifest.producer
    return {
        "command": command or "(called as a function)",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "lidar_vl": VERSION,
        "model": f"{package.manifest.name}, model.onnx sha256 {package.manifest.files['model.onnx'][:16]}...",
        "model_exported_by": f"lidar-vl {producer.version}, commit {producer.commit}",
        "model_origin": origin(package.manifest, datetime.now(timezone.utc).date()),
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PARTS),
        "machine": f"{_processor()}, {available_cores()} cores, {platform.system()} {platform.machine()}",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"
