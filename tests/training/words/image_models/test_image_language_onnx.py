"""Towers that lie ready as ONNX: read as what they were exported from; files that are no such towers are refused."""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage, BadRequest, UnknownPrompt
from offline_training.cli.before_work import require_parts
from offline_training.words.image_models.base.config import OnnxTowersConfig
from offline_training.words.image_models.open_model import open_image_model
from tests.training.words.image_models.onnx_towers import CHANNELS, WORDS, image_graph, text_graph


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "image.onnx").write_bytes(image_graph().SerializeToString())
    (tmp_path / "text.onnx").write_bytes(text_graph().SerializeToString())
    (tmp_path / "words.json").write_text(json.dumps({"words": WORDS, "context_length": 3}))
    np.save(tmp_path / "text.npy", np.eye(2, CHANNELS, dtype=np.float32))
    (tmp_path / "names.json").write_text(json.dumps(["car", "tree"]))
    return tmp_path


def _config(folder, **options):
    files = {"image_encoder": "image.onnx", "text_encoder": "text.onnx", "tokenizer_file": "words.json"}
    given = {key: str(folder / name) for key, name in files.items()}
    return OnnxTowersConfig(kind="onnx", **{**given, "tokenizer": "words", "context_length": 3, **options})


def _rows(folder):
    return {
        "text_encoder": None,
        "tokenizer": "clip_bpe",
        "tokenizer_file": None,
        "context_length": 77,
        "text_embeddings": str(folder / "text.npy"),
        "text_names": str(folder / "names.json"),
    }


def test_a_command_looks_for_the_files_and_takes_the_kind_of_tokenizer_for_none(folder):
    require_parts("model", _config(folder))
    require_parts("model", _config(folder, **_rows(folder)))
    (folder / "words.json").unlink()
    with pytest.raises(
        BadModelPackage, match=r"model\.tokenizer_file: expected a file or folder .*words\.json, found none"
    ):
        require_parts("model", _config(folder))


def test_pictures_of_any_size_are_stretched_to_the_graphs_and_normed(folder):
    model = open_image_model(_config(folder, mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 0.25)))
    picture = np.zeros((20, 31, 3), np.uint8) + np.array([255, 51, 102], np.uint8)
    (features,) = model.image_features([picture])
    assert features.shape == (CHANNELS, 4, 6)
    for channel, expected in enumerate((1.0, -0.1, 1.6)):  # the graph: means of 8 x 8 pixels
        torch.testing.assert_close(features[channel], torch.full((4, 6), expected))


def test_a_graph_of_open_size_takes_the_configurations(folder):
    (folder / "image.onnx").write_bytes(image_graph(None).SerializeToString())
    model = open_image_model(_config(folder, height=16, width=24))
    assert model.image_features([np.zeros((9, 9, 3), np.uint8)])[0].shape == (CHANNELS, 2, 3)
    with pytest.raises(BadConfig, match="height: expected a number of pixels, which the graph leaves open"):
        open_image_model(_config(folder, width=24))


def test_words_are_read_as_robots_read_them(folder):
    model = open_image_model(_config(folder))
    rows = model.text_features(["car", "red tree"])
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))
    assert rows.shape == (2, CHANNELS)
    assert (rows[0] - rows[1]).abs().max() > 0.1
    with pytest.raises(UnknownPrompt, match="excavator"):
        model.text_features(["excavator"])
    assert model.text_features([]).shape == (0, CHANNELS)


def test_rows_of_a_file_stand_in_for_a_text_tower(folder):
    model = open_image_model(_config(folder, **_rows(folder)))
    torch.testing.assert_close(model.text_features(["tree"])[0], torch.eye(CHANNELS)[1])
    with pytest.raises(BadRequest, match="Export without the text encoder"):
        model.text_encoder_onnx()


def test_what_was_read_can_be_put_into_a_package_again(folder):
    model = open_image_model(_config(folder))
    graph, kind, words = model.text_encoder_onnx()
    assert graph.SerializeToString() == text_graph().SerializeToString()
    assert (kind, json.loads(words)["words"], model.context_length) == ("words", WORDS, 3)
    assert model.image_encoder_onnx(32, 48).SerializeToString() == image_graph().SerializeToString()
    with pytest.raises(BadRequest, match=r"expected \(32, 48\)"):
        model.image_encoder_onnx(16, 16)
    with pytest.raises(BadRequest, match="one that does not"):
        open_image_model(_config(folder, mean=(0.5, 0.5, 0.5))).image_encoder_onnx(32, 48)


def test_identity_tells_files_by_content_alone(folder, tmp_path):
    identity = open_image_model(_config(folder)).identity()
    assert identity == open_image_model(_config(folder)).identity()
    assert str(folder) not in json.dumps(identity)
    (folder / "image.onnx").write_bytes(image_graph(opset=18).SerializeToString())
    assert open_image_model(_config(folder)).identity() != identity


def _with_other_names():
    graph = image_graph()
    graph.graph.output[0].name = graph.graph.node[-1].output[0] = "logits"
    return graph.SerializeToString()


def _of_three_axes():
    value = helper.make_tensor_value_info("image", TensorProto.FLOAT, [3, 8, 8])
    out = helper.make_tensor_value_info("features", TensorProto.FLOAT, [3, 8, 8])
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["features"])], "flat", [value], [out])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"no onnx", "expected an ONNX model|expected inputs"),
        (_with_other_names(), "logits"),
        (_of_three_axes(), r"image \[3, 8, 8\]"),
    ],
    ids=["bytes", "names", "axes"],
)
def test_a_file_that_is_no_image_tower_is_refused(folder, content, found):
    (folder / "image.onnx").write_bytes(content)
    with pytest.raises(BadModelPackage, match=found):
        open_image_model(_config(folder))


def test_choices_that_do_not_fit_are_named(folder):
    for options, error, found in (
        ({"text_encoder": None}, BadConfig, "found neither"),
        (_rows(folder) | {"text_encoder": str(folder / "text.onnx")}, BadConfig, "found both"),
        ({"tokenizer_file": None}, BadConfig, "tokenizer_file: expected the file"),
        ({"height": 64}, BadConfig, "height: expected 32, found 64"),
        ({"std": (1.0, 0.0, 1.0)}, BadConfig, "std: expected values above 0"),
        ({"image_encoder": str(folder / "none.onnx")}, BadModelPackage, "expected a file"),
        ({"context_length": 4}, BadModelPackage, "context length of 4"),
    ):
        with pytest.raises(error, match=found):
            open_image_model(_config(folder, **options))
    np.save(folder / "text.npy", np.eye(2, CHANNELS + 1, dtype=np.float32))
    with pytest.raises(BadConfig, match=f"expected text embeddings of {CHANNELS} channels"):
        open_image_model(_config(folder, **_rows(folder)))


def test_the_tests_graphs_pass_onnx_own_check():
    for graph in (image_graph(), image_graph(None), text_graph()):
        onnx.checker.check_model(graph)
