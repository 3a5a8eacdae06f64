"""Whether a row of a study is ahead of another: differences between runs of one seed, with their interval."""

import math
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

import numpy as np

from offline_training.reproduction.base.bootstrap import CONFIDENCE, counts_of_scenes, paired_difference
from offline_training.reproduction.base.cells import Cell
from offline_training.reproduction.base.study import StudyConfig, StudyRow

_REPLICATES = 4000


def paired_lines(study: StudyConfig[Any, Any], rows: Sequence[StudyRow], cells: Sequence[Cell]) -> list[str]:
    """Markdown tables of the rows minus each row of study.against, by default the first row; none if nothing can be paired."""
    names = {row.name for row in rows}
    against = [name for name in study.against if name in names] or [rows[0].name]
    of = {(cell.row, cell.column, cell.seed): cell for cell in cells}
    tables = [table for name in against if (table := _table(study, [row.name for row in rows], name, of))]
    if not tables:
        return []
    told = (
        f"Differences, paired over the seeds, with {CONFIDENCE:.0%} confidence intervals of their mean: a "
        "bootstrap over seeds and test scenes if counts per scene are stored (with one seed it says nothing about "
        "others, with two or three it is too narrow if seeds differ far more than scenes), else Student's t over the "
        "seeds. An order is shown only if the interval excludes 0."
    )
    return [told, *(line for table in tables for line in ("", *table))]


def paired_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Lower and upper end of Student's confidence interval of the mean of at least two differences."""
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)) * stdev(differences) / math.sqrt(len(differences))
    return mean(differences) - reach, mean(differences) + reach


def _table(
    study: StudyConfig[Any, Any], rows: Sequence[str], first: str, of: dict[tuple[str, str, int], Cell]
) -> list[str]:
    """The table of all rows minus one; empty if no two were measured with the same seed."""
    columns = [column.name for column in study.columns]
    body = []
    for row in rows:
        if row == first:
            continue
        texts = [
            _difference([(of[first, name, seed], of[row, name, seed]) for seed in study.seeds
                         if (first, name, seed) in of and (row, name, seed) in of])
            for name in columns
        ]  # fmt: skip
        if any(text != "-" for text in texts):
            body.append("| " + " | ".join([row, *texts]) + " |")
    if not body:
        return []
    return ["| " + " | ".join([f"minus {first}", *columns]) + " |", "|" + "---|" * (len(columns) + 1), *body]


def _difference(pairs: Sequence[tuple[Cell, Cell]]) -> str:
    """The difference between two rows with its interval, from their cells seed by seed."""
    if pairs and all(cell.scenes for pair in pairs for cell in pair):
        scenes = list(pairs[0][0].scenes)
        one, other = (counts_of_scenes([pair[k].scenes for pair in pairs], scenes) for k in (1, 0))
        ahead = paired_difference(one, other, _REPLICATES, np.random.default_rng(0))
        return _text(ahead.value, ahead.lower, ahead.upper)
    differences = [second.value - first.value for first, second in pairs]
    return "-" if len(differences) < 2 else _text(mean(differences), *paired_interval(differences))


def _text(middle: float, lower: float, upper: float) -> str:
    return f"{middle:+.2f} ({lower:+.2f} to {upper:+.2f})"
