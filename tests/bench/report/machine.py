"""The machine that figures belong to."""

import platform
from pathlib import Path


def machine() -> dict[str, str]:
    """Processor, cores and versions."""
    model = next(
        (line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")), platform.processor()
    )
    cores = sum(line.startswith("processor") for line in _cpu_lines())
    return {"processor": model, "cores": str(cores), "python": platform.python_version(), "system": platform.platform()}


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
