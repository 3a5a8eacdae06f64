"""The text table of a vocabulary: from the embeddings of its prompts, or from a table that contains them."""

import numpy as np

from lidar_vl_core.foundation.errors import BadTextTable
from lidar_vl_core.words.prompts import same_words, unknown_prompt
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.vocabulary import Vocabulary


def text_table(
    vocabulary: Vocabulary,
    prompt_embeddings: np.ndarray,
    logit_scale: float,
    text_space: str,
    unknown_threshold: float | None = None,
) -> TextTable:
    """The table of a vocabulary from the embeddings (P, C) of its prompts, in their order; rows are made unit length.

    Raises BadTextTable for embeddings that are not finite, zero, or not one per prompt.
    """
    rows = np.asarray(prompt_embeddings, np.float64)
    if rows.ndim != 2 or len(rows) != len(vocabulary.prompts) or not rows.shape[1]:
        raise BadTextTable(
            f"vocabulary {vocabulary.name}: expected ({len(vocabulary.prompts)}, C) embeddings, one per prompt, found "
            f"{rows.shape}. Embed vocabulary.prompts in their order."
        )
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    broken = ~np.isfinite(length[:, 0]) | (length[:, 0] == 0)
    if broken.any():
        raise BadTextTable(
            f"vocabulary {vocabulary.name}: expected finite, non-zero embeddings, found none for "
            f"{vocabulary.prompts[int(np.argmax(broken))]!r}. Embed it again."
        )
    sinks = int(vocabulary.is_sink.sum())
    colors = np.concatenate([vocabulary.class_table.colors_rgb, np.zeros((sinks, 3), np.uint8)])
    return TextTable(
        tuple(each.name for each in vocabulary.classes),
        vocabulary.prompts,
        vocabulary.class_of_prompt.astype(np.int64),
        (rows / length).astype(np.float32),
        vocabulary.is_sink,
        float(logit_scale),
        unknown_threshold,
        text_space,
        colors,
        vocabulary.name,
    )


def select(table: TextTable, vocabulary: Vocabulary) -> TextTable:
    """The table of other classes over prompts of `table`; its templates are those the table was made with.

    Raises UnknownPrompt naming the prompts it lacks and those it has.
    """
    row_of_word = {same_words(prompt): row for row, prompt in enumerate(table.prompts)}
    if missing := [prompt for prompt in vocabulary.prompts if same_words(prompt) not in row_of_word]:
        raise unknown_prompt(missing, table.prompts, "Use words it has, or make a table with these.")
    rows = [row_of_word[same_words(prompt)] for prompt in vocabulary.prompts]
    return text_table(vocabulary, table.embeddings[rows], table.logit_scale, table.text_space, table.unknown_threshold)
