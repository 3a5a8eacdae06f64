"""Answers from image features, from the network, and from the more confident of the two, point by point."""

import numpy as np
import pytest
import torch

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadCheckpoint, BadDataset, BadRequest
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.vocabulary import vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import text_table
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from offline_training.words.scenes.scene_features import SceneFeatures
from offline_training.words.settings.training_samples import scan_of
from offline_training.words.stages.guidance import inference
from offline_training.words.stages.guidance.inference import (
    load_language_network,
    load_text_table,
    predict_scene,
    row_embeddings,
)
from tests.training.words.stages.tiny_language import CHANNELS, direction, tiny_config, tiny_features, tiny_sample

WORDS = ("car", "truck", "road", "tree")


@pytest.fixture
def table() -> TextTable:
    return text_table(vocabulary_of_prompts(WORDS), np.stack([direction(word) for word in WORDS]), 20.0, "tiny")


@pytest.fixture
def network(tmp_path):
    config = tiny_config(tmp_path)
    torch.manual_seed(0)
    return build_backbone(config, CHANNELS).eval(), config


def slow_best(feature: np.ndarray, table: TextTable) -> tuple[float, int]:
    """Highest cosine with a prompt, as OpenScene computes it, and that prompt."""
    cosine = [float(feature @ text) / (np.linalg.norm(feature) + 1e-5) for text in table.embeddings]
    return max(cosine), int(np.argmax(cosine))


def test_the_ensemble_takes_per_point_the_feature_whose_best_prompt_is_closer(table, network):
    sample = tiny_sample(0)
    features = tiny_features(sample)
    rows, row_of_point = row_embeddings(*network, scan_of(sample, network[1]))
    found = predict_scene("ensemble", sample, table, network, features)
    for point in range(0, 600, 7):
        of_network, class_3d = slow_best(rows[row_of_point[point]], table)
        row = features.row_of_point[point]
        of_image, class_2d = slow_best(features.feature[row].astype(np.float64), table) if row >= 0 else (-2.0, 0)
        assert found.class_id[point] == (class_2d if of_image > of_network else class_3d)
        assert found.of_pictures[point] == (of_image > of_network)


def test_on_ties_the_ensemble_takes_the_networks_answer(network, monkeypatch):
    unit = np.eye(4, CHANNELS, dtype=np.float32)
    table = text_table(vocabulary_of_prompts(WORDS), unit, 20.0, "tiny")
    sample = tiny_sample(0)
    features = tiny_features(sample, unseen=0.0)
    features.feature[:] = unit[0]
    rows = np.repeat(
        3.0 * unit[3][None], 600, axis=0
    )  # both resemble their prompts with cosine 1, whatever their length
    monkeypatch.setattr(inference, "row_embeddings", lambda *_: (rows, np.arange(600)))
    assert (predict_scene("2d", sample, table, None, features).class_id == 0).all()
    assert (predict_scene("ensemble", sample, table, network, features).class_id == 3).all()


def test_points_that_neither_reaches_have_no_answer(table, network):
    sample = tiny_sample(0)
    sample.cloud.xyz_m[:10] = 1000.0
    sample.cloud.xyz_m[10:20] = np.nan
    features = tiny_features(sample)
    unseen = ~features.visible
    of_image = predict_scene("2d", sample, table, None, features)
    assert ((of_image.class_id == IGNORE_ID) == unseen).all()
    of_network = predict_scene("3d", sample, table, network)
    assert ((of_network.class_id == IGNORE_ID) == (np.arange(600) < 20)).all()
    of_both = predict_scene("ensemble", sample, table, network, features)
    assert ((of_both.class_id == IGNORE_ID) == (unseen & (np.arange(600) < 20))).all()
    assert (of_both.probability[of_both.class_id == IGNORE_ID] == 0).all()
    assert np.array_equal(of_image.of_pictures, ~unseen)
    assert not of_network.of_pictures.any()
    assert not of_both.of_pictures[unseen].any()


def test_a_point_out_of_range_has_no_embedding(network):
    sample = tiny_sample(1)
    sample.cloud.xyz_m[5] = 1000.0
    rows, row_of_point = row_embeddings(*network, scan_of(sample, network[1]))
    assert rows.shape[1] == CHANNELS
    assert rows.dtype == np.float32
    assert row_of_point.shape == (600,)
    assert np.flatnonzero(row_of_point < 0).tolist() == [5]


def test_an_empty_scene_has_no_answers_and_no_error(table, network):
    sample = tiny_sample(0, points=0)
    for mode in ("2d", "3d", "ensemble"):
        assert len(predict_scene(mode, sample, table, network, _no_features(sample)).class_id) == 0


def _no_features(sample):
    return SceneFeatures(
        np.zeros((0, CHANNELS), np.float16), np.zeros(0, np.int32), np.zeros((0, 1), np.uint8), ("front",)
    )


@pytest.mark.parametrize("mode", ["2d", "3d", "ensemble"])
def test_a_mode_that_lacks_what_it_reads_is_refused(mode, table, network):
    with pytest.raises(BadRequest, match=f"mode {mode}: expected"):
        predict_scene(mode, tiny_sample(0), table)


def test_features_of_another_cloud_are_refused(table):
    with pytest.raises(BadDataset, match="expected 300 points"):
        predict_scene("2d", tiny_sample(0, points=300), table, None, tiny_features(tiny_sample(0)))


def test_colours_are_asked_for_where_the_network_reads_them(table, network):
    sample = tiny_sample(0)
    del sample.cloud.extra["rgb"]
    with pytest.raises(BadDataset, match="expected colours"):
        predict_scene("3d", sample, table, network)


def test_a_checkpoint_of_another_command_is_refused(tmp_path):
    path = save_checkpoint(tmp_path, Checkpoint(1, {"network.x": torch.zeros(1)}, {}, {}))
    with pytest.raises(BadCheckpoint, match="lidar-vl-train guide"):
        load_language_network(path)
    with pytest.raises(BadCheckpoint, match="text table"):
        load_text_table(path)
