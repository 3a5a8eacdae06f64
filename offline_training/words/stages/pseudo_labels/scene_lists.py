"""Class lists: the classes present in a scene or a frame, written by hand in a file, or derived from truth to simulate that.

A file is JSON: {scene: [class, ...]}, or for lists of frames {scene: {view: [class, ...]}}; derived lists are written
as {"derived_from": ..., "scenes": {...}}, which can be read, too.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadLabels
from lidar_vl_core.foundation.files import write_text
from offline_training.words.scenes.scene_features import SceneFeatures

_FORM = '{"scene": ["class", ...]} or {"scene": {"view": ["class", ...]}}'
_SIMULATED = "labels of the data set: a simulation of lists by hand, as the original code does it"
SceneList = list[str] | dict[str, list[str]]


def read_class_lists(path: Path) -> dict[str, SceneList]:
    """Lists by scene. Raises BadLabels for any other file."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise BadLabels(f"{path}: expected class lists, found: {error.strerror}. Check pseudo.lists_file.") from error
    except (ValueError, RecursionError) as error:
        raise BadLabels(f"{path}: expected JSON, {_FORM}, found: {error}.") from error
    if isinstance(content, dict) and "derived_from" in content:
        content = content.get("scenes")
    if not isinstance(content, dict) or not all(_is_list(value) for value in content.values()):
        raise BadLabels(f"{path}: expected {_FORM}, found other content.")
    return content


def require_known_classes(lists: Mapping[str, SceneList], names: Sequence[str]) -> None:
    """Raise BadLabels for a class that is not among the names, before the lists are used."""
    for scene, listed in lists.items():
        for view, classes in listed.items() if isinstance(listed, dict) else [(None, listed)]:
            _as_mask(classes, names, scene if view is None else f"{scene}, view {view}")


def write_derived_lists(path: Path, lists: Mapping[str, SceneList]) -> None:
    """Write lists derived from truth, marked as such in the file."""
    write_text(path, json.dumps({"derived_from": _SIMULATED, "scenes": dict(lists)}, indent=1))


def derived_scene_list(class_id: np.ndarray, names: Sequence[str]) -> list[str]:
    """The classes of a scene's points. class_id: (N,) uint8 into names, 255 = none."""
    return [names[k] for k in np.unique(class_id[class_id != IGNORE_ID])]


def derived_frame_lists(class_id: np.ndarray, names: Sequence[str], features: SceneFeatures) -> dict[str, list[str]]:
    """For each view, the classes of the points it sees. class_id: (N,)."""
    visible = features.visible
    seen_by = features.seen_by()[features.row_of_point[visible]]  # (visible points, views)
    return {
        view: derived_scene_list(class_id[visible][seen_by[:, place]], names)
        for place, view in enumerate(features.view_names)
    }


def allowed_classes(scene: str, listed: SceneList | None, names: Sequence[str], features: SceneFeatures) -> np.ndarray:
    """The classes that a row of features may get: (1, K) bool from a scene's list, (V, K) bool from the lists of its views.

    names: (K,) of the classes other than sinks. With frame lists, a class is allowed if a view that sees the row lists
    it. Raises BadLabels for a scene without a list and for a class that is not among the names.
    """
    if listed is None:
        raise BadLabels(f"scene {scene}: expected a list of its classes, found none. Add it to pseudo.lists_file.")
    if isinstance(listed, list):
        return _as_mask(listed, names, scene)[None]
    missing = [view for view in features.view_names if view not in listed]
    if missing or not features.view_names:
        raise BadLabels(
            f"scene {scene}: expected a list for each view whose features are stored, found none for "
            f"{', '.join(missing[:4]) or 'unknown views'}. Add them, or give one list for the scene."
        )
    of_view = np.stack([_as_mask(listed[view], names, f"{scene}, view {view}") for view in features.view_names])
    return features.seen_by().astype(np.float32) @ of_view.astype(np.float32) > 0


def _as_mask(listed: Sequence[str], names: Sequence[str], place: str) -> np.ndarray:
    unknown = sorted(set(listed) - set(names))
    if unknown:
        raise BadLabels(f"class list of {place}: expected names of {', '.join(names)}, found {', '.join(unknown)}.")
    return np.isin(np.array(names), np.array(listed))


def _is_list(value: Any) -> bool:  # noqa: ANN401  JSON
    if isinstance(value, dict):
        return all(isinstance(one, list) and _is_list(one) for one in value.values())
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
