"""Stage 3: the network learns the specialised features; which words it answers, which weights are kept, and further rounds."""

import numpy as np
import pytest
import torch

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadDataset, BadTextTable
from lidar_vl_core.words.vocabulary import Vocabulary
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.words.evaluation.answers import scene_answers
from offline_training.words.evaluation.constant_answer import best_constant
from offline_training.words.features import run_text
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import open_features
from offline_training.words.features.run_text import embedded_words, read_run_text
from offline_training.words.settings.question import Question
from offline_training.words.settings.training_samples import scan_of
from offline_training.words.stages.guidance.guide import guide
from offline_training.words.stages.guidance.guide_augment import turned
from offline_training.words.stages.guidance.inference import (
    load_language_network,
    load_text_table,
    point_embeddings,
    predict_scene,
    row_embeddings,
)
from offline_training.words.stages.guidance.selection import trained_scenes
from offline_training.words.stages.pseudo_labels.class_choice import class_scores
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabelStore
from tests.training.words.stages.stage_runs import ready, steps
from tests.training.words.stages.tiny_language import (
    CHANNELS,
    TinyModel,
    tiny_config,
    tiny_features,
    tiny_sample,
    write_tiny_features,
)

pytestmark = pytest.mark.usefixtures("tiny_world")


def test_several_turned_passes_are_summed_and_answer_by_the_sum_of_their_logits(tmp_path):
    config = tiny_config(tmp_path, guide={"test_passes": 3})
    torch.manual_seed(0)
    network, scan = build_backbone(config, CHANNELS).eval(), scan_of(tiny_sample(0), config)
    summed, logits = point_embeddings(network, config, scan), 0.0
    table = embedded_words(config, config.words)
    for number in range(3):
        rows, row = row_embeddings(
            network, config, turned(scan, False, np.random.default_rng([config.seed, 5, number]))
        )
        assert (row >= 0).all()
        logits = logits + rows[row] @ table.embeddings.T
    np.testing.assert_allclose(summed @ table.embeddings.T, logits, atol=1e-4)
    answers = predict_scene("3d", tiny_sample(0), table, (network, config))
    best_of_class = table.class_of_prompt[logits.argmax(axis=1)]
    assert (answers.class_id == best_of_class).mean() > 0.999  # rounding
    once = predict_scene("3d", tiny_sample(0), table, (network, tiny_config(tmp_path)))
    assert (once.class_id != answers.class_id).any()


def test_the_network_learns_the_specialised_features_and_its_checkpoint_holds_all_that_words_need(tmp_path):
    config = ready(tiny_config(tmp_path, guide={"max_steps": 12, "augment": "none"}))
    checkpoint = guide(config)
    told, _ = steps(tmp_path)
    assert np.mean([line["loss"] for line in told[-3:]]) < 0.8 * told[0]["loss"]
    assert [line["learning_rate"] for line in told] == pytest.approx([1e-3 * (1 - k / 12) ** 0.9 for k in range(12)])
    assert all(0 < line["guided_rows"] < line["rows"] for line in told)
    network, stored = load_language_network(checkpoint)
    assert stored == config
    assert network.head.out_features == CHANNELS
    table, own = load_text_table(checkpoint), read_run_text(config)
    assert table.prompts == own.prompts
    assert (table.embeddings == own.embeddings).all()


def test_the_log_says_how_far_the_loss_is_from_that_of_the_best_constant_vector(tmp_path):
    guide(ready(tiny_config(tmp_path, guide={"max_steps": 12, "learning_rate": 0.01})))
    better = [line["better_than_constant"] for line in steps(tmp_path)[0]]
    assert len(better) == 12
    assert better[0] < 0.2  # fresh weights tell nothing apart
    assert better[0] < max(better[6:]) <= 1.0


def test_the_best_constant_answer_is_the_class_of_the_mean_direction_of_all_points(tmp_path):
    config = tiny_config(tmp_path, specialise={"enabled": False})
    write_tiny_features(config)
    pseudo_label(config)
    scenes = [tiny_features(tiny_sample(number)) for number in range(3)]
    of_points = np.concatenate([seen.feature[seen.row_of_point[seen.visible]] for seen in scenes]).astype(np.float32)
    mean = (of_points / np.linalg.norm(of_points, axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(best_constant(config, open_features(config)), mean / np.linalg.norm(mean), atol=1e-4)
    table, sample = embedded_words(config, config.words), tiny_sample(1)
    answered = scene_answers(config, guide(config), Question("3d", constant=True))(sample)
    assert answered.tolist() == [int(class_scores(mean[None], table)[0].argmax())] * len(sample.cloud)


def test_its_own_words_are_asked_without_the_image_model_and_others_only_of_the_same_one(tmp_path, monkeypatch):
    config = ready(tiny_config(tmp_path, guide={"max_steps": 1}))
    checkpoint = guide(config)

    class Other(TinyModel):
        def identity(self):
            return {"kind": "other"}

    monkeypatch.setattr(run_text, "open_image_model", lambda config: Other())
    sample = tiny_sample(0)
    answered = scene_answers(config, checkpoint, Question("3d"))(sample)
    assert answered.shape == (len(sample.cloud),)
    fewer = validated(Vocabulary, {"name": "two", "classes": [{"name": "car"}, {"name": "truck"}]}, "test")
    with pytest.raises(BadCheckpoint, match="found tiny:"):
        scene_answers(config, checkpoint, Question("3d", fewer))
    with pytest.raises(BadTextTable, match="extract-features"):
        scene_answers(config, None, Question("2d"))


def test_with_the_specialisation_switched_off_it_learns_the_features_as_they_are(tmp_path):
    config = tiny_config(tmp_path, specialise={"enabled": False}, guide={"max_steps": 1, "loss": "l1"})
    store = write_tiny_features(config)
    pseudo_label(config)
    targets = load_checkpoint(guide(config)).state["targets"]
    assert targets == store.identity


def test_weights_are_selected_by_pseudo_labels_of_scenes_that_are_not_trained_on(tmp_path):
    numbers = {"max_steps": 4, "select": "pseudo_labels", "validate_every": 2, "held_out_every": 3}
    config = ready(tiny_config(tmp_path, guide=numbers))
    checkpoint = guide(config)
    assert checkpoint.name == "best.json"
    _, measured = steps(tmp_path)
    assert [line["validated_after"] for line in measured] == [2, 4]
    labels = PseudoLabelStore(tmp_path / "pseudo_labels").read(tiny_sample(0).name)
    assert measured[0]["points"] == np.count_nonzero(labels.class_id != IGNORE_ID)
    assert trained_scenes(config, 7) == [1, 2, 4, 5]
    best = max(measured, key=lambda line: line["mean_iou"])
    assert load_checkpoint(checkpoint).step == best["validated_after"]
    with pytest.raises(BadConfig, match="at least two training scenes"):
        trained_scenes(config, 1)


def test_selection_by_validation_truth_is_what_it_says(tmp_path):
    numbers = {"max_steps": 1, "select": "validation_truth"}
    validation = [{"kind": "synthetic", "folder": "unused"}]
    config = ready(tiny_config(tmp_path, guide=numbers, validation=validation))
    assert guide(config).name == "best.json"
    assert steps(tmp_path)[1][0]["points"] == 1800
    with pytest.raises(BadConfig, match="expected validation data"):
        guide(tiny_config(tmp_path, guide=numbers))


def test_a_round_of_self_training_labels_anew_and_learns_from_that(tmp_path):
    rounds = {"rounds": 1, "keep_fraction": 0.5}
    config = ready(tiny_config(tmp_path, guide={"max_steps": 2}, self_training=rounds))
    checkpoint = guide(config)
    assert checkpoint == tmp_path / "round_1" / "guide" / "checkpoints" / "last.json"
    labels = PseudoLabelStore(tmp_path / "round_1" / "pseudo_labels")
    settings_of_round = labels.settings()
    assert settings_of_round["self_training"]["keep_fraction"] == 0.5
    for index in range(3):
        class_id = labels.read(tiny_sample(index).name).class_id
        features = tiny_features(tiny_sample(index))
        assert (class_id[~features.visible] == IGNORE_ID).all()
        assert set(np.unique(class_id)) <= {*np.unique(tiny_sample(index).class_id), IGNORE_ID}
        assert 0.3 < np.mean(class_id[features.visible] != IGNORE_ID) < 0.6
    before = checkpoint.read_bytes()
    assert guide(config) == checkpoint  # done: nothing is made anew
    assert checkpoint.read_bytes() == before
    assert load_language_network(checkpoint)[1].self_training.rounds == 0


def test_rounds_without_an_adapter_are_refused(tmp_path):
    off = {"specialise": {"enabled": False}, "self_training": {"rounds": 1}, "guide": {"max_steps": 1}}
    config = tiny_config(tmp_path, **off)
    write_tiny_features(config)
    pseudo_label(config)
    with pytest.raises(BadConfig, match=r"specialise\.enabled"):
        guide(config)


def test_what_is_missing_is_named_with_the_command_that_makes_it(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    with pytest.raises(BadTextTable, match="lidar-vl-train pseudo-label"):
        guide(config)
    pseudo_label(config)
    with pytest.raises(BadDataset, match="lidar-vl-train specialise"):
        guide(config)


def test_other_targets_or_a_run_that_must_not_be_touched_are_refused(tmp_path):
    config = ready(tiny_config(tmp_path, guide={"max_steps": 1}))
    guide(config)
    with pytest.raises(BadCheckpoint, match="expected no checkpoint"):
        guide(config, resume="never")
    FeatureStore(tmp_path / "specialised", {"adapter_sha256": "another"}).announce()
    with pytest.raises(BadCheckpoint, match="current features"):
        guide(config)
