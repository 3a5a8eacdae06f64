"""Pseudo labels of the scenes of a run: <folder>/<scene>.npz, and their settings in settings.json. Touches the disk."""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadLabels
from lidar_vl_core.foundation.files import atomic_writer, read_json, remove_stray_temporaries, write_text
from offline_training.words.settings.vlg_config import PseudoLabelConfig, SelfTrainingConfig

FOLDER = "pseudo_labels"  # of a run
_SETTINGS, _SCENES = "settings.json", "scenes.json"
_SECTIONS: dict[str, type[Config]] = {"pseudo": PseudoLabelConfig, "self_training": SelfTrainingConfig}
_COMMAND = "Run `lidar-vl-train pseudo-label` with this configuration."
_LARGEST_SCALE = 1e6  # CLIP's is 100
_ANEW = "Remove the folder, and run `lidar-vl-train pseudo-label` again."


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """One class for every point of a scene, and its probability."""

    class_id: np.ndarray  # (N,) uint8, 255 = none
    probability: np.ndarray  # (N,) float16, 0 = none
    points_sha256: str = ""  # of the cloud, as in SceneFeatures; empty if unknown


class PseudoLabelStore:
    """A folder of pseudo labels made with the same settings; scenes.json lists the scenes once all are there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Claim the folder for labels with these settings. Raises BadLabels if it holds labels with others."""
        remove_stray_temporaries(self.folder)
        path, text = self.folder / _SETTINGS, json.dumps(settings, indent=1, sort_keys=True)
        if not path.is_file() or not any(self.folder.glob("*.npz")):
            write_text(path, text)
            return
        asked = json.loads(text)
        if other := _differing(_completed(self.settings(), asked), asked):
            raise BadLabels(
                f"{self.folder}: expected pseudo labels made with this configuration, found some with another "
                f"{', '.join(other)}. Use another `out`, or remove the folder to make them again."
            )

    def finish(self, scenes: Sequence[str]) -> None:
        """Record all scenes in order: the labels are complete."""
        write_text(self.folder / _SCENES, json.dumps(list(scenes), indent=1))

    def scenes(self) -> tuple[str, ...]:
        """Names of all scenes. Raises BadLabels if the labels are incomplete."""
        path = self.folder / _SCENES
        if not path.is_file():
            raise BadLabels(f"{path}: expected the list of all labelled training scenes, found none. {_COMMAND}")
        names = _read(path)
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise BadLabels(f"{path}: expected a list of scene names, found {str(names)[:60]}. {_ANEW}")
        return tuple(names)

    def settings(self) -> dict[str, Any]:
        """The settings that made the labels. Raises BadLabels if there are none."""
        path = self.folder / _SETTINGS
        if not path.is_file():
            raise BadLabels(f"{path}: expected pseudo labels, found none. {_COMMAND}")
        settings = _read(path)
        if not isinstance(settings, dict):
            raise BadLabels(f"{path}: expected the settings of the labels, found {str(settings)[:60]}. {_ANEW}")
        return settings

    def logit_scale(self) -> float:
        """The logit scale the labels were chosen with, which stage 2 also uses. Raises BadLabels."""
        scale = self.settings().get("logit_scale")
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0.0 < scale <= _LARGEST_SCALE:
            raise BadLabels(
                f"{self.folder / _SETTINGS}: expected a logit_scale above 0, found {str(scale)[:60]}. {_ANEW}"
            )
        return float(scale)

    def sha256(self) -> str:
        """Identity of the labels, recorded by what learns from them."""
        return hashlib.sha256(json.dumps([self.settings(), self.scenes()], sort_keys=True).encode()).hexdigest()

    def has(self, name: str, points_sha256: str = "") -> bool:
        """Whether a scene has labels, unless they are known to be of other points. Raises BadLabels if they are damaged."""
        if not self._path(name).is_file():
            return False
        return not points_sha256 or self.read(name).points_sha256 in ("", points_sha256)

    def write(self, name: str, labels: PseudoLabels) -> None:
        """Store a scene's labels atomically."""
        with atomic_writer(self._path(name)) as file:
            np.savez_compressed(
                file,
                class_id=labels.class_id.astype(np.uint8),
                probability=labels.probability.astype(np.float16),
                points_sha256=np.array(labels.points_sha256),
            )

    def read(self, name: str) -> PseudoLabels:
        """A scene's labels. Raises BadLabels if they are missing or damaged."""
        path = self._path(name)
        if not path.is_file():
            raise BadLabels(f"{path}: expected the pseudo labels of scene {name}, found none. {_COMMAND}")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                points = str(arrays["points_sha256"]) if "points_sha256" in arrays.files else ""
                labels = PseudoLabels(arrays["class_id"], arrays["probability"], points)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise BadLabels(f"{path}: expected pseudo labels, found: {error}. Remove the file. {_COMMAND}") from error
        kinds = labels.class_id.dtype, labels.probability.dtype
        if kinds != (np.uint8, np.float16) or labels.class_id.shape != labels.probability.shape:
            raise BadLabels(f"{path}: expected (N,) uint8 and (N,) float16, found others. Remove the file. {_COMMAND}")
        return labels

    def _path(self, name: str) -> Path:
        return self.folder / f"{quote(name, safe=' ')}.npz"


def _completed(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the defaults of keys that came after they were written."""
    complete = dict(stored)
    for name in _SECTIONS.keys() & stored.keys() & asked.keys():
        if not isinstance(stored[name], dict):
            continue  # it differs
        defaults = _SECTIONS[name]().model_dump(mode="json")
        complete[name] = {**{key: defaults[key] for key in asked[name]}, **stored[name]}
    return complete


def _read(path: Path) -> Any:  # noqa: ANN401  JSON
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise BadLabels(f"{path}: expected JSON, found: {str(error)[:120]}. {_ANEW}") from error


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, dotted within sections."""
    names = []
    for key in sorted({*before, *after}):
        one, other = before.get(key), after.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            names += [f"{key}.{below}" for below in _differing(one, other)]
        elif one != other:
            names.append(key)
    return names
