"""The table of a study of evidence: values, paired differences with their intervals, and conclusions in sentences."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.foundation.files import atomic_writer, write_text
from offline_training.reproduction.base.bootstrap import CONFIDENCE, Interval, paired_difference
from offline_training.reproduction.base.table import cells_text, value_lines
from offline_training.reproduction.evidence.acting_share import acting_share_lines
from offline_training.reproduction.evidence.evidence_study import Comparison, EvidenceColumn, EvidenceStudy
from offline_training.reproduction.evidence.findings import Findings
from offline_training.reproduction.evidence.forest_plot import forest_plot
from offline_training.reproduction.pretraining.pretraining_study import PretrainingRow
from offline_training.toys.toy_teacher_config import QUALITY


@dataclass(frozen=True)
class Answer:
    """A study's answer to one question, for each of its columns."""

    name: str
    seeds: tuple[int, ...]  # with which both rows are measured
    intervals: dict[str, Interval]  # by column


def write_report(findings: Findings) -> None:
    """Write table.md, cells.json and plot.png; leaves out what is not measured yet."""
    study, cells, out = findings.study, findings.cells, findings.out
    answers = [answer for one in study.compare if (answer := answered(findings, one))]
    parts = [
        value_lines(study, findings.rows, cells),
        difference_lines(study, answers),
        [sentence(answer) for answer in answers],
        chance_lines(answers),
        acting_share_lines(findings),
        _teacher_lines(out),
    ]
    write_text(out / "table.md", "\n".join(line for part in parts for line in (*part, "")))
    write_text(out / "cells.json", cells_text(cells))
    with atomic_writer(out / "plot.png") as handle:
        named = [(f"{each.name} (n={len(each.seeds)})", each.intervals) for each in answers]
        figure = forest_plot(study.title, [column.name for column in study.columns], named)
        figure.savefig(handle, format="png", dpi=110)


def answered(findings: Findings, one: Comparison) -> Answer | None:
    """The paired differences of two rows over their common seeds; None if there are none, or a row is not selected."""
    if not {one.row, one.to} <= {row.name for row in findings.rows}:
        return None
    study = findings.study
    pair = (study.row(one.row), study.row(one.to))
    seeds, intervals = _shared_seeds(findings, pair), {}
    if not seeds:
        return None
    for column in study.columns:
        mine, others = (_joined(findings, row, column, seeds) for row in pair)
        intervals[column.name] = paired_difference(mine, others, study.replicates, _rng(column))
    return Answer(one.name, seeds, intervals)


def _shared_seeds(findings: Findings, pair: tuple[PretrainingRow, PretrainingRow]) -> tuple[int, ...]:
    """The seeds with which all columns of both rows are measured."""
    study = findings.study
    asked = [(row, column) for row in pair for column in study.columns]
    return tuple(s for s in study.seeds if all(findings.counts(row, column, s) is not None for row, column in asked))


def _joined(findings: Findings, row: PretrainingRow, column: EvidenceColumn, seeds: Sequence[int]) -> np.ndarray:
    """(N, draws, T, 3, K) counts of these seeds."""
    found = [findings.counts(row, column, seed) for seed in seeds]
    return np.concatenate([each for each in found if each is not None])


def _rng(column: EvidenceColumn) -> np.random.Generator:
    """The random generator of a column, so that all its comparisons use the same replicates."""
    return np.random.default_rng([7, column.scans])


def difference_lines(study: EvidenceStudy, answers: Sequence[Answer]) -> list[str]:
    """The Markdown table of differences; intervals that exclude 0 are bold."""
    names = [column.name for column in study.columns]
    head = [
        f"Paired differences of mean IoU in percentage points: the same {study.probe.draws} draws of labelled "
        f"scans, the same test streets, the same pre-training seed. In parentheses the {CONFIDENCE:.0%} confidence "
        f"interval of the mean, from {study.replicates} bootstrap replicates over seeds x draws x streets; bold: "
        "it excludes 0. n: seeds; with one seed the interval says nothing about others, with two or three it is too "
        "narrow if seeds differ far more than draws and streets.",
        "",
        "| " + " | ".join(["difference", "n", *names]) + " |",
        "|" + "---|" * (len(names) + 2),
    ]
    body = [
        "| " + " | ".join([each.name, str(len(each.seeds)), *(_text(each.intervals[name]) for name in names)]) + " |"
        for each in answers
    ]
    return [*head, *body]


def sentence(answer: Answer) -> str:
    """What a difference shows, or that it shows no order because its interval contains 0."""
    row, _, to = answer.name.partition(" - ")
    told = []
    for order, words in ((1, "is ahead of"), (-1, "is behind")):
        columns = [name for name, interval in answer.intervals.items() if interval.order == order]
        told += [f"{row} {words} {to} with {_listed(columns)}"] if columns else []
    open_columns = [name for name, interval in answer.intervals.items() if interval.order == 0]
    if open_columns:
        told.append(f"with {_listed(open_columns)} no order of {row} and {to} is shown: the interval contains 0")
    text = "; ".join(told)
    return f"- {text[0].upper()}{text[1:]}.{' One seed only.' if len(answer.seeds) == 1 else ''}"


def chance_lines(answers: Sequence[Answer]) -> list[str]:
    """How many intervals exclude 0, and how many would by chance if nothing differed."""
    intervals = [interval for answer in answers for interval in answer.intervals.values()]
    if not intervals:
        return []
    shown = sum(interval.order != 0 for interval in intervals)
    return [
        f"{shown} of {len(intervals)} intervals exclude 0; {(1 - CONFIDENCE) * len(intervals):.1f} would by chance "
        "if nothing differed."
    ]


def _teacher_lines(out: Path) -> list[str]:
    """How much a teacher trained without classes has learned, by a linear probe of its pixels."""
    file = out / "toy_teacher" / QUALITY
    found = json.loads(file.read_text()).get("probe_mean_iou") if file.is_file() else None
    if found is None:
        return []
    told = ", ".join(f"{name} {100 * value:.1f} %" for name, value in found.items())
    return [
        f"Image teacher, trained without classes; mean IoU of a linear probe of its pixel features on other streets: {told}."
    ]


def _text(interval: Interval) -> str:
    text = f"{interval.value:+.2f} ({interval.lower:+.2f} to {interval.upper:+.2f})"
    return f"**{text}**" if interval.order else text


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
