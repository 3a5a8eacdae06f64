"""The class of an embedding by words."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadConfig, BadTextTable, UnknownPrompt
from lidar_vl_core.words.text_table import TextTable, label_embeddings
from lidar_vl_core.words.vocabulary import Vocabulary, VocabularyClass, load_vocabulary, vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import select, text_table
from tests.core.words.text_tables import CHANNELS, tables, vocabulary_of


@st.composite
def embeddings(draw: st.DrawFn) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows = rng.normal(size=(draw(st.integers(0, 20)), CHANNELS)).astype(np.float32)
    for row in rows[: draw(st.integers(0, 3))]:
        row[draw(st.integers(0, CHANNELS - 1))] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    rows[-1:] *= draw(st.sampled_from([0.0, 1.0, 1e-38, 1e38]))
    return rows


def reference_label(embedding: np.ndarray, table: TextTable) -> tuple[int, float]:
    """One embedding, written as the sentence: cosine, best synonym, softmax, sinks and the threshold last."""
    e = embedding.astype(np.float64)
    if not np.isfinite(e).all() or not e.any():
        return 255, 0.0
    scores = []
    for k in range(len(table.names)):
        mine = [row for row, of in zip(table.embeddings, table.class_of_prompt, strict=True) if of == k]
        scores.append(max(float(row @ e) / np.sqrt(e @ e) for row in mine))
    odds = np.exp(table.logit_scale * (np.array(scores) - max(scores)))
    best, probability = int(np.argmax(odds)), float(odds.max() / odds.sum())
    unknown = table.unknown_threshold is not None and probability < table.unknown_threshold
    return (255, 0.0) if table.is_sink[best] or unknown else (best, probability)


@given(embeddings(), tables())
def test_every_embedding_gets_the_class_of_its_best_synonym_or_none(rows, table):
    class_id, probability = label_embeddings(rows, table)
    assert (class_id.dtype, probability.dtype) == (np.uint8, np.float32)
    for row, found, sure in zip(rows, class_id, probability, strict=True):
        expected, odds = reference_label(row, table)
        on_the_edge = table.unknown_threshold is not None and abs(max(odds, sure) - table.unknown_threshold) < 1e-4
        if not on_the_edge:
            assert found == expected
            assert sure == pytest.approx(odds, abs=2e-4)


@given(embeddings(), tables(), st.floats(0.01, 100))
def test_the_length_of_an_embedding_does_not_matter(rows, table, scale):
    rows = rows[np.abs(np.nan_to_num(rows)).max(axis=1, initial=0) < 1e30]
    found, scaled = label_embeddings(rows, table), label_embeddings(rows * np.float32(scale), table)
    np.testing.assert_allclose(scaled[1], found[1], atol=1e-3)


@given(embeddings(), tables(), st.randoms())
def test_classes_in_another_order_give_the_same_names(rows, table, random):
    kept = len(table.class_table)
    order = random.sample(range(kept), kept) + list(range(kept, len(table.names)))
    classes = tuple(
        VocabularyClass(
            name=table.names[k],
            prompts=tuple(p for p, of in zip(table.prompts, table.class_of_prompt, strict=True) if of == k),
            sink=bool(table.is_sink[k]),
        )
        for k in order
    )
    other = select(table, Vocabulary(name="turned", classes=classes))
    (found, sure), (moved, moved_sure) = label_embeddings(rows, table), label_embeddings(rows, other)
    np.testing.assert_allclose(moved_sure, sure, atol=1e-4)
    assert [table.names[i] for i in found[sure > 0]] == [other.names[i] for i in moved[sure > 0]]


@given(embeddings(), tables())
def test_a_synonym_more_can_only_raise_its_class(rows, table):
    if len(table.names) < 2:
        return
    fewer = [p for p, of in zip(table.prompts, table.class_of_prompt, strict=True) if of != 0 or p == table.prompts[0]]
    plain = Vocabulary(
        name="fewer",
        classes=tuple(
            VocabularyClass(
                name=name,
                prompts=tuple(p for p in fewer if table.class_of_prompt[table.prompts.index(p)] == k),
                sink=bool(table.is_sink[k]),
            )
            for k, name in enumerate(table.names)
        ),
    )
    open_table = dataclasses.replace(table, unknown_threshold=None)
    before, _ = label_embeddings(rows, select(open_table, plain))
    after, _ = label_embeddings(rows, open_table)
    assert (after[before == 0] == 0).all()


def test_a_point_that_is_most_like_a_sink_has_no_class():
    table = text_table(vocabulary_of([1, 1, 2], sinks=1), np.eye(4), 100.0, "made up")
    class_id, probability = label_embeddings(np.eye(4, dtype=np.float32), table)
    assert class_id.tolist() == [0, 1, 255, 255]
    assert probability[2:].tolist() == [0, 0]
    assert table.class_table.names == ("class 0", "class 1")


def test_an_unsure_point_has_no_class_under_a_threshold():
    rows = np.array([[1, 0, 0], [1, 0.98, 0]], np.float32)
    vocabulary = vocabulary_of([1, 1])
    for threshold, expected in ((None, [0, 0]), (0.6, [0, 255]), (1.0, [255, 255])):
        table = text_table(vocabulary, np.eye(3)[:2], 4.0, "made up", threshold)
        assert label_embeddings(rows, table)[0].tolist() == expected


def test_the_logit_scale_makes_sure_or_unsure():
    rows = np.array([[1, 0.5]], np.float32)
    sure = [
        label_embeddings(rows, text_table(vocabulary_of([1, 1]), np.eye(2), scale, "x"))[1][0]
        for scale in (0.01, 1, 100)
    ]
    assert sure == sorted(sure)
    assert sure[0] == pytest.approx(0.5, abs=0.01)
    assert sure[-1] == pytest.approx(1.0)


def test_known_words_are_regrouped_whatever_their_case_and_blanks():
    table = text_table(load_vocabulary("nuscenes16"), np.eye(44, 50), 20.0, "made up")
    chosen = select(table, vocabulary_of_prompts(["Traffic  Cone", "car"]))
    assert chosen.names == ("Traffic  Cone", "car")
    assert chosen.embeddings.argmax(axis=1).tolist() == [
        table.prompts.index("traffic cone"),
        table.prompts.index("car"),
    ]


def test_an_unknown_word_is_answered_with_the_known_ones():
    table = text_table(load_vocabulary("nuscenes16"), np.eye(44, 50), 20.0, "made up")
    with pytest.raises(UnknownPrompt, match=r"barrier, barricade, .* sky; found 'dragon', 'elf'\. "):
        select(table, vocabulary_of_prompts(["car", "dragon", "elf"]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 3)), "zero"),
        (np.full((2, 3), np.nan), "finite"),
        (np.array([[1.0, 2], [np.inf, 0]]), "word 1 0"),
        (np.ones((3, 3)), r"\(2, C\)"),
        (np.ones((2, 0)), r"\(2, C\)"),
        (np.ones(2), r"\(2, C\)"),
    ],
)
def test_prompts_without_a_direction_are_refused(rows, message):
    with pytest.raises(BadTextTable, match=message):
        text_table(vocabulary_of([1, 1]), rows, 1.0, "made up")


@pytest.mark.parametrize(
    ("prompts", "told"),
    [
        ([], "expected words to look for"),
        (["car", " "], "expected words to look for"),
        (["car", "tree", "Car"], "found car twice"),
        (["fallen  tree", "fallen tree"], "found fallen tree twice"),
    ],
)
def test_prompts_without_words_or_the_same_twice_are_refused_in_plain_words(prompts, told):
    with pytest.raises(BadConfig, match=f"^prompts: .*{told}"):
        vocabulary_of_prompts(prompts)


def test_blanks_around_prompts_do_not_matter():
    assert vocabulary_of_prompts([" fallen tree", "car "]).prompts == ("fallen tree", "car")
