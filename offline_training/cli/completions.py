"""Shell completion for the options of lidar-vl-train. Reads folders."""

from collections.abc import Sequence
from pathlib import Path

_CONFIGS_OF = {  # command: folders of configs/ that hold what it takes
    "pretrain": ("pretrain",),
    "finetune": ("finetune",),
    "weak-label": ("weak_labels",),
    **dict.fromkeys(("extract-features", "pseudo-label", "specialise", "guide", "evaluate-language"), ("words",)),
    "toy-language": ("words",),
    **dict.fromkeys(("evaluate", "robustness", "submit"), ("evaluate", "finetune")),
}


def completions() -> dict[str, Sequence[str]]:
    """Data sets, studies, vocabularies, models, and for each command the configurations that are its own."""
    from lidar_vl_core.words.vocabulary import vocabulary_names
    from offline_training.datasets.data_sources import SPECS
    from offline_training.reproduction.base.study import CONFIGS, study_names
    from offline_training.weak_labels.model_weights.known_models import KNOWN_MODELS

    return {
        "kind": [spec.kind for spec in SPECS],
        "table": study_names(),
        "vocabulary": vocabulary_names(),
        "model": sorted(KNOWN_MODELS),
        "card": _shipped(CONFIGS, ("export",)),
        **{f"{command} config": _shipped(CONFIGS, folders) for command, folders in _CONFIGS_OF.items()},
    }


def _shipped(root: Path, folders: Sequence[str]) -> list[str]:
    """Paths of the configurations in these folders, from where the user is if they are below."""
    files = sorted(file for folder in folders for file in (root / folder).glob("*.yaml"))
    here = Path.cwd()
    return [str(file.relative_to(here) if file.is_relative_to(here) else file) for file in files]
