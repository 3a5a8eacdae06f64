"""Stage 2: the adapter learns the pseudo labels, and its features are a store like those it began with."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadCheckpoint, BadDataset, BadLabels, BadTextTable
from offline_training.words.features.feature_file import has_coefficients
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import open_features
from offline_training.words.scenes.scene_features import points_sha256
from offline_training.words.settings import training_samples
from offline_training.words.stages.adapter.specialise import load_adapter, specialise, specialised_features
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels, PseudoLabelStore
from tests.training.training_log import lines
from tests.training.words.stages.tiny_language import tiny_features, tiny_sample

pytestmark = pytest.mark.usefixtures("tiny_world")


def test_it_learns_the_labels_and_stores_every_scenes_adapted_features(config, tmp_path):
    store = FeatureStore(specialise(config))
    losses = [line["loss"] for line in lines(tmp_path / "adapter")]
    assert len(losses) == 6
    assert losses[-1] < 0.7 * losses[0]
    adapter = load_adapter(config)
    for index in range(3):
        seen, adapted = tiny_features(tiny_sample(index)), store.read(tiny_sample(index).name)
        with torch.no_grad():
            expected = adapter(torch.from_numpy(seen.feature.astype(np.float32))).numpy()
        np.testing.assert_allclose(adapted.feature, expected, rtol=1e-3, atol=1e-3)
        assert (adapted.row_of_point == seen.row_of_point).all()
        assert (adapted.view_bits == seen.view_bits).all()


def test_features_kept_by_components_stay_so_and_lose_nothing_more(config):
    store = open_features(config)
    names = [tiny_sample(index).name for index in range(3)]
    store.fit_basis(names, 5)
    store.compress(names)
    specialised, adapter = FeatureStore(specialise(config)), load_adapter(config)
    for name in names:
        expected = specialised_features(adapter, store.read(name).feature)
        np.testing.assert_allclose(specialised.read(name).feature, expected, atol=4e-3)
        assert has_coefficients(specialised.path(name))
    assert len(specialised.basis.directions) == 5


def _without_labels(folder, count: int) -> None:
    labels = PseudoLabelStore(folder / "pseudo_labels")
    for index in range(count):
        labels.write(
            tiny_sample(index).name, PseudoLabels(np.full(600, IGNORE_ID, np.uint8), np.zeros(600, np.float16))
        )


def test_scenes_without_a_label_do_no_harm(config, tmp_path):
    _without_labels(tmp_path, 2)
    specialise(config)
    assert all(line["labelled_points"] > 0 for line in lines(tmp_path / "adapter"))
    assert all(bool(torch.isfinite(weight).all()) for weight in load_adapter(config).parameters())


def test_without_a_label_in_any_scene_no_adapter_is_written(config, tmp_path):
    _without_labels(tmp_path, 3)
    with pytest.raises(
        BadLabels, match="expected points with a pseudo label that some view sees, found none in any scene"
    ):
        specialise(config)
    assert not list((tmp_path / "adapter").rglob("last.json"))


def test_a_class_that_the_words_do_not_have_is_refused(config, tmp_path):
    labels = PseudoLabelStore(tmp_path / "pseudo_labels")
    labels.write(tiny_sample(1).name, PseudoLabels(np.full(600, 77, np.uint8), np.ones(600, np.float16)))
    with pytest.raises(BadLabels, match="expected classes 0 to 15 of the words, or 255, found 77"):
        specialise(config)


def test_other_labels_or_another_recipe_are_refused(config, tmp_path):
    specialise(config)
    other = config.model_copy(update={"specialise": config.specialise.model_copy(update={"mix": 0.5})})
    with pytest.raises(BadCheckpoint, match="specialise"):
        specialise(other)
    settings = tmp_path / "pseudo_labels" / "settings.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "text_space": "another"}))
    with pytest.raises(BadCheckpoint, match="current pseudo labels"):
        specialise(config)


def test_labels_of_another_cloud_are_refused(config, tmp_path):
    labels = PseudoLabelStore(tmp_path / "pseudo_labels")
    labels.write(tiny_sample(0).name, PseudoLabels(np.zeros(5, np.uint8), np.zeros(5, np.float16)))
    with pytest.raises(BadLabels, match="expected 600 pseudo labels"):
        specialise(config)


def test_what_is_missing_is_named_with_the_command_that_makes_it(config, tmp_path):
    with pytest.raises(BadCheckpoint, match="lidar-vl-train specialise"):
        load_adapter(config)
    (tmp_path / "text_table.npz").unlink()
    with pytest.raises(BadTextTable, match="lidar-vl-train pseudo-label"):
        specialise(config)
    (tmp_path / "pseudo_labels" / "scenes.json").unlink()
    with pytest.raises((BadLabels, BadTextTable), match="lidar-vl-train pseudo-label"):
        specialise(config)


def test_no_rows_give_no_adapted_rows(config):
    specialise(config)
    assert specialised_features(load_adapter(config), np.zeros((0, 24), np.float16)).shape == (0, 24)


def test_a_scene_that_changed_is_refused_until_it_is_extracted_and_then_alone_labelled_and_adapted_again(
    config, tmp_path, monkeypatch
):
    folder = specialise(config)
    sample = tiny_sample(1)
    cloud = replace(sample.cloud, xyz_m=sample.cloud.xyz_m[::-1].copy(), extra={})
    turned = replace(sample, cloud=cloud, class_id=sample.class_id[::-1].copy())
    world = [tiny_sample(0), turned, tiny_sample(2)]
    monkeypatch.setattr(training_samples, "open_source", lambda *_: world)
    with pytest.raises(BadDataset, match=r"features of scene/0001: .*run all stages again, from extract-features on"):
        pseudo_label(config)
    open_features(config).write(turned.name, tiny_features(turned))  # extract-features
    files = [*folder.rglob("*.npz"), *(tmp_path / "pseudo_labels").rglob("*.npz")]
    before = {path: path.stat().st_mtime_ns for path in files}
    labels = PseudoLabelStore(pseudo_label(config)).read(turned.name)
    specialise(config)
    changed = [path.stem.replace("%2F", "/") for path in files if path.stat().st_mtime_ns != before[path]]
    assert changed == [turned.name, turned.name]
    assert labels.points_sha256 == FeatureStore(folder).read(turned.name).points_sha256 == points_sha256(turned)
