"""The stages of a 3DSS-VLG run that a row needs; finished stages are not run again. Touches the disk."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lidar_vl_core.foundation.files import write_text
from offline_training.reproduction.language.language_study import LanguageRow
from offline_training.words.settings.vlg_config import VlgConfig


def trained(config: VlgConfig, row: LanguageRow, key: str) -> Path | None:
    """Run the stages that a row needs; returns the checkpoint of the 3D network, if there is one. key: hash of the run."""
    _claim(Path(config.out), key)
    made = {name: _stage(file, stages()[name], config) for name, file in stage_files(config, row).items()}
    return Path(made["guide"]) if "guide" in made else None


def stage_files(config: VlgConfig, row: LanguageRow) -> dict[str, Path]:
    """The stages that a row needs, in order, and the file that marks each as finished."""
    names = ["pseudo_label"]
    if config.specialise.enabled and (row.mode != "2d" or row.specialised):
        names.append("specialise")
    if row.mode != "2d":
        names.append("guide")
    return {name: Path(config.out) / f"{name}.finished" for name in names}


def stages() -> dict[str, Callable[[VlgConfig], object]]:
    """The three stages of 3DSS-VLG; torch is imported only when they run."""
    from offline_training.words.stages.adapter.specialise import specialise
    from offline_training.words.stages.guidance.guide import guide
    from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label

    return {"pseudo_label": pseudo_label, "specialise": specialise, "guide": guide}


def is_claimed(folder: Path, key: str) -> bool:
    """Whether the folder of a run belongs to this key."""
    mark = folder / "configs_sha256"
    return mark.is_file() and mark.read_text() == key


def _claim(folder: Path, key: str) -> None:
    """Claim the folder of a run; removes what another configuration of the study left in it."""
    if folder.is_dir() and not is_claimed(folder, key):
        shutil.rmtree(folder)
    write_text(folder / "configs_sha256", key)


def _stage(finished: Path, run: Callable[[VlgConfig], object], config: VlgConfig) -> str:
    """Run a stage, unless it is finished; returns its result. Its file records the duration of the last start."""
    if finished.is_file():
        return json.loads(finished.read_text())["made"]
    start_s = time.monotonic()
    made = str(run(config))
    write_text(finished, json.dumps({"made": made, "seconds": time.monotonic() - start_s}))
    return made
