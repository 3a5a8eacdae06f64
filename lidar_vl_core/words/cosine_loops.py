"""Compiled loop of cosine_answers(): from cosines with prompts to classes."""

import math

import numpy as np

from lidar_vl_core.foundation.compiled import compiled

_NO_ANSWER = np.uint8(255)  # class_table.IGNORE_ID
_NOTHING = np.float32(-25.0)  # e to this, a thousand times, is below the last digit of a float32 sum that begins with 1


@compiled
def answer_rows(
    cosine: np.ndarray, first_prompt: np.ndarray, sinks_from: int, logit_scale: float, threshold: float,
    first_row: int, last_row: int, class_id: np.ndarray, probability: np.ndarray, best: np.ndarray,
) -> None:  # fmt: skip
    """Write class_id, probability and the largest cosine of the rows first_row .. last_row of cosine (M, P).

    first_prompt: (K + 1,) prompts of each class, P behind the last. A row that is not finite: 255, 0 and -inf.
    """
    classes = len(first_prompt) - 1
    of_class = np.empty(classes, np.float32)
    scale, least = np.float32(logit_scale), np.float32(threshold)
    for row in range(first_row, last_row):
        finite, winner = True, 0
        for k in range(classes):
            largest = cosine[row, first_prompt[k]]
            finite = finite and math.isfinite(largest)
            for prompt in range(first_prompt[k] + 1, first_prompt[k + 1]):
                value = cosine[row, prompt]
                finite = finite and math.isfinite(value)
                largest = value if value > largest else largest
            of_class[k] = largest
            winner = k if largest > of_class[winner] else winner
        odds = np.float32(0.0)
        if finite:
            for k in range(classes):
                logit = scale * (of_class[k] - of_class[winner])
                if logit > _NOTHING:
                    odds += np.float32(math.exp(logit))
        sure = np.float32(1.0) / odds if finite else np.float32(0.0)
        answered = finite and winner < sinks_from and sure >= least
        class_id[row] = np.uint8(winner) if answered else _NO_ANSWER
        probability[row] = sure if answered else np.float32(0.0)
        best[row] = of_class[winner] if finite else np.float32(-np.inf)
