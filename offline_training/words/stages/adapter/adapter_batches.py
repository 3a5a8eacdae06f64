"""Training batches of the adapter: scenes, and for each some random points seen by a view, with their pseudo labels."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadLabels
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.settings.vlg_config import SpecialiseConfig
from offline_training.words.stages.adapter.kept_scenes import KeptScenes
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabelStore

_Scene = tuple[
    np.ndarray, np.ndarray, np.ndarray
]  # feature (V, C); for each visible point its row of feature and its class


class AdapterBatches:
    """The batches of each epoch, a pure function of the seed and the epoch's number."""

    def __init__(self, labels: PseudoLabelStore, features: FeatureStore, numbers: SpecialiseConfig, seed: int) -> None:
        self._scenes = labels.scenes()
        self._read = KeptScenes(partial(_scene, self._scenes, labels, features), _bytes_of)
        self._numbers, self._seed = numbers, seed

    def of_epoch(self, epoch: int) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """Batches of (feature (points, C) float32, class_id (points,) int64), every scene once.

        The last batch may be smaller, or is left out, as configured.
        """
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._scenes))
        size = self._numbers.batch_size
        whole = max(1, len(order) // size) * size  # fewer scenes than a batch holds form one batch
        end = whole if self._numbers.last_batch == "left_out" else len(order)
        for first in range(0, end, size):
            batch = [self._points(int(scene), epoch) for scene in order[first : first + size]]
            yield [points for points in batch if len(points[1])]

    def _points(self, scene: int, epoch: int) -> tuple[Tensor, Tensor]:
        feature, row, class_id = self._read(scene)
        rng = np.random.default_rng([self._seed, epoch, scene])
        count = self._numbers.points_per_scene
        chosen = rng.choice(len(row), count, replace=len(row) < count) if len(row) else np.zeros(0, np.int64)
        rows = torch.from_numpy(feature[row[chosen]].astype(np.float32))
        return rows, torch.from_numpy(class_id[chosen].astype(np.int64))


def _scene(names: tuple[str, ...], labels: PseudoLabelStore, features: FeatureStore, number: int) -> _Scene:
    name = names[number]
    seen, class_id = features.read(name), labels.read(name).class_id
    if len(class_id) != len(seen.row_of_point):
        raise BadLabels(
            f"scene {name}: expected {len(seen.row_of_point)} pseudo labels, one for each point of its features, found "
            f"{len(class_id)}. Remove the pseudo labels and run `lidar-vl-train pseudo-label` again."
        )
    return seen.feature, seen.row_of_point[seen.visible], class_id[seen.visible]


def _bytes_of(scene: _Scene) -> int:
    return sum(array.nbytes for array in scene)
