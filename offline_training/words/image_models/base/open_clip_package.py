"""The package open_clip where it is installed; it imports torchvision and timm, so nobody does it before it is needed."""

from typing import Any

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.optional_imports import require_packages


def open_clip_package() -> Any:  # noqa: ANN401 - a module
    """Import it. Raises BadConfig where it, or what it needs, is missing or does not fit."""
    require_packages("open_clip", "open_clip", "torchvision", "timm", extra="language")
    try:
        import open_clip
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision of another torch
        raise BadConfig(
            f"open_clip: expected the package and a torchvision that fits torch, found: {error}. Install the extra "
            "`language`: pip install 'lidar-vl[language]'."
        ) from error
    return open_clip
