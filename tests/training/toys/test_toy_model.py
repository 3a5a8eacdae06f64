"""The toy vision-language model as an image model: rows, words, exports, and damaged ones."""

import json

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint, UnknownPrompt
from lidar_vl_core.words.tokenizer import open_tokenizer
from lidar_vl_core.words.vocabulary import load_vocabulary
from offline_training.words.image_models.base.config import ToyModelConfig
from offline_training.words.image_models.base.dense_model import text_matrix
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.image_models.toy_model import CONTEXT_LENGTH, open_toy_model


def test_the_model_gives_cells_and_unit_rows_of_one_width(toy):
    model = open_image_model(ToyModelConfig(kind="toy", folder=str(toy)))
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((30, 41), (16, 64))]
    features = model.image_features(images)
    assert [tuple(each.shape) for each in features] == [(64, 8, 10), (64, 4, 16)]
    rows = text_matrix(model, load_vocabulary("nuscenes16"))
    assert rows.shape == (44, model.channels)
    assert 1 <= model.logit_scale <= 100


def test_word_order_case_and_underscores_do_not_matter(toy):
    model = open_toy_model(toy)
    rows = model.text_features(["traffic cone", "Cone, traffic!", "traffic_cone"])
    torch.testing.assert_close(rows[1:], rows[:1].expand(2, -1))


def test_unknown_words_are_refused_with_those_it_knows(toy):
    with pytest.raises(UnknownPrompt, match=r"sofa.*found 'wheelchair'"):
        open_toy_model(toy).text_features(["chair", "person in a wheelchair"])


def test_exports_answer_as_the_model_does(toy):
    import onnxruntime

    model = open_toy_model(toy)
    prompts = ["sofa", "a red chair in a scene", "tree trunk"]
    graph, kind, words = model.text_encoder_onnx()
    tokens = open_tokenizer(kind, words, model.context_length).tokens(prompts)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    for length in (CONTEXT_LENGTH, 6):  # the robot may cut what is padding in all rows
        rows = session.run(["embeddings"], {"tokens": tokens[:, :length]})[0]
        np.testing.assert_allclose(rows, model.text_features(prompts).numpy(), atol=1e-5)
    picture = np.random.default_rng(0).integers(0, 256, (46, 64, 3), np.uint8)
    session = onnxruntime.InferenceSession(model.image_encoder_onnx(46, 64).SerializeToString())
    image = (picture.transpose(2, 0, 1)[None] / 255).astype(np.float32)
    cells = session.run(["features"], {"image": image})[0]
    np.testing.assert_allclose(cells[0], model.image_features([picture])[0].numpy(), atol=1e-5)
    assert str(toy.parent).encode() not in graph.SerializeToString()
    assert b".py" not in graph.SerializeToString()  # no traces of the exporting machine


def _without_words(folder):
    (folder / "words.json").unlink()


def _fewer_words(folder):
    content = json.loads((folder / "words.json").read_text())
    (folder / "words.json").write_text(json.dumps(content | {"words": content["words"][1:]}))


def _no_list(folder):
    (folder / "words.json").write_text("[1, 2]")


def _without_weights(folder):
    (folder / "weights.safetensors").unlink()


def _no_weights(folder):
    (folder / "weights.safetensors").write_bytes(b"hello")


def _weights_of_another(folder):
    from safetensors.torch import save_file

    save_file({"conv.weight": torch.zeros(3)}, folder / "weights.safetensors")


FAULTS = {
    _without_words: "words.json",
    _fewer_words: "words",
    _no_list: "words.json",
    _without_weights: "weights.safetensors",
    _no_weights: "safetensors",
    _weights_of_another: "no word vectors",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_toy_is_refused(fault, toy, tmp_path):
    for path in toy.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    fault(tmp_path)
    with pytest.raises(BadCheckpoint, match=FAULTS[fault]):
        open_toy_model(tmp_path)
