"""Imports the package open_clip, only when needed, because it imports torchvision and timm."""

from typing import Any

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.optional_imports import require_packages


def open_clip_package() -> Any:  # noqa: ANN401 - a module
    """Import it. Raises BadConfig if it or one of its dependencies is missing or incompatible."""
    require_packages("open_clip", "open_clip", "torchvision", "timm", extra="language")
    try:
        import open_clip
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision of another torch
        raise BadConfig(
            f"open_clip: expected the package and a torchvision that matches torch, found: {error}. Install the extra "
            "`language`: pip install 'lidar-vl[language]'."
        ) from error
    return open_clip
