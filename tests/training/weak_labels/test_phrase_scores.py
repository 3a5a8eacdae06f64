"""Weak labels from words: phrases for the detector, and what its scores of tokens and boxes mean, by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.weak_labels.labelers.phrase_scores import (
    PhraseText,
    class_scores,
    corners_px,
    decide,
    phrase_texts,
)
from offline_training.weak_labels.pictures.mask_painting import paint
from tests.training.weak_labels.street_words import STREET


def _letters(text):
    """A tokenizer of single characters without blanks, framed as BERT frames its texts."""
    return [(0, 0), *((k, k + 1) for k, letter in enumerate(text) if letter != " "), (0, 0)]


def test_prompts_become_lower_case_phrases_ended_by_full_stops_and_know_their_tokens():
    (text,) = phrase_texts(STREET.prompts, _letters, 256)
    assert text.text == "car. automobile. traffic cone. road."
    assert text.class_id == (0, 0, 1, 3)
    # Token 0 frames the text; then 3 letters, a stop, 10 letters, a stop, 7 + 4 letters, a stop, 4 letters.
    assert text.tokens == ((1, 4), (5, 15), (16, 27), (28, 32))


@given(
    words=st.lists(st.text("abcXYZ -", min_size=1, max_size=9).map(str.strip).filter(bool), min_size=1, max_size=12),
    limit=st.integers(12, 40),
)
def test_a_long_list_is_cut_into_texts_that_fit_and_keep_every_prompt_in_order(words, limit):
    texts = phrase_texts(list(enumerate(words)), _letters, limit)
    assert [class_id for text in texts for class_id in text.class_id] == list(range(len(words)))
    for text in texts:
        offsets = _letters(text.text)
        assert len(offsets) <= limit
        for class_id, (first, last) in zip(text.class_id, text.tokens, strict=True):
            covered = text.text[offsets[first][0] : offsets[last - 1][1]]
            assert covered.replace(" ", "") == words[class_id].lower().replace(" ", "")
    for text, following in pairwise(texts):
        first = following.text.split(".")[0] + "."
        assert len(_letters(f"{text.text} {first}")) > limit  # as few texts as the order allows


@pytest.mark.parametrize(("prompt", "told"), [("a.b", "without"), ("why?", "without"), ("x" * 30, "at most 20 tokens")])
def test_a_prompt_that_cannot_be_asked_for_is_refused(prompt, told):
    with pytest.raises(BadConfig, match=told):
        phrase_texts([(0, "car"), (1, prompt)], _letters, 20)


PROBABILITY = np.array(
    [
        #  [CLS] car  .    auto mobile .  traffic cone .  [SEP]
        [0.0, 0.1, 0.0, 0.2, 0.9, 0.0, 0.30, 0.1, 0.0, 0.0],  # the second prompt of class 0, by its second token
        [0.0, 0.4, 0.0, 0.1, 0.1, 0.0, 0.10, 0.6, 0.0, 0.0],  # class 1
        [0.0, 0.2, 0.0, 0.2, 0.2, 0.0, 0.20, 0.2, 0.9, 0.0],  # only the full stop answers: no phrase
        [0.0, 0.2, 0.0, 0.2, 0.2, 0.0, 0.24, 0.2, 0.0, 0.0],  # nothing above the threshold
        [0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.50, 0.0, 0.0, 0.0],  # a draw: the class that comes first
    ],
    np.float32,
)


PHRASES = PhraseText("car. automobile. traffic cone.", (0, 0, 1), ((1, 2), (3, 5), (6, 8)))


def test_a_class_has_the_best_token_of_any_of_its_prompts():
    assert (
        class_scores(PROBABILITY, PHRASES, 3).tolist()
        == np.float32([[0.9, 0.3, 0], [0.4, 0.6, 0], [0.2, 0.2, 0], [0.2, 0.24, 0], [0.5, 0.5, 0]]).tolist()
    )


def test_boxes_stay_when_a_token_and_a_class_answer():
    kept, class_id, score = decide(PROBABILITY, PHRASES, 3, 0.25, 0.25)
    assert (kept.tolist(), class_id.tolist()) == ([0, 1, 4], [0, 1, 0])
    assert score.tolist() == np.float32([0.9, 0.6, 0.5]).tolist()
    strict = decide(PROBABILITY, PHRASES, 3, 0.25, 0.7)
    assert strict[0].tolist() == [0]
    none = decide(PROBABILITY, PHRASES, 3, 0.95, 0.25)
    assert [len(each) for each in none] == [0, 0, 0]


def test_boxes_are_given_by_corners_in_pixels_and_may_reach_out_of_the_picture():
    corners = corners_px(np.array([[0.5, 0.5, 0.5, 1.0], [0.0, 1.0, 0.2, 0.2]], np.float32), (10, 20))
    np.testing.assert_allclose(corners, [[5, 0, 15, 10], [-2, 9, 2, 11]], atol=1e-5)


def test_boxes_with_empty_masks_and_no_boxes_at_all_leave_the_picture_uncovered():
    empty, half = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    half[:, :2] = True
    assert paint([half, empty], [3, 1], [0.5, 0.9], (2, 4)).class_id.tolist() == [[3, 3, 255, 255]] * 2
    assert set(paint([], [], [], (2, 4)).class_id.ravel().tolist()) == {255}


def test_the_shipped_ontologies_fit_the_detectors_text():
    def tokens(text):  # more than BERT ever makes of these words: a token for each two letters
        return [(0, 0), *((k, min(k + 2, len(text))) for k in range(0, len(text), 2)), (0, 0)]

    for name in ("grounded_sam_nuscenes", "nuscenes16"):
        prompts = load_ontology(name).prompts
        assert sum(len(text.class_id) for text in phrase_texts(prompts, tokens, 256)) == len(prompts)
