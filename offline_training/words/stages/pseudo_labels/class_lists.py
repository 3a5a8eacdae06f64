"""The class lists of a run: from its file, derived from truth, or none; they say which classes the points of a scene may get."""

from pathlib import Path

import numpy as np

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.base.sample import Sample
from offline_training.words.scenes.scene_features import SceneFeatures
from offline_training.words.settings.training_samples import require_truth_in_words
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.scene_lists import (
    SceneList,
    allowed_classes,
    derived_frame_lists,
    derived_scene_list,
    read_class_lists,
    require_known_classes,
    write_derived_lists,
)


class ClassLists:
    """The class lists of a run: from its file, derived from truth, or none."""

    def __init__(self, config: VlgConfig) -> None:
        self._kind, self._names = config.pseudo.lists, config.words.class_table.names
        path = config.pseudo.lists_file
        self._given = None if path is None else read_class_lists(Path(path))
        if self._given is not None:
            require_known_classes(self._given, self._names)
        self._derived: dict[str, SceneList] = {}
        if self._kind != "none" and self._given is None:
            require_truth_in_words(config)

    def allowed(self, sample: Sample, features: SceneFeatures) -> np.ndarray:
        """(1 or V, K') bool: the classes that rows of a scene may get. Raises BadConfig for a scene without a list."""
        if self._kind == "none":
            return np.ones((1, len(self._names)), bool)
        listed = self._derive(sample, features) if self._given is None else self._given.get(sample.name)
        if listed is not None and isinstance(listed, dict) != (self._kind == "frame"):
            raise BadConfig(
                f"scene {sample.name}: expected a list of the kind pseudo.lists={self._kind}, found the other kind in "
                "pseudo.lists_file. Correct one of the two."
            )
        return allowed_classes(sample.name, listed, self._names, features)

    def write_derived(self, path: Path) -> None:
        """Write the lists derived from truth, if there are any."""
        if self._derived:
            write_derived_lists(path, self._derived)

    def _derive(self, sample: Sample, features: SceneFeatures) -> SceneList:
        if sample.class_id is None:
            raise BadConfig(
                f"scene {sample.name}: expected truth to derive its class list from, found none. Set pseudo.lists_file, or "
                "pseudo.lists=none."
            )
        listed: SceneList = (
            derived_scene_list(sample.class_id, self._names)
            if self._kind == "scene"
            else derived_frame_lists(sample.class_id, self._names, features)
        )
        self._derived[sample.name] = listed
        return listed
