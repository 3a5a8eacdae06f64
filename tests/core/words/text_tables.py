"""Vocabularies and text tables with random embeddings."""

import numpy as np
from hypothesis import strategies as st

from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.vocabulary import Vocabulary, VocabularyClass
from lidar_vl_core.words.vocabulary_table import text_table

CHANNELS = 6


def vocabulary_of(prompts_per_class: list[int], sinks: int = 0) -> Vocabulary:
    first_sink = len(prompts_per_class) - sinks
    classes = [
        VocabularyClass(name=f"class {k}", prompts=tuple(f"word {k} {i}" for i in range(count)), sink=k >= first_sink)
        for k, count in enumerate(prompts_per_class)
    ]
    return Vocabulary(name="made up", classes=tuple(classes))


@st.composite
def tables(draw: st.DrawFn) -> TextTable:
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    vocabulary = vocabulary_of(counts, draw(st.integers(0, len(counts) - 1)))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows = rng.normal(size=(sum(counts), CHANNELS))
    threshold = draw(st.one_of(st.none(), st.floats(0, 1)))
    return text_table(vocabulary, rows, draw(st.sampled_from([1.0, 10.0, 100.0])), "made up", threshold)
