"""`reproduce --list` and `--dry-run`: all studies, and the plan of one of them, as lines of text."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadRequest
from offline_training.reproduction.base.cells import Place
from offline_training.reproduction.base.data_needed import Needed
from offline_training.reproduction.base.planned import Plan, PlannedStage
from offline_training.reproduction.base.runner import share_of_processor
from offline_training.reproduction.base.study import study_names
from offline_training.reproduction.evidence.evidence_plan import evidence_plan
from offline_training.reproduction.evidence.evidence_study import EvidenceStudy
from offline_training.reproduction.language.language_plan import language_plan
from offline_training.reproduction.language.language_study import LanguageStudy
from offline_training.reproduction.pretraining.pretraining_plan import pretraining_plan
from offline_training.reproduction.pretraining.pretraining_study import PretrainingStudy
from offline_training.reproduction.studies import RUNS, Study, load_study

_PLANS: dict[type[Study], Callable[[Any, Any], Plan]] = {
    PretrainingStudy: pretraining_plan,
    EvidenceStudy: evidence_plan,
    LanguageStudy: language_plan,
}

_NOT_KNOWN = "unknown without --data ROOT, because the data's location is part of each run's configuration"


def plan_of(study: Study, place: Place, row_names: tuple[str, ...] = ()) -> Plan:
    """The plan of some rows of a study; of all rows if no names are given. Raises BadConfig, BadRequest."""
    return _PLANS[type(study)](RUNS[type(study)](study, place), study.chosen_rows(row_names))


def list_lines(data: Path | None) -> Iterator[str]:
    """One line for each study: title, number of trainings, and which of its data are present."""
    _require_root(data)
    names = study_names()
    width = max(map(len, names))
    for name in names:
        study = load_study(name)
        plan = plan_of(study, _place(Path(), data, 1))
        yield f"{name:<{width}}  {study.title}: {plan.training_runs} runs; {_data_in_short(plan, data)}"


def plan_lines(name: str, out: Path, data: Path | None, row_names: tuple[str, ...], jobs: int) -> Iterator[str]:
    """Finished and remaining runs of a study, the data it needs, and its known costs. Raises BadRequest."""
    _require_root(data)
    study, place = load_study(name), _place(out, data, jobs)
    plan = plan_of(study, place, row_names)
    is_known = data is not None or not any(one.path is not None for one in plan.needed)
    rows = study.chosen_rows(row_names)
    yield f"{name}: {study.title}; {_counted(len(rows), 'row')}, {_counted(len(study.seeds), 'seed')}, in {out}"
    yield ""
    yield f"{'runs':<22}{'all':>6}{'done':>6}{'left':>6}"
    yield from (_stage_line(stage, is_known) for stage in plan.stages)
    if not is_known:
        yield f"done: {_NOT_KNOWN}"
    if any(stage.done is None for stage in plan.stages):
        yield "-: resumes scene by scene or image by image; existing results are kept."
    yield ""
    yield "data"
    yield from (f"  {line}" for line in _data_lines(plan, data))
    yield ""
    yield "disk (weights and optimisers of the 3D networks, without heads)"
    yield from (f"  {line}" for line in (*plan.disk(), *(f"unknown: {line}" for line in plan.unknown_disk)))
    yield ""
    yield "hours and memory (of the GPU if there is one, else of the process), from runs finished here"
    yield from (f"  {line}" for line in (plan.cost() if is_known else (_NOT_KNOWN,)))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _place(out: Path, data: Path | None, jobs: int) -> Place:
    return Place(out, "" if data is None else str(data), share_of_processor(jobs))


def _require_root(data: Path | None) -> None:
    if data is not None and not data.is_dir():
        raise BadRequest(
            f"reproduce: expected the folder that holds the data sets, found no folder {data}. Correct --data."
        )


def _stage_line(stage: PlannedStage, is_known: bool) -> str:
    if stage.done is None or not is_known:
        return f"{stage.name:<22}{stage.runs:>6}{'-':>6}{'-':>6}"
    done = stage.done()
    return f"{stage.name:<22}{stage.runs:>6}{done:>6}{stage.runs - done:>6}"


def _data_in_short(plan: Plan, data: Path | None) -> str:
    if not plan.needed:
        return "needs no download"
    if data is None:
        return f"needs {_names(plan.needed)}"
    missing = [one for one in plan.needed if one.is_there(data) is False]
    there = [one for one in plan.needed if one.is_there(data)]
    elsewhere = [one for one in plan.needed if one.is_there(data) is None]
    told = (("missing", missing), ("present", there), ("not checked", elsewhere))
    return "; ".join(f"{what}: {_names(each)}" for what, each in told if each)


def _names(needed: tuple[Needed, ...] | list[Needed]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in needed))


def _data_lines(plan: Plan, data: Path | None) -> Iterator[str]:
    if not plan.needed:
        yield "nothing to download: all data are generated"
    for one in plan.needed:
        is_there, place = one.is_there(data), one.at(data)
        if is_there:
            yield f"present  {one.what}: {place}"
        elif is_there is False:
            yield f"missing  {one.what}: {place}: {one.how_to_get(data)}"
        elif one.path is None:
            yield f"-        {one.what}: {one.advice}"
        else:
            yield f"-        {one.what}: {one.path.replace('{data}', 'ROOT')}: check with --data ROOT"
