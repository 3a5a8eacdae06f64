"""Class scores of a picture, MaskCLIP's refinements against slow references, and the sheet that shows them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadLabels, BadTextTable
from lidar_vl_core.words.vocabulary import Vocabulary, VocabularyClass, vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import text_table
from offline_training.words.image_models.base.dense_model import DenseImageModel, text_matrix
from offline_training.words.image_models.base.refinement import (
    Refinement,
    class_scores,
    prompt_cosines,
    smoothed_by_keys,
    without_absent_classes,
)
from offline_training.words.image_models.similarity_sheet import write_similarity_sheet

_THRESHOLD = st.floats(0.05, 1.0)


class _Drawn(DenseImageModel):
    """Features that are given; a word's direction is drawn from its letters."""

    channels, logit_scale = 8, 10.0

    def __init__(self, features):
        self.features = features

    def identity(self):
        return {}

    def image_features(self, images):
        return [self.features for _ in images]

    def text_features(self, prompts):
        rows = [np.random.default_rng(list(prompt.encode())).normal(size=8) for prompt in prompts]
        return torch.nn.functional.normalize(torch.tensor(np.array(rows), dtype=torch.float32), dim=1)


class _Refined(_Drawn):
    def __init__(self, features, keys, refinement):
        super().__init__(features)
        self.keys, self.refinement = keys, refinement

    def image_keys(self, image):
        return self.keys


_IMAGE = np.zeros((30, 40, 3), np.uint8)
_WORDS = Vocabulary(
    name="three",
    classes=(
        VocabularyClass(name="vehicle", prompts=("car", "truck")),
        VocabularyClass(name="tree"),
        VocabularyClass(name="sky", prompts=("sky", "clouds"), sink=True),
    ),
)


def _features(seed=0, shape=(8, 3, 4)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _table(model, vocabulary=_WORDS):
    return text_table(vocabulary, text_matrix(model, vocabulary), model.logit_scale, "drawn")


def test_a_class_scores_as_its_best_prompt_does():
    model = _Drawn(_features())
    scores = class_scores(model, _IMAGE, _table(model))
    for row in range(3):
        for column in range(4):
            feature = model.features[:, row, column].numpy()
            rows = model.text_features(_WORDS.prompts).numpy()
            cosine = rows @ feature / np.linalg.norm(feature)
            logits = 10.0 * np.array([max(cosine[0], cosine[1]), cosine[2], max(cosine[3], cosine[4])])
            expected = np.exp(logits) / np.exp(logits).sum()
            np.testing.assert_allclose(scores[:, row, column].numpy(), expected, atol=1e-5)


@given(st.integers(0, 99), _THRESHOLD)
def test_denoising_shuts_out_exactly_the_classes_no_cell_is_sure_of(seed, threshold):
    logits = 3.0 * _features(seed, (4, 2, 3))
    result = without_absent_classes(logits, threshold)
    for one in range(4):
        best = max(float(logits[:, row, column].softmax(dim=0)[one]) for row in range(2) for column in range(3))
        assert torch.equal(result[one], logits[one]) if best >= threshold else (result[one] == -100.0).all()


@given(st.integers(0, 99), _THRESHOLD)
def test_smoothing_replaces_unsure_cells_by_those_with_like_keys(seed, threshold):
    scores, keys = (3.0 * _features(seed, (4, 2, 3))).softmax(dim=0), _features(seed + 1, (5, 2, 3))
    result = smoothed_by_keys(scores, keys, threshold)
    cells = [(row, column) for row in range(2) for column in range(3)]
    for here in cells:
        expected = scores[(slice(None), *here)].clone()
        if float(expected.max()) < threshold:
            expected = torch.zeros(4)
            for there in cells:
                a, b = keys[(slice(None), *here)], keys[(slice(None), *there)]
                expected += float(a @ b / (a.norm() * b.norm())) * scores[(slice(None), *there)]
        torch.testing.assert_close(result[(slice(None), *here)], expected, rtol=1e-5, atol=1e-5)


def test_a_model_that_asks_for_it_is_denoised_first_and_smoothed_then():
    features, keys = _features(4), _features(5, (6, 3, 4))
    plain = _Drawn(features)
    table = _table(plain)
    logits = class_scores(plain, _IMAGE, table).log()
    refined = _Refined(features, keys, Refinement(prompt_denoising=0.9, key_smoothing=0.8))
    expected = smoothed_by_keys(without_absent_classes(logits, 0.9).softmax(dim=0), keys, 0.8)
    torch.testing.assert_close(class_scores(refined, _IMAGE, table), expected, rtol=1e-4, atol=1e-4)
    without = _Refined(features, keys, Refinement())
    torch.testing.assert_close(class_scores(without, _IMAGE, table), class_scores(plain, _IMAGE, table))


def test_a_table_of_another_width_is_refused():
    table = text_table(vocabulary_of_prompts(["car"]), np.ones((1, 5)), 1.0, "other")
    with pytest.raises(BadTextTable, match="expected 8 channels, as in the model's features, found 5"):
        prompt_cosines(_Drawn(_features()), _IMAGE, table)


def test_templates_are_filled_averaged_and_of_unit_length():
    model = _Drawn(_features())
    vocabulary = vocabulary_of_prompts(["car", "tree"]).model_copy(update={"templates": ("{}", "a {} in a scene")})
    matrix = text_matrix(model, vocabulary)
    rows = model.text_features(["tree", "a tree in a scene"]).mean(dim=0)
    np.testing.assert_allclose(matrix[1], (rows / rows.norm()).numpy(), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1.0, atol=1e-6)
    assert matrix.dtype == np.float32


def test_a_class_may_have_templates_of_its_own():
    model = _Drawn(_features())
    classes = [{"name": "wall"}, {"name": "otherfurniture", "prompts": ["other"], "templates": ["{}"]}]
    vocabulary = validated(
        Vocabulary, {"name": "two", "classes": classes, "templates": ["a {} in a scene", "{}"]}, "test"
    )
    rows = model.text_features(["a wall in a scene", "wall", "other"])
    expected = functional.normalize(torch.stack([functional.normalize(rows[:2]).mean(dim=0), rows[2]]))
    np.testing.assert_allclose(text_matrix(model, vocabulary), expected.numpy(), atol=1e-6)
    with pytest.raises(BadConfig, match="each needs one"):
        validated(Vocabulary, {"name": "one", "classes": [{"name": "wall", "templates": []}]}, "test")


def test_a_prompt_without_a_direction_is_named():
    model = _Drawn(_features())
    model.text_features = lambda prompts: torch.zeros(len(prompts), 8)
    with pytest.raises(BadLabels, match="ones for car"):
        text_matrix(model, vocabulary_of_prompts(["car"]))


@pytest.mark.parametrize(("words", "columns", "lines"), [(5, 7, 1), (9, 8, 2)])
def test_the_sheet_has_a_panel_for_each_prompt_and_new_lines_where_they_are_many(tmp_path, words, columns, lines):
    from PIL import Image

    model = _Drawn(_features())
    table = _table(model, vocabulary_of_prompts([f"thing {number}" for number in range(words)]))
    write_similarity_sheet(tmp_path / "sheet.png", model, [_IMAGE, _IMAGE], table)
    sheet = Image.open(tmp_path / "sheet.png")
    line = 16 + 240 * 30 // 40  # a title, a picture; before them the picture itself and its class map
    legend = sheet.height - 2 * (lines * line + 4)
    assert sheet.width == columns * 240
    assert 0 < legend < 100
