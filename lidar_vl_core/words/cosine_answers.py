"""Classes from cosines with the prompts of a text table, fast, with the similarity of the best prompt."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from lidar_vl_core.foundation.threads import HelperThreads
from lidar_vl_core.words.text_table import TextTable


@dataclass(frozen=True, eq=False)
class CosineAnswers:
    """The answer for each of M rows."""

    class_id: np.ndarray  # (M,) uint8, 255 = no answer
    probability: np.ndarray  # (M,) float32, 0 without an answer
    best: np.ndarray  # (M,) float32 cosine of the nearest prompt, a sink's too; -inf for a row without a direction


def cosine_answers(cosine: np.ndarray, table: TextTable, threads: int = 1) -> CosineAnswers:
    """As label_cosines(), its slow reference, says of cosines (M, P) float32 with the table's prompts."""
    from lidar_vl_core.words.cosine_loops import answer_rows

    count = len(cosine)
    found = CosineAnswers(np.empty(count, np.uint8), np.empty(count, np.float32), np.empty(count, np.float32))
    first_prompt = np.append(table.first_prompt, len(table.prompts))
    kept = int(np.count_nonzero(~table.is_sink))
    threshold = 0.0 if table.unknown_threshold is None else table.unknown_threshold
    cosine = np.ascontiguousarray(cosine, np.float32)
    with HelperThreads(threads) as helpers:
        for part in range(threads):
            rows = count * part // threads, count * (part + 1) // threads
            helpers.add(
                partial(
                    answer_rows, cosine, first_prompt, kept, table.logit_scale, threshold, *rows,
                    found.class_id, found.probability, found.best,
                )
            )  # fmt: skip
    return found
