"""Files of a run with words, wrong in any value: a reader gives labels and features of the right kind, or one typed line."""

import json

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import BadDataset, BadLabels, BadRequest
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels
from offline_training.weak_labels.store.label_store import LabelStore
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.scenes.scene_features import SceneFeatures
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels, PseudoLabelStore
from tests.written.wrong_values import NO_JSON, with_wrong_arrays, with_wrong_values

SETTINGS = {"pseudo": {"lists": "scene"}, "logit_scale": 3.0, "features": {"model": "tiny"}}


@pytest.fixture
def labels(tmp_path) -> PseudoLabelStore:
    store = PseudoLabelStore(tmp_path / "pseudo_labels")
    store.begin(SETTINGS)
    store.write("room", PseudoLabels(np.zeros(3, np.uint8), np.zeros(3, np.float16)))
    store.finish(["room"])
    return store


@pytest.fixture
def features(tmp_path) -> FeatureStore:
    store = FeatureStore(tmp_path / "features", {"model": {"kind": "tiny"}})
    store.write("room", room_features())
    store.announce()
    return store


def room_features(number: float = 1.0) -> SceneFeatures:
    feature = np.full((2, 4), number, np.float16)
    return SceneFeatures(feature, np.array([0, 1, -1], np.int32), np.zeros((2, 1), np.uint8), ("view",))


def read_labels(store: PseudoLabelStore) -> None:
    told = ""
    try:
        store.sha256()
        assert 0.0 < store.logit_scale() < np.inf
        for name in store.scenes():
            assert store.read(name).probability.dtype == np.float16
        store.begin(SETTINGS)
    except BadLabels as error:
        told = str(error)
    assert "\n" not in told


@pytest.mark.parametrize("name", ["settings.json", "scenes.json"])
def test_any_wrong_value_of_pseudo_labels_is_refused_with_what_to_do(name, labels):
    path = labels.folder / name
    texts = [(change, json.dumps(content)) for change, content in with_wrong_values(json.loads(path.read_text()))]
    for change, text in (*texts, *((text, text) for text in NO_JSON)):
        path.write_text(text)
        try:
            read_labels(labels)
        except Exception as error:
            raise AssertionError(f"{name} with {change}: {error!r}") from error
    path.write_text("{")
    with pytest.raises(
        BadLabels, match=r"expected JSON, found: .* Remove the folder, and run `lidar-vl-train pseudo-label` again"
    ):
        labels.begin(SETTINGS) if name == "settings.json" else labels.scenes()


def test_any_wrong_array_of_pseudo_labels_is_refused(labels):
    arrays = dict(np.load(labels.folder / "room.npz"))
    for change, other in with_wrong_arrays(arrays):
        np.savez(labels.folder / "room.npz", **other)
        try:
            read_labels(labels)
        except Exception as error:
            raise AssertionError(f"{change}: {error!r}") from error


def test_features_that_are_no_numbers_are_neither_kept_nor_read(features):
    with pytest.raises(BadDataset, match="expected finite numbers, found NaN or infinite ones"):
        room_features(np.nan)
    arrays = dict(np.load(features.path("room")))
    arrays["feature"][0, 0] = np.inf
    np.savez(features.path("room"), **arrays)
    with pytest.raises(BadDataset, match="expected finite numbers"):
        features.read("room")


def test_a_basis_that_is_none_names_its_file(features):
    features.fit_basis(["room"], 2)
    features.compress(["room"])
    path = features.folder / "basis.npz"
    for change, other in with_wrong_arrays(dict(np.load(path))):
        np.savez(path, **other)
        try:
            FeatureStore(features.folder.parent).read("room")
        except BadDataset as error:
            assert "\n" not in str(error)  # noqa: PT017  any of them may be read, too
        except Exception as error:
            raise AssertionError(f"{change}: {error!r}") from error


def test_any_wrong_value_of_a_label_store_is_refused(tmp_path):
    store = LabelStore(tmp_path, {"labeler": "test"}, load_ontology("nuscenes16"))
    with store.writing():
        store.write(
            "ab" * 32, WeakLabels(np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint16))
        )
    (path,) = tmp_path.glob("labels-*/identity.json")
    for change, content in with_wrong_values(json.loads(path.read_text())):
        path.write_text(json.dumps(content))
        try:
            names = LabelStore(tmp_path).class_names
            assert all(isinstance(name, str) for name in names)
        except BadRequest as error:
            assert "Remove" in str(error) or "Run `lidar-vl-train weak-label`" in str(error)  # noqa: PT017
        except Exception as error:
            raise AssertionError(f"{change}: {error!r}") from error
