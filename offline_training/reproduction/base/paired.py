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
    """Markdown tables of the rows minus each row of study.against, the first one by default; none where nothing can be paired."""
    names = {row.name for row in rows}
    against = [name for name in study.against if name in names] or [rows[0].name]
    of = {(cell.row, cell.column, cell.seed): cell for cell in cells}
    tables = [table for name in against if (table := _table(study, [row.name for row in rows], name, of))]
    if not tables:
        return []
    told = (
        f"Differences, paired over the seeds, with the interval that holds their mean with {CONFIDENCE:.0%}: a bootstrap over seeds "
        "and test scenes where the scenes' own counts are kept (of one seed it says nothing of others, of two or three it is too "
        "narrow where seeds differ far more than scenes), Student's over the seeds elsewhere. An order is shown where the interval leaves out 0."
    )
    return [told, *(line for table in tables for line in ("", *table))]


def paired_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Lower and upper end of Student's interval of the mean of at least two differences."""
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)) * stdev(differences) / math.sqrt(len(differences))
    return mean(differences) - reach, mean(differences) + reach


def _table(
    study: StudyConfig[Any, Any], rows: Sequence[str], first: str, of: dict[tuple[str, str, int], Cell]
) -> list[str]:
    """Of all rows minus one; empty where no two are measured together."""
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
    """Of the cells of one row and another, seed by seed."""
    if pairs and all(cell.scenes for pair in pairs for cell in pair):
        scenes = list(pairs[0][0].scenes)
        one, other = (counts_of_scenes([pair[k].scenes for pair in pairs], scenes) for k in (1, 0))
        ahead = paired_difference(one, other, _REPLICATES, np.random.default_rng(0))
        return _text(ahead.value, ahead.lower, ahead.upper)
    differences = [second.value - first.value for first, second in pairs]
    return "-" if len(differences) < 2 else _text(mean(differences), *paired_interval(differences))


def _text(middle: float, lower: float, upper: float) -> str:
    return f"{middle:+.2f} ({lower:+.2f} to {upper:+.2f})"
