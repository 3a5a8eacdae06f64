"""All studies there are, of pre-training and of language, under one command."""

from pathlib import Path

from lidar_vl_core.foundation.config import load_yaml
from lidar_vl_core.foundation.errors import BadRequest
from offline_training.reproduction.cell import Cell
from offline_training.reproduction.study import FOLDER, load_study

_LANGUAGE = "language"  # kind of the studies of 3DSS-VLG; those of pre-training name none


def study_names() -> list[str]:
    """Of all studies in configs/reproduce."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def is_language_study(name: str) -> bool:
    """Whether a study is one of 3DSS-VLG. Raises BadRequest listing the studies there are."""
    if name not in study_names():
        raise BadRequest(f"reproduce: expected one of {', '.join(study_names())}, found {name!r}. Choose one of them.")
    return load_yaml(FOLDER / f"{name}.yaml").get("kind") == _LANGUAGE


def reproduce_study(
    name: str, out: Path, data: Path | None, row_names: tuple[str, ...] = (), jobs: int = 1
) -> list[Cell]:
    """Run the study of that name; see runner.reproduce and vlg_runner.reproduce_language. Raises BadRequest, BadConfig."""
    if is_language_study(name):
        from offline_training.reproduction.vlg_runner import reproduce_language
        from offline_training.reproduction.vlg_study import load_language_study

        return reproduce_language(load_language_study(name), out, data, row_names, jobs)
    from offline_training.reproduction.runner import reproduce

    return reproduce(load_study(name), out, data, row_names, jobs)
