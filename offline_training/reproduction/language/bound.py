"""Checks that a study of 3DSS-VLG has something to specialise: measured first; the study is refused if not."""

from lidar_vl_core.foundation.errors import BadRequest
from offline_training.reproduction.base.runner import Runs, measured_cells, run_rows
from offline_training.reproduction.language.language_study import Bound, LanguageColumn, LanguageRow


def require_bound(runs: Runs[LanguageRow, LanguageColumn], bound: Bound) -> None:
    """Measure both rows of the bound for the first seed, unless that was done.

    Raises BadRequest if the bound is not met.
    """
    study = runs.study
    names, seed, column = (bound.above, bound.row), study.seeds[0], study.columns[0].name
    run_rows(runs, names, seed)
    rows = tuple(map(study.row, names))
    found = {cell.row: cell.value for cell in measured_cells(runs, rows) if (cell.column, cell.seed) == (column, seed)}
    low, high = (found[name] for name in names)
    if high - low < bound.points:
        raise BadRequest(
            f"reproduce: expected {bound.row!r} to be at least {bound.points:g} points above {bound.above!r} in "
            f"{column}, found {high:.1f} and {low:.1f}: this study cannot show anything. Change its scenes or its image model."
        )
