"""Components of features: they restore what they can, and a store keeps few numbers by them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.words.features.feature_basis import feature_basis
from offline_training.words.features.feature_store import FeatureStore
from tests.training.words.features.made_features import cut_short, equal_features, opened_store, random_features


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_features_of_few_directions_come_back_from_as_many_components(seed, rank):
    rng = np.random.default_rng(seed)
    feature = (rng.normal(0, 1, (80, rank)) @ rng.normal(0, 1, (rank, 12)) + 3.0).astype(np.float16)
    basis = feature_basis([feature[:30], feature[30:]], rank)
    assert basis.explained > 0.999
    np.testing.assert_allclose(basis.directions @ basis.directions.T, np.eye(rank), atol=1e-5)
    np.testing.assert_allclose(basis.restored(basis.coefficients(feature)), feature, atol=0.03)


def test_components_are_those_of_the_singular_value_decomposition():
    feature = np.random.default_rng(0).normal(0, [5, 3, 2, 1, 0.5], (400, 5)).astype(np.float16)
    basis = feature_basis([feature], 2)
    centred = feature.astype(np.float64) - feature.astype(np.float64).mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs((basis.directions @ directions[:2].T).diagonal()), 1.0, atol=1e-4)
    assert basis.explained == pytest.approx((singular[:2] ** 2).sum() / (singular**2).sum(), abs=1e-6)


def scene_bytes(opened, names):
    return sum(opened.path(name).stat().st_size for name in names)


def test_a_store_with_a_basis_keeps_few_numbers_and_gives_all_channels(tmp_path):
    opened = opened_store(tmp_path)
    rng = np.random.default_rng(0)
    directions = rng.normal(0, 1, (2, 64))
    scenes = {}
    for name in ("a", "b", "c"):
        feature = (rng.normal(0, 1, (12, 2)) @ directions).astype(np.float16)
        scenes[name] = replace(random_features(), feature=feature)
        opened.write(name, scenes[name])
    whole = scene_bytes(opened, scenes)
    opened.fit_basis(["a", "b"], 2)
    opened.compress(["a", "b"])
    again = FeatureStore(tmp_path)
    again.write("c", scenes["c"])
    assert scene_bytes(again, scenes) < whole - 3 * 12 * 60 * 2
    for name, features in scenes.items():
        read = FeatureStore(tmp_path).read(name)
        np.testing.assert_allclose(read.feature, features.feature, atol=0.03)
        assert equal_features(replace(read, feature=features.feature), features)
    compressed = [opened.path(name).read_bytes() for name in scenes]
    opened.compress(list(scenes))  # nothing is left to do
    assert [opened.path(name).read_bytes() for name in scenes] == compressed


def test_more_components_than_channels_are_refused(tmp_path):
    opened = opened_store(tmp_path)
    opened.write("scene", random_features(channels=6))
    with pytest.raises(BadConfig, match="6 channels of the features, found 7"):
        opened.fit_basis(["scene"], 7)


def test_a_damaged_basis_is_told(tmp_path):
    opened = opened_store(tmp_path)
    opened.write("scene", random_features())
    opened.fit_basis(["scene"], 2)
    cut_short(opened.folder / "basis.npz")
    with pytest.raises(BadDataset, match=r"basis\.npz"):
        FeatureStore(tmp_path).read("scene")
