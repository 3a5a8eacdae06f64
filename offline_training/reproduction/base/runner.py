"""Runs a study of any kind: first its preparations, then its cells, several at a time; resumes if stopped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import write_text
from lidar_vl_core.foundation.threads import machine_cores
from offline_training.reproduction.base.cells import Cell, Measured, Place, read_cell, write_cell
from offline_training.reproduction.base.jobs import run_in_jobs
from offline_training.reproduction.base.study import ColumnT, RowT, StudyConfig


class Runs(Protocol[RowT, ColumnT]):
    """The interface of a kind of study; picklable, because it is sent to other processes."""

    @property
    def study(self) -> StudyConfig[RowT, ColumnT]:
        """Its rows and columns."""
        ...

    @property
    def place(self) -> Place:
        """The study's folders."""
        ...

    def prepare(self, rows: tuple[RowT, ...]) -> None:
        """Make what these rows share, unless it exists."""
        ...

    def configurations(self, row: RowT, seed: int) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The configuration files with which a row's runs can be repeated one by one: paths and contents."""
        ...

    def cell_file(self, row: RowT, column: ColumnT, seed: int) -> Path:
        """The file of a cell's number."""
        ...

    def key(self, row: RowT, column: ColumnT, seed: int) -> str:
        """Hash of everything that determines a cell's number."""
        ...

    def measured(self, row: RowT, column: ColumnT, seed: int) -> Measured:
        """Train what a cell needs, unless that is done, and measure it."""
        ...

    def report(self, rows: tuple[RowT, ...], cells: list[Cell]) -> None:
        """Write table.md and plot.png of what is measured so far."""
        ...


def place_of(study: StudyConfig[Any, Any], out: Path, data: Path | None, jobs: int) -> Place:
    """The folders of a study, and the CPU threads of each of `jobs` parallel runs. Raises BadRequest."""
    threads = share_of_processor(jobs)
    if data is None and "{data}" in study.model_dump_json():
        raise BadRequest(
            "reproduce: expected --data ROOT, the folder that holds what this table reads, found none. "
            "`lidar-vl-train check-data KIND FOLDER` shows the layout each data set needs there."
        )
    if data is not None and not data.is_dir():
        raise BadRequest(
            f"reproduce: expected the folder that holds the data sets, found no folder {data}. Correct --data."
        )
    return Place(out, "" if data is None else str(data), threads)


def share_of_processor(jobs: int) -> int:
    """CPU threads of each of `jobs` parallel runs. Raises BadRequest."""
    if jobs < 1:
        raise BadRequest(f"jobs: expected at least 1, found {jobs}. Set the number of parallel runs.")
    return max(machine_cores() // jobs, 1)


def fill_table(runs: Runs[RowT, ColumnT], row_names: tuple[str, ...], jobs: int) -> list[Cell]:
    """Run what is not done yet; writes table.md, plot.png and the configuration of every run to the study's folder."""
    study = runs.study
    rows = study.chosen_rows(row_names)
    tasks = [(runs, names, seed) for seed in study.seeds for names in _sharing_runs(study, rows)]
    for _, names, seed in tasks:
        for path, settings in runs.configurations(study.owner(study.row(names[0])), seed):
            _write_yaml(path, settings)
    runs.prepare(rows)
    for _ in run_in_jobs(study.title, run_rows, tasks, jobs):
        runs.report(rows, measured_cells(runs, rows))
    cells = measured_cells(runs, rows)
    runs.report(rows, cells)
    return cells


def measured_cells(runs: Runs[RowT, ColumnT], rows: tuple[RowT, ...]) -> list[Cell]:
    """The cells measured so far."""
    study = runs.study
    found = [_done(runs, row, column, seed) for row in rows for column in study.columns_of(row) for seed in study.seeds]
    return [cell for cell in found if cell is not None]


def run_rows(runs: Runs[RowT, ColumnT], names: tuple[str, ...], seed: int) -> None:
    """Measure all cells of rows that share their runs, for one seed; skips cells that are done."""
    for row in map(runs.study.row, names):
        for column in runs.study.columns_of(row):
            if not is_done(runs, row, column, seed):
                found = runs.measured(row, column, seed)
                # Hashed at measurement, because a key may depend on files that training writes.
                key = runs.key(row, column, seed)
                cell = Cell(row.name, column.name, seed, found.value, found.per_class_iou, key, found.scenes or {})
                write_cell(runs.cell_file(row, column, seed), cell)


def is_done(runs: Runs[RowT, ColumnT], row: RowT, column: ColumnT, seed: int) -> bool:
    """Whether a cell is measured."""
    return _done(runs, row, column, seed) is not None


def _done(runs: Runs[RowT, ColumnT], row: RowT, column: ColumnT, seed: int) -> Cell | None:
    return read_cell(runs.cell_file(row, column, seed), row.name, runs.key(row, column, seed))


def _sharing_runs(study: StudyConfig[RowT, ColumnT], rows: tuple[RowT, ...]) -> list[tuple[str, ...]]:
    """Row names, grouped by shared runs: each group is one task, so that no run is made twice in parallel."""
    sharing: dict[str, list[str]] = {}
    for row in rows:
        if study.columns_of(row):
            sharing.setdefault(study.owner(row).name, []).append(row.name)
    return [tuple(names) for names in sharing.values()]


def _write_yaml(path: Path, settings: dict[str, Any]) -> None:
    import yaml

    write_text(path, yaml.safe_dump(settings, sort_keys=False))
