"""Whether a row of a study is ahead of its first one: differences between runs of one seed, with their interval."""

import math
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from offline_training.reproduction.base.cells import Cell
from offline_training.reproduction.base.study import StudyConfig, StudyRow

CONFIDENCE = 0.95


def paired_lines(study: StudyConfig[Any, Any], rows: Sequence[StudyRow], cells: Sequence[Cell]) -> list[str]:
    """A Markdown table of the rows minus the first one; none where no two seeds of two rows are measured."""
    value = {(cell.row, cell.column, cell.seed): cell.value for cell in cells}
    first, names = rows[0].name, [column.name for column in study.columns]
    body = []
    for row in rows[1:]:
        texts = []
        for name in names:
            both = [seed for seed in study.seeds if (first, name, seed) in value and (row.name, name, seed) in value]
            texts.append(_text([value[row.name, name, seed] - value[first, name, seed] for seed in both]))
        if any(text != "-" for text in texts):
            body.append("| " + " | ".join([row.name, *texts]) + " |")
    if not body:
        return []
    return [
        f"Minus {first}, paired over the seeds: mean and the interval that holds it with {CONFIDENCE:.0%} (Student); an order "
        "is shown where the interval leaves out 0.",
        "",
        "| " + " | ".join([f"minus {first}", *names]) + " |",
        "|" + "---|" * (len(names) + 1),
        *body,
    ]


def paired_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Lower and upper end of Student's interval of the mean of at least two differences."""
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)) * stdev(differences) / math.sqrt(len(differences))
    return mean(differences) - reach, mean(differences) + reach


def _text(differences: list[float]) -> str:
    if len(differences) < 2:
        return "-"
    lower, upper = paired_interval(differences)
    return f"{mean(differences):+.2f} ({lower:+.2f} to {upper:+.2f})"
