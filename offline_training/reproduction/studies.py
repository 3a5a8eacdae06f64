"""All studies (pre-training, evidence, language) under one command."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, RootModel

from lidar_vl_core.foundation.config import load_config
from offline_training.reproduction.base.cells import Cell, Place
from offline_training.reproduction.base.runner import Runs, fill_table, place_of
from offline_training.reproduction.base.smoke import Smoke
from offline_training.reproduction.base.study import FOLDER, require_study
from offline_training.reproduction.evidence.evidence_runs import EvidenceRuns
from offline_training.reproduction.evidence.evidence_smoke import smoke_evidence
from offline_training.reproduction.evidence.evidence_study import EvidenceStudy
from offline_training.reproduction.language.language_runs import LanguageRuns
from offline_training.reproduction.language.language_smoke import smoke_language
from offline_training.reproduction.language.language_study import LanguageStudy
from offline_training.reproduction.pretraining.pretraining_runs import PretrainingRuns
from offline_training.reproduction.pretraining.pretraining_smoke import smoke_pretraining
from offline_training.reproduction.pretraining.pretraining_study import PretrainingStudy

Study = PretrainingStudy | EvidenceStudy | LanguageStudy
RUNS: dict[type[Study], Callable[[Any, Place], Runs[Any, Any]]] = {
    PretrainingStudy: PretrainingRuns,
    EvidenceStudy: EvidenceRuns,
    LanguageStudy: LanguageRuns,
}
_SMOKES: dict[type[Study], Callable[[Any], Smoke[Any]]] = {
    PretrainingStudy: smoke_pretraining,
    EvidenceStudy: smoke_evidence,
    LanguageStudy: smoke_language,
}


class _StudyFile(RootModel[Annotated[Study, Field(discriminator="kind")]]):
    """A study file in configs/reproduce."""


def load_study(name: str) -> Study:
    """The study of that name. Raises BadRequest listing the known names, BadConfig for an invalid file."""
    require_study(name)
    return load_config(_StudyFile, FOLDER / f"{name}.yaml").root


def smoke_of(study: Study) -> Smoke[Any]:
    """The miniature of a study: every stage, row and column, in minutes, without downloads. Raises BadConfig."""
    return _SMOKES[type(study)](study)


def reproduce_study(
    name: str, out: Path, data: Path | None, row_names: tuple[str, ...] = (), jobs: int = 1
) -> list[Cell]:
    """Run the study of that name. Raises what `reproduce` raises, and BadConfig for an invalid file."""
    return reproduce(load_study(name), out, data, row_names, jobs)


def reproduce(study: Study, out: Path, data: Path | None, row_names: tuple[str, ...] = (), jobs: int = 1) -> list[Cell]:
    """Fill a study's table with our numbers; `out` gets table.md, plot.png and the configuration of every run.

    jobs: number of parallel runs, which share the CPU. Raises BadDataset, BadConfig, BadRequest naming what is missing.
    """
    place = place_of(study, out, data, jobs)
    return fill_table(RUNS[type(study)](study, place), row_names, jobs)
