"""One scene's features as an .npz file, which is either intact or refused. Touches the disk.

feature (V, C) float16, or in a store with a basis coefficient (V, k) float16; row_of_point, view_bits; about: JSON
text.
"""

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from lidar_vl_core.foundation.files import atomic_writer
from offline_training.words.features.feature_basis import FeatureBasis
from offline_training.words.scenes.scene_features import SceneFeatures

DAMAGED = (ValueError, KeyError, EOFError, BadZipFile, TypeError, NotImplementedError)
_NUMBERS = ("row_of_point", "view_bits")


def write_feature_file(path: Path, features: SceneFeatures, basis: FeatureBasis | None) -> None:
    """Write atomically. Raises BadRequest when the disk is full."""
    about = {
        "view_names": features.view_names,
        "left_out": features.left_out,
        "scene_sha256": features.scene_sha256,
        "points_sha256": features.points_sha256,
    }
    arrays = {name: getattr(features, name) for name in _NUMBERS}
    if basis is None:
        arrays["feature"] = features.feature
    else:
        arrays["coefficient"] = basis.coefficients(features.feature)
    with atomic_writer(path) as handle:
        np.savez(handle, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)


def read_feature_file(path: Path, basis: FeatureBasis | None) -> SceneFeatures:
    """Raises FileNotFoundError, BadDataset, or one of DAMAGED; zip's checksums detect changed bytes."""
    with np.load(path, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        if "feature" in stored.files:
            feature = stored["feature"]
        elif basis is None:
            raise ValueError("coefficients of a missing basis")
        else:
            coefficient = stored["coefficient"]
            if coefficient.dtype != np.float16:
                raise ValueError(f"coefficients of {coefficient.dtype} in place of float16")
            feature = basis.restored(coefficient)
        numbers = {name: stored[name] for name in _NUMBERS}
    return SceneFeatures(
        feature=feature,
        view_names=tuple(about["view_names"]),
        left_out=tuple(about["left_out"]),
        scene_sha256=about["scene_sha256"],
        points_sha256=about.get("points_sha256", ""),
        **numbers,
    )


def about_feature_file(path: Path) -> dict[str, Any] | None:
    """The content of `about`, after every byte of the file has been checked; None for a missing or damaged file."""
    try:
        with ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            about["points"] = len(stored["row_of_point"])
            about["visible"] = int((stored["row_of_point"] >= 0).sum())
            about["rows"] = len(stored["view_bits"])
            return about
    except (OSError, *DAMAGED):
        return None


def has_coefficients(path: Path) -> bool:
    """Whether a file holds coefficients of a basis, by its table of contents.

    Raises one of DAMAGED for a damaged file.
    """
    with ZipFile(path) as archive:
        return "coefficient.npy" in archive.namelist()
