"""Closed-set segmenters in a space of words: a feature is the classes' shares times their rows."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadDataset, BadLabels, BadRequest, UnknownPrompt
from lidar_vl_core.words.text_table_file import write_text_table
from lidar_vl_core.words.vocabulary import vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import text_table
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.lidar.pandaset import PandaSetSource
from offline_training.networks.image.espnet import ESPNet, normalise_for_espnet
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.words.image_models.base.config import ClassesAsWordsConfig
from offline_training.words.image_models.base.text_rows import read_text_rows
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.scenes.extract_config import ExtractConfig
from tests.recordings import recording
from tests.training.weak_labels.array_views import array_view

NUSCENES_16 = class_table("nuscenes16")

_SPOKEN = load_ontology("cityscapes")
_PROMPTS = [prompt for _, prompt in _SPOKEN.prompts]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """(folder) with rows.npy and names.json: one direction of its own for each class, shared by its prompts."""
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "rows.npy", np.eye(len(_SPOKEN), dtype=np.float32)[[k for k, _ in _SPOKEN.prompts]] * 3)
    (folder / "names.json").write_text(json.dumps(_PROMPTS))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "espnet.safetensors"
    torch.manual_seed(0)
    save_file({name: each.contiguous() for name, each in ESPNet(20).state_dict().items()}, path)
    return path


def _open(rows, **changes):
    settings = {
        "kind": "classes_as_words",
        "text_embeddings": str(rows / "rows.npy"),
        "text_names": str(rows / "names.json"),
    }
    sizes = {} if "labels" in changes else {"height": 32, "width": 64}
    kept = {name: value for name, value in (settings | sizes | changes).items() if value is not None}
    return open_image_model(validated(ClassesAsWordsConfig, kept, "test"))


def test_a_cell_of_espnet_is_its_mean_probabilities_times_the_rows_of_the_classes(rows, weights):
    model = _open(rows, weights=str(weights))
    picture = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    network = ESPNet(20).eval()
    from safetensors.torch import load_file

    network.load_state_dict(load_file(weights))
    seen = F.interpolate(torch.tensor(picture).permute(2, 0, 1)[None] / 255, (32, 64), mode="bilinear")
    with torch.no_grad():
        probability = network(normalise_for_espnet(seen)).softmax(1)[0]
    found = model.image_features([picture])[0]
    assert found.shape == (len(_SPOKEN), 8, 16)
    mean = probability[:19, 4:8, 8:12].mean(dim=(1, 2))  # rows are unit axes: a channel is a class; unlabelled is none
    torch.testing.assert_close(found[:, 1, 2], mean)


def test_words_of_one_class_ask_for_it_and_others_are_refused(rows, weights):
    model = _open(rows, weights=str(weights))
    text = model.text_features(["Pavement", "sidewalk", "car"])
    torch.testing.assert_close(text @ text.T, torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]]))
    with pytest.raises(UnknownPrompt, match="sofa"):
        model.text_features(["sofa"])
    with pytest.raises(BadRequest, match="text encoder"):
        model.text_encoder_onnx()


def _labels(folder, value):
    (folder / "labels").mkdir(exist_ok=True)
    Image.fromarray(value).save(folder / "labels" / "front.png")
    return {"labels": str(folder / "labels"), "template": "{camera}.png", "ignored_values": (19,)}


def test_a_cell_of_a_label_map_has_its_classes_by_their_share(rows, tmp_path):
    value = np.zeros((8, 12), np.uint8)
    value[:4, 4:8] = 13  # a cell of car
    value[:4, 8:10] = 13  # half a cell
    value[4:, 4:8], value[4:6, 8:12] = 19, 255  # unlabelled in whole, nothing in half
    model = _open(rows, **_labels(tmp_path, value))
    feature = model.view_features(array_view(np.zeros((8, 12, 3), np.uint8)))
    assert feature[13].tolist() == [[0, 1, 0.5], [0, 0, 0]]
    assert feature[0].tolist() == [[1, 0, 0.5], [1, 0, 0.5]]
    assert feature.sum() == 4.5
    with pytest.raises(BadRequest, match="views of a data set"):
        model.image_features([np.zeros((8, 12, 3), np.uint8)])
    with pytest.raises(BadLabels, match="6x4"):
        model.view_features(array_view(np.zeros((4, 6, 3), np.uint8)))


def test_the_identity_tells_weights_words_and_labels_apart(rows, weights, tmp_path):
    labels = _labels(tmp_path, np.zeros((8, 12), np.uint8))
    identities = [
        _open(rows, weights=str(weights)).identity(),
        _open(rows, weights=str(weights), height=64).identity(),
        _open(rows, **labels).identity(),
        _open(rows, **labels | {"ignored_values": ()}).identity(),
    ]
    assert len({json.dumps(each, sort_keys=True) for each in identities}) == len(identities)


def test_a_text_table_is_a_text_side_with_its_own_logit_scale(weights, tmp_path):
    rows = np.eye(len(_PROMPTS), dtype=np.float32)
    write_text_table(tmp_path / "table.npz", text_table(vocabulary_of_prompts(_PROMPTS), rows, 37.0, "test"))
    model = _open(tmp_path, weights=str(weights), text_embeddings=str(tmp_path / "table.npz"), text_names=None)
    assert (model.channels, model.logit_scale) == (len(_PROMPTS), 37.0)
    assert model.image_features([np.zeros((16, 16, 3), np.uint8)])[0].shape[0] == len(_PROMPTS)


BAD_SETTINGS = {
    "no source": ({"weights": None}, BadConfig, "either weights"),
    "two sources": ({"labels": "."}, BadConfig, "both"),
    "two texts": ({"toy": "."}, BadConfig, "both"),
    "no text": ({"text_embeddings": None}, BadConfig, "neither"),
    "odd size": ({"height": 30}, BadConfig, "multiples of 8"),
    "other classes": ({"values": "nuscenes16"}, BadConfig, "class barrier"),
    "no weights": ({"weights": "absent.safetensors"}, BadCheckpoint, "found none"),
    "no names": ({"text_names": None}, BadDataset, "JSON list"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_a_configuration_that_cannot_be_opened_is_refused(case, rows, weights):
    changes, error, told = BAD_SETTINGS[case]
    with pytest.raises(error, match=told):
        _open(rows, **{"weights": str(weights)} | changes)


BAD_ROWS = {
    "a vector": (np.ones(3), ["a", "b", "c"], r"\(3,\)"),
    "whole numbers": (np.ones((2, 3), int), ["a", "b"], "int64"),
    "too few names": (np.ones((2, 3)), ["a"], "1 names"),
    "one name twice": (np.ones((2, 3)), ["a", " A"], "different"),
    "no names": (np.ones((2, 3)), {"a": 1}, "no list"),
    "a row of zeros": (np.array([[1.0, 0], [0, 0]]), ["a", "b"], "'b'"),
    "not a number": (np.array([[1.0, np.nan], [0, 1]]), ["a", "b"], "'a'"),
    "objects": (np.array([["x", None]], object), ["a"], "array of object"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows_that_are_none_are_refused(case, tmp_path):
    array, names, told = BAD_ROWS[case]
    np.save(tmp_path / "rows.npy", array, allow_pickle=True)
    (tmp_path / "names.json").write_text(json.dumps(names))
    with pytest.raises(BadDataset, match=told):
        read_text_rows(tmp_path / "rows.npy", tmp_path / "names.json")


def test_real_weights_and_their_ready_maps_say_the_same_of_a_real_picture(real_data, rows):
    weights = recording(real_data, "weights_small/espnet_p_2_q_8_cityscapes.safetensors")
    maps = recording(real_data, "weak_labels_espnet/pandaset_*")
    sample = open_source(PandaSetSource(folder=str(real_data / maps.name)), NUSCENES_16)[0]
    view = sample.views[0]
    live = _open(rows, weights=str(weights), height=512, width=1024).image_features([view.load_rgb()])[0]
    ready = _open(rows, labels=str(maps), ignored_values=(19,)).view_features(view)
    both = [F.interpolate(each[None], (128, 256), mode="nearest")[0] for each in (live, ready)]
    sure = both[1].amax(dim=0) > 0.9
    assert (both[0].argmax(dim=0) == both[1].argmax(dim=0))[sure].float().mean() > 0.9


def test_ready_maps_become_features_of_the_points_of_a_sweep(test_data, rows):
    maps = recording(test_data, "weak_labels_espnet/pandaset_*")
    sample = open_source(PandaSetSource(folder=str(test_data / maps.name)), NUSCENES_16)[0]
    model = _open(rows, labels=str(maps), ignored_values=(19,))
    features = model.scene_features(replace(sample, views=sample.views[:1]), ExtractConfig(occlusion="z_buffer"))
    answer = features.per_point().argmax(axis=1)
    judged = features.visible & (sample.class_id == NUSCENES_16.id_of("driveable_surface"))
    assert (answer[judged] == _SPOKEN.names.index("road")).mean() > 0.7
