"""Extract features for scenes on this machine: threads read and project ahead while the model processes batches of images."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadBag, BadCalibration, BadDataset, BadImage, BadLabels, BadPointCloud
from offline_training.datasets.base.sample import Sample
from offline_training.weak_labels.read_ahead import read_ahead
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.scenes.back_project import FeatureSums, seen_pixels
from offline_training.words.scenes.extract_config import ExtractConfig
from offline_training.words.scenes.scene_features import SceneFeatures, scene_sha256

_OF_ONE_PICTURE = (BadBag, BadCalibration, BadDataset, BadImage)  # raised by a single damaged image
_OF_ONE_SCENE = (*_OF_ONE_PICTURE, BadLabels, BadPointCloud)


@runtime_checkable
class SceneReader(Protocol):
    """A model whose scene features are stored on disk: images are not read."""

    def scene_features(self, sample: Sample, config: ExtractConfig) -> SceneFeatures:
        """The features of a sample's points. Raises BadDataset."""
        ...


@dataclass
class SceneOutcome:
    """The outcome for one scene."""

    name: str
    scene_sha256: str = ""
    made: bool = False
    failure: str = ""  # one line; empty if its features are there
    left_out: list[str] = field(default_factory=list)  # one line for each image missing from its features
    views: int = 0  # processed by the model in this run
    points: int = 0
    visible: int = 0
    rows: int = 0


def extract_scenes(
    samples: Iterable[tuple[str, Callable[[], Sample]]],
    model: DenseImageModel,
    store: FeatureStore,
    config: ExtractConfig,
    threads: int = 4,
) -> Iterator[SceneOutcome]:
    """Extract what the store lacks, scene by scene in order; the caller must hold the store's lock.

    samples: a label for error messages until the scene's name is known, and a function that opens the scene. An
    unreadable image is left out of its scene and reported; a scene that is unreadable, or has no readable image, is
    reported and the others continue. A batch of images may span scenes.
    """
    work = _Work(model, store, config)
    with ThreadPoolExecutor(threads) as pool, torch.no_grad():
        for look in read_ahead(pool, work.prepare, work.looks(samples), 2 * threads + config.batch_size):
            work.take(look)
            yield from work.finished()
        work.flush()
        yield from work.finished()


@dataclass(eq=False)
class _Scene:
    """The state of one scene in progress."""

    outcome: SceneOutcome
    sample: Sample | None = None  # None: nothing to do
    sums: FeatureSums | None = None
    is_read: bool = False  # all its views have been prepared
    waiting: int = 0  # images the model has not processed yet
    unreadable: list[str] = field(default_factory=list)  # names of views


@dataclass(eq=False)
class _Look:
    """One view of a scene and what it sees; without a view, the end of the scene."""

    scene: _Scene
    number: int = -1
    view: CameraView | None = None
    point_index: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    pixel_uv: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int32))
    rgb: np.ndarray | None = None  # None if nothing is seen
    failure: str = ""


class _Work:
    """The processing of scenes, and those in progress."""

    def __init__(self, model: DenseImageModel, store: FeatureStore, config: ExtractConfig) -> None:
        self._model, self._store, self._config = model, store, config
        self._scenes: deque[_Scene] = deque()
        self._batch: list[_Look] = []

    def looks(self, samples: Iterable[tuple[str, Callable[[], Sample]]]) -> Iterator[_Look]:
        """Iterate over every view of every scene without features, and the end of each scene."""
        for origin, open_sample in samples:
            scene = self._open(origin, open_sample)
            self._scenes.append(scene)
            if scene.sample is not None:
                for number, view in enumerate(scene.sample.views):
                    yield _Look(scene, number, view)
            yield _Look(scene)

    def prepare(self, look: _Look) -> _Look:
        """Do the work that needs no model; called from any thread."""
        if look.view is not None and look.scene.sample is not None:
            try:
                look.point_index, look.pixel_uv = seen_pixels(
                    look.scene.sample.cloud.measured_xyz_m(), look.view, self._config
                )
                look.rgb = _picture(look.view) if len(look.point_index) else None
            except _OF_ONE_PICTURE as error:
                picture = f"camera {look.view.name}, {look.view.file or look.view.stamp_ns}"
                look.failure = f"{look.scene.sample.name}, {picture}: {error}"
        return look

    def take(self, look: _Look) -> None:
        """Queue a view's image for the model, which processes several at once."""
        scene = look.scene
        if look.view is None:
            scene.is_read = True
        elif look.failure:
            scene.outcome.left_out.append(look.failure)
            scene.unreadable.append(look.view.name)
        elif look.rgb is not None:
            scene.waiting += 1
            self._batch.append(look)
        if len(self._batch) >= self._config.batch_size:
            self.flush()

    def flush(self) -> None:
        """Run the model on the queued images."""
        pictures = [look.rgb for look in self._batch if look.rgb is not None]
        for look, feature in zip(self._batch, self._model.image_features(pictures) if pictures else (), strict=True):
            if look.scene.sums is not None:
                look.scene.sums.add(look.number, look.point_index, look.pixel_uv, feature)
            look.scene.waiting -= 1
            look.scene.outcome.views += 1
        self._batch.clear()

    def finished(self) -> Iterator[SceneOutcome]:
        """Yield finished scenes in order, after writing their features."""
        while self._scenes and self._scenes[0].is_read and not self._scenes[0].waiting:
            scene = self._scenes.popleft()
            if scene.sample is not None:
                self._close(scene, scene.sample)
            yield scene.outcome

    def _open(self, origin: str, open_sample: Callable[[], Sample]) -> _Scene:
        try:
            sample = open_sample()
            outcome = SceneOutcome(sample.name, scene_sha256(sample))
            if self._is_present(outcome, sample):
                return _Scene(outcome)
            if isinstance(self._model, SceneReader):
                self._keep(outcome, sample.name, self._model.scene_features(sample, self._config))
                return _Scene(outcome)
            return _Scene(outcome, sample, FeatureSums(sample, self._config, self._model.channels))
        except _OF_ONE_SCENE as error:
            return _Scene(SceneOutcome(origin, failure=f"{origin}: {error}"))

    def _is_present(self, outcome: SceneOutcome, sample: Sample) -> bool:
        """Whether the store has an intact file of this exact scene, made from all images that are readable now."""
        about = self._store.about(sample.name)
        if about is None or about["scene_sha256"] != outcome.scene_sha256:
            return False
        missing = [view for view in sample.views if view.name in about["left_out"]]
        faults = [fault for view in missing if (fault := self._fault(sample, view))]
        outcome.left_out = faults
        outcome.points, outcome.visible, outcome.rows = about["points"], about["visible"], about["rows"]
        return len(faults) == len(missing)

    def _fault(self, sample: Sample, view: CameraView) -> str:
        look = _Look(_Scene(SceneOutcome(sample.name), sample), 0, view)
        return self.prepare(look).failure

    def _close(self, scene: _Scene, sample: Sample) -> None:
        outcome = scene.outcome
        if sample.views and len(scene.unreadable) == len(sample.views):
            outcome.failure = (
                f"{sample.name}: none of its {len(sample.views)} images can be read: {outcome.left_out[0]}"
            )
        elif not sample.views:
            outcome.failure = f"{sample.name}: expected images, found none. Check which cameras the data set selects."
        elif scene.sums is not None:
            try:
                self._keep(outcome, sample.name, scene.sums.mean(tuple(scene.unreadable)))
            except BadDataset as error:
                outcome.failure = str(error)

    def _keep(self, outcome: SceneOutcome, name: str, features: SceneFeatures) -> None:
        self._store.write(name, features)
        outcome.made, outcome.points = True, len(features.row_of_point)
        outcome.visible, outcome.rows = int(features.visible.sum()), len(features.feature)


def _picture(view: CameraView) -> np.ndarray:
    """The view's pixels. Raises BadImage if the camera is calibrated for another size."""
    rgb = view.load_rgb()
    if rgb.shape != (view.camera.height, view.camera.width, 3):
        raise BadImage(
            f"expected {view.camera.width}x{view.camera.height} pixels as in the calibration, found "
            f"{rgb.shape[1]}x{rgb.shape[0]}. Correct the camera's calibration."
        )
    return rgb
