"""A CLIP's towers as robots run them: sentences and pictures through ONNX Runtime as through PyTorch."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from lidar_vl_core.engines.tensorrt.module import tensorrt_here
from lidar_vl_core.engines.tensorrt.parse import Messages, inlined, parse
from lidar_vl_core.engines.text_tower import TextEncoder
from lidar_vl_core.model_packages.language_files import require_encoder
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.words.vocabulary import vocabulary_of_prompts
from offline_training.words.image_models.base.dense_model import text_matrix
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.image_models.towers.clip_export import _scaling, _WholePicture
from tests.training.words.image_models.tiny_clips import CHANNELS, VIT, tiny_config

_PROMPTS = (
    *(
        f"{color} {thing}"
        for color in ("red", "green", "dark blue")
        for thing in ("car", "tree", "traffic cone", "bus")
    ),
    *("a person in a wheelchair", "Fallen TREE", "excavator's bucket", "42 poles", "x", "", "  two   blanks "),
    *("naïve café", "日本語", "🚜", "&amp; so on", "a very long sentence " * 40, "semi-trailer, parked; (empty)!"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny CLIP that reads pictures of 64 pixels without windows."""
    sizes = {"short_side_px": 64, "window_px": 960, "stride_px": 960}
    return open_image_model(tiny_config(tmp_path_factory.mktemp("clip"), {**VIT, "layers": 2}, **sizes))


@pytest.fixture(scope="module")
def text_tower(model):
    return model.text_encoder_onnx()


@pytest.fixture(scope="module")
def encoder(model, text_tower):
    """The text tower as a package's reader runs it."""
    graph, kind, merges = text_tower
    spec = LanguageSpec(
        text_space=model.identity()["text_space"],
        channels=CHANNELS,
        logit_scale=model.logit_scale,
        templates=("{}", "a photo of a {}."),
        tokenizer=kind,
        context_length=model.context_length,
    )
    return TextEncoder(graph.SerializeToString(), merges, spec, threads=1)


def test_words_give_the_vectors_on_a_robot_that_they_give_in_training(model, encoder):
    vocabulary = vocabulary_of_prompts([prompt.strip() for prompt in _PROMPTS if prompt.strip()])
    vocabulary = vocabulary.model_copy(update={"templates": ("{}", "a photo of a {}.")})
    expected = text_matrix(model, vocabulary)
    assert np.abs(encoder.embed(vocabulary.prompts) - expected).max() <= 1e-5
    spread = expected @ expected.T
    assert spread.min() < 0.999, "sentences differ: the comparison says something"


def test_one_sentence_and_many_give_each_its_row(model, text_tower):
    session = onnxruntime.InferenceSession(text_tower[0].SerializeToString())
    tokens = model._words.tokenizer(list(_PROMPTS)).numpy()
    (rows,) = session.run(["embeddings"], {"tokens": tokens})
    assert np.abs(rows - model.text_features(_PROMPTS).numpy()).max() <= 1e-5
    for place in (0, 5, len(tokens) - 1):
        (row,) = session.run(["embeddings"], {"tokens": tokens[place : place + 1]})
        assert np.abs(row[0] - rows[place]).max() <= 1e-5


def test_the_text_tower_leaves_the_image_tower_at_home_and_names_no_place(text_tower, tmp_path):
    graph = text_tower[0]
    require_encoder(graph.SerializeToString(), {"tokens"}, {"embeddings"}, "text_encoder.onnx")
    assert not [each.name for each in graph.graph.initializer if "visual" in each.name]
    assert b"site-packages" not in graph.SerializeToString()


@pytest.fixture(scope="module")
def image_tower(model):
    return model.image_encoder_onnx(64, 96)


def _picture(height, width):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def test_pictures_give_the_features_on_a_robot_that_they_give_without_windows(model, image_tower):
    (expected,) = model.image_features([_picture(64, 96)])
    require_encoder(image_tower.SerializeToString(), {"image"}, {"features"}, "image_encoder.onnx")
    session = onnxruntime.InferenceSession(image_tower.SerializeToString())
    image = _picture(64, 96).transpose(2, 0, 1)[None].astype(np.float32) / 255
    (features,) = session.run(["features"], {"image": image})
    assert features.shape == (1, *expected.shape)
    assert np.abs(features[0] - expected.numpy()).max() <= 1e-4


@torch.no_grad()
def test_larger_pictures_are_scaled_within_the_graph(model):
    (expected,) = model.image_features([_picture(96, 150)])  # read at 64 x 96
    whole = _WholePicture(model._tower.of_grid((8, 12)), model._mean, model._std, (96, 150), (64, 96))
    features = whole(torch.tensor(_picture(96, 150)).permute(2, 0, 1)[None] / 255)
    assert features.shape == (1, *expected.shape)
    assert (features[0] * expected).sum(dim=0).min() > 0.999  # windows read bytes, the graph what lies between them


def test_scaling_by_a_product_equals_scaling_pictures():
    image = torch.rand((3, 30, 41), generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(image[None], (16, 24), mode="bilinear", antialias=True)[0]
    torch.testing.assert_close(_scaling(30, 16) @ image @ _scaling(41, 24).T, expected, rtol=0.0, atol=1e-5)


def test_tensorrt_takes_both_towers(text_tower, image_tower):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT's wheel does not fit this machine")
    tensorrt = tensorrt_here()
    messages = Messages(tensorrt)
    for tower in (text_tower[0], image_tower):
        builder = tensorrt.module.Builder(messages.logger)
        assert parse(tensorrt, builder, inlined(tower.SerializeToString()), messages).num_layers > 100


def test_graphs_pass_onnx_own_check(text_tower, image_tower):
    for graph in (text_tower[0], image_tower):
        onnx.checker.check_model(graph)
