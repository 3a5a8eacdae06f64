"""Words as numbers, and prompts as directions."""

import gzip

import numpy as np
import pytest

from lidar_vl_core.engines.text_tower import TextEncoder
from lidar_vl_core.foundation.errors import BadModelPackage, UnknownPrompt
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.words.clip_tokenizer import ClipTokenizer
from lidar_vl_core.words.tokenizer import open_tokenizer
from tests.written.embedding_packages import CHANNELS, CONTEXT_LENGTH, WORDS, word_encoder, words_json

MERGES_THAT_ARE_NONE = {
    "nothing": b"",
    "not packed": b"text",
    "nothing, packed": gzip.compress(b""),
    "three parts": gzip.compress(b"head\na b c\n"),
    "no text": gzip.compress(b"\xff\n\xff \xff"),
}


@pytest.mark.parametrize("case", MERGES_THAT_ARE_NONE)
def test_merges_that_are_none_are_refused(case):
    content = MERGES_THAT_ARE_NONE[case]
    with pytest.raises(BadModelPackage, match=r"bpe_merges\.txt\.gz: expected .* found"):
        ClipTokenizer(content, 77)


def test_known_words_are_numbered_and_padded_with_zeros():
    tokens = open_tokenizer("words", words_json(), CONTEXT_LENGTH).tokens(["A  Red-car.", "tree"])
    numbers = {word: number for number, word in enumerate(WORDS, 1)}
    assert tokens.dtype == np.int64
    assert tokens.tolist() == [
        [numbers["a"], numbers["red"], numbers["car"], 0, 0, 0, 0, 0],
        [numbers["tree"], 0, 0, 0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("sentence", "message"),
    [("a blue car", "'blue'"), ("a ?!", r"'\?!'"), ("", "1 to 8 words, found 0"), ("a " * 9, "found 9")],
)
def test_words_it_has_not_learned_are_refused_by_name(sentence, message):
    with pytest.raises(UnknownPrompt, match=message):
        open_tokenizer("words", words_json(), CONTEXT_LENGTH).tokens(["car", sentence])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b'{"words": "car", "context_length": 8}',
        b'{"words": [], "context_length": 8}',
        b'{"words": ["car"], "context_length": 9}',
        b"\xff",
        None,
    ],
)
def test_word_lists_that_are_none_are_refused(content):
    with pytest.raises(BadModelPackage, match=r"expected .* found"):
        open_tokenizer("words", content, CONTEXT_LENGTH)


def a_spec(*templates: str) -> LanguageSpec:
    return LanguageSpec(
        text_space="random", channels=CHANNELS, logit_scale=20.0, templates=templates, tokenizer="words", context_length=CONTEXT_LENGTH
    )  # fmt: skip


def test_a_prompt_is_the_mean_of_its_unit_embeddings_in_all_templates():
    vectors = np.random.default_rng(5).normal(size=(len(WORDS) + 1, CHANNELS)).astype(np.float32)
    vector = {word: row for word, row in zip(WORDS, vectors[1:], strict=True)}

    def unit(row):
        return row / np.linalg.norm(row)

    encoder = TextEncoder(word_encoder(), words_json(), a_spec("{}", "a {} in a scene"), 1)
    found = encoder.embed(["car", "red dog"])
    for row, words in zip(found, (["car"], ["red", "dog"]), strict=True):
        plain = sum(vector[word] for word in words)
        sentence = plain + 2 * vector["a"] + vector["in"] + vector["scene"]
        np.testing.assert_allclose(row, unit(unit(plain) + unit(sentence)), atol=1e-5)


def test_many_prompts_are_embedded_in_batches_as_one_by_one():
    encoder = TextEncoder(word_encoder(), words_json(), a_spec("{}", "a {}"), 1)
    prompts = [f"{a} {b} {c}" for a in WORDS[:5] for b in WORDS[3:9] for c in WORDS[6:]]
    np.testing.assert_allclose(
        encoder.embed(prompts), np.concatenate([encoder.embed([prompt]) for prompt in prompts]), atol=1e-6
    )


def test_an_encoder_of_another_width_or_without_a_direction_is_refused():
    with pytest.raises(BadModelPackage, match=r"found: \(1, 5\)"):
        TextEncoder(word_encoder(channels=5), words_json(), a_spec("{}"), 1).embed(["car"])
    with pytest.raises(BadModelPackage, match="expected a text tower"):
        TextEncoder(b"no model", words_json(), a_spec("{}"), 1)
