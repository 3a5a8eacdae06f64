"""cosine_answers() against label_cosines(), its slow reference."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.words.cosine_answers import cosine_answers
from lidar_vl_core.words.text_table import label_cosines
from lidar_vl_core.words.vocabulary import load_vocabulary, vocabulary_of_prompts
from tests.written.embedding_packages import random_table

TABLES = [
    random_table(load_vocabulary("nuscenes16")),  # several prompts a class, and sinks
    replace(random_table(vocabulary_of_prompts(["a", "b", "c"])), unknown_threshold=0.6),
    random_table(vocabulary_of_prompts(["a"])),
]


@settings(max_examples=40)
@given(st.sampled_from(TABLES), st.integers(0, 60), st.integers(0, 1000), st.sampled_from([1, 3]))
def test_answers_are_those_of_the_slow_reference(table, rows, seed, threads):
    rng = np.random.default_rng(seed)
    cosine = rng.uniform(-1, 1, (rows, len(table.prompts))).astype(np.float32)
    cosine[rng.random(rows) < 0.2] = np.nan
    cosine[rng.random(rows) < 0.2] = 0.25  # all alike: the first class wins
    found = cosine_answers(cosine, table, threads)
    class_id, probability = label_cosines(cosine, table)
    assert_array_equal(found.class_id, class_id)
    assert_allclose(found.probability, probability, atol=1e-6)
    assert_array_equal(found.best, np.nan_to_num(cosine, nan=-np.inf).max(axis=1))


def test_a_row_with_one_number_that_is_none_has_no_answer():
    table = TABLES[0]
    for wrong in (np.nan, np.inf, -np.inf):
        cosine = np.zeros((1, len(table.prompts)), np.float32)
        cosine[0, 3] = wrong
        found = cosine_answers(cosine, table)
        assert (found.class_id[0], found.probability[0], found.best[0]) == (255, 0.0, -np.inf)


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0, 1e6])
def test_the_temperature_may_be_any(scale):
    table = replace(TABLES[0], logit_scale=scale)
    cosine = np.random.default_rng(0).uniform(-1, 1, (200, len(table.prompts))).astype(np.float32)
    assert_allclose(cosine_answers(cosine, table).probability, label_cosines(cosine, table)[1], atol=1e-6)
