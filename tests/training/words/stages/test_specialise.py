"""Stage 2: the adapter learns the pseudo labels, goes on exactly, and its features are a store like those it began with."""

import json
import shutil
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import offline_training
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.config import load_config
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadDataset, BadLabels, BadTextTable
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.stopping import RunStopped
from offline_training.words.features.feature_file import has_coefficients
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import open_features
from offline_training.words.settings.vlg_config import SpecialiseConfig, VlgConfig
from offline_training.words.stages.adapter.adapter_batches import AdapterBatches
from offline_training.words.stages.adapter.kept_scenes import KeptScenes
from offline_training.words.stages.adapter.specialise import (
    _Specialising,
    adapter_sha256,
    learning_rate,
    load_adapter,
    specialise,
    specialised_features,
)
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels, PseudoLabelStore
from tests.training.words.stages.tiny_language import (
    tiny_config,
    tiny_features,
    tiny_sample,
    use_tiny_world,
    write_tiny_features,
)

CONFIGS = Path(offline_training.__file__).parent / "configs"


@pytest.fixture(autouse=True)
def _tiny_world(monkeypatch):
    use_tiny_world(monkeypatch)


@pytest.fixture
def config(tmp_path):
    made = tiny_config(tmp_path)
    write_tiny_features(made)
    pseudo_label(made)
    return made


def logged(folder):
    return [json.loads(line) for line in (folder / "adapter" / "metrics.jsonl").read_text().splitlines()]


def test_it_learns_the_labels_and_stores_every_scenes_adapted_features(config, tmp_path):
    store = FeatureStore(specialise(config))
    losses = [line["loss"] for line in logged(tmp_path)]
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


def _ctrl_c(times: int = 1) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("signals", "told", "saved"),
    [
        (_ctrl_c, "stopped after epoch 6 of 8; saved; the same command resumes", 6),
        (partial(_ctrl_c, 2), "", 5),
    ],
    ids=["once", "twice"],
)
def test_it_goes_on_after_a_stop_to_the_same_bits(config, tmp_path, monkeypatch, signals, told, saved):
    epochs = iter(range(100))
    train_epoch = _Specialising.train_epoch

    def stopped(run, stop):
        if next(epochs) == 6:
            signals()
        train_epoch(run, stop)

    longer = config.model_copy(update={"specialise": config.specialise.model_copy(update={"epochs": 8})})
    monkeypatch.setattr(_Specialising, "train_epoch", stopped)
    with pytest.raises((KeyboardInterrupt, RunStopped)) as ended:
        specialise(longer)
    assert str(ended.value) == told
    assert load_checkpoint(tmp_path / "adapter" / "checkpoints").step == saved
    monkeypatch.setattr(_Specialising, "train_epoch", train_epoch)
    specialise(longer)
    resumed, lines = load_checkpoint(tmp_path / "adapter" / "checkpoints").tensors, logged(tmp_path)
    (tmp_path / "adapter").rename(tmp_path / "resumed")
    specialise(longer)
    whole = load_checkpoint(tmp_path / "adapter" / "checkpoints").tensors
    assert all(torch.equal(tensor, whole[name]) for name, tensor in resumed.items())
    assert lines == logged(tmp_path)


def test_features_of_an_older_adapter_are_not_read_while_those_of_a_new_one_are_written(config, tmp_path, monkeypatch):
    folder = specialise(config)
    shutil.rmtree(tmp_path / "adapter")
    other = config.model_copy(update={"seed": 1})
    announce = FeatureStore.announce

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(FeatureStore, "announce", killed)
    with pytest.raises(KeyboardInterrupt):
        specialise(other)
    monkeypatch.setattr(FeatureStore, "announce", announce)
    with pytest.raises(BadDataset, match="expected features of scenes, found none"):
        FeatureStore(folder)
    specialise(other)
    assert FeatureStore(folder).identity["adapter_sha256"] == adapter_sha256(load_adapter(config))


def test_a_second_run_does_nothing_anew(config, tmp_path):
    folder = specialise(config)
    before = {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*.npz"))}
    specialise(config)
    assert {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*.npz"))} == before
    assert len(before) == 3
    assert len(logged(tmp_path)) == 6


def test_points_are_drawn_from_those_that_views_see_with_replacement_where_there_are_too_few(config, tmp_path):
    labels = PseudoLabelStore(tmp_path / "pseudo_labels")
    numbers = config.specialise.model_copy(update={"points_per_scene": 5000, "batch_size": 16})
    (batch,) = AdapterBatches(labels, open_features(config), numbers, 0).of_epoch(0)
    assert [len(class_id) for _, class_id in batch] == [5000] * 3
    known = {row.tobytes() for index in range(3) for row in tiny_features(tiny_sample(index)).feature}
    assert {row.astype(np.float16).tobytes() for feature, _ in batch for row in feature.numpy()[:200]} <= known


def test_batches_depend_on_seed_and_epoch_alone(config, tmp_path):
    def drawn(seed, epoch):
        labels = PseudoLabelStore(tmp_path / "pseudo_labels")
        batches = AdapterBatches(labels, open_features(config), config.specialise, seed).of_epoch(epoch)
        return np.concatenate([class_id.numpy() for batch in batches for _, class_id in batch])

    assert (drawn(1, 2) == drawn(1, 2)).all()
    assert (drawn(1, 2) != drawn(1, 3)).any()
    assert (drawn(1, 2) != drawn(2, 2)).any()


def _without_labels(folder, count: int) -> None:
    labels = PseudoLabelStore(folder / "pseudo_labels")
    for index in range(count):
        labels.write(
            tiny_sample(index).name, PseudoLabels(np.full(600, IGNORE_ID, np.uint8), np.zeros(600, np.float16))
        )


def test_scenes_without_a_label_do_no_harm(config, tmp_path):
    _without_labels(tmp_path, 2)
    specialise(config)
    assert all(line["labelled_points"] > 0 for line in logged(tmp_path))
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


def test_kept_scenes_are_read_once_while_they_fit():
    read = []
    kept = KeptScenes(lambda number: read.append(number) or number, lambda _: 10, most_bytes=25)
    assert [kept(number) for number in (0, 1, 2, 0, 1, 2)] == [0, 1, 2, 0, 1, 2]
    assert read == [0, 1, 2, 2]


def test_more_epochs_go_on_from_the_last_one_as_if_they_had_been_asked_for_at_once(config, tmp_path):
    longer = config.model_copy(update={"specialise": config.specialise.model_copy(update={"epochs": 8})})
    specialise(config)
    specialise(longer)
    extended = load_checkpoint(tmp_path / "adapter" / "checkpoints")
    shutil.rmtree(tmp_path / "adapter")
    specialise(longer)
    whole = load_checkpoint(tmp_path / "adapter" / "checkpoints")
    assert (extended.step, whole.step) == (8, 8)
    assert all(torch.equal(tensor, whole.tensors[name]) for name, tensor in extended.tensors.items())
    with pytest.raises(BadConfig, match=r"specialise\.epochs: expected at least the 8 epochs"):
        specialise(config)


def test_the_rate_falls_after_20_epochs_or_as_the_original_scheduler_stepped_before_each():
    recipe = load_config(VlgConfig, CONFIGS / "words" / "scannet_code.yaml").specialise
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], recipe.learning_rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=0.7)
    theirs = []
    for _ in range(recipe.epochs):
        optimizer.step()
        scheduler.step()  # train_openseg_pre_train.py: at the beginning of an epoch
        theirs.append(optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose([learning_rate(recipe, epoch) for epoch in range(recipe.epochs)], theirs)
    ours = [learning_rate(SpecialiseConfig(), epoch) for epoch in range(80)]
    drops = [[epoch for epoch in range(1, 80) if one[epoch] < one[epoch - 1]] for one in (theirs, ours)]
    assert drops == [[19, 39, 59, 79], [20, 40, 60]]


def test_a_last_batch_that_is_not_full_is_left_out_where_that_is_asked(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    pseudo_label(config)
    labels, features = PseudoLabelStore(tmp_path / "pseudo_labels"), open_features(config)
    sizes = {}
    for rule in ("smaller", "left_out"):
        numbers = config.specialise.model_copy(update={"last_batch": rule})
        sizes[rule] = [len(batch) for batch in AdapterBatches(labels, features, numbers, 0).of_epoch(0)]
    assert sizes == {"smaller": [2, 1], "left_out": [2]}
