"""The miniature of a detection column: a CenterPoint of a few channels on synthetic streets, for any detector. Pure."""

from typing import Any

from offline_training.finetuning.detection.config import CENTERPOINT, DetectFinetuneConfig
from offline_training.reproduction.base.smoke import Substitutions, small_length, small_sources
from offline_training.reproduction.base.study import joined, recipe_with
from offline_training.reproduction.pretraining.pretraining_study import PretrainingColumn, PretrainingStudy

_BOX_CLASSES = "nuscenes10"  # of synthetic streets
_CLASS = "car"
_WIDTH = 8
_FREE = ("paste", "objects")  # of a recipe: objects to paste come from data that are not available


def small_detection(
    study: PretrainingStudy, column: PretrainingColumn, config: DetectFinetuneConfig, told: Substitutions
) -> PretrainingColumn:
    """The column with a detector trained for a few steps."""
    settings = recipe_with(column.recipe or "", study.finetune, column.finetune)
    if config.network != CENTERPOINT:
        told.put(config.network, f"centerpoint, because synthetic streets have the classes of {_BOX_CLASSES}")
    told.put("the detector's BEV network", f"one block of {_WIDTH} channels")
    changes: dict[str, Any] = {
        "network": CENTERPOINT,
        "classes": _BOX_CLASSES,
        "voxel_size": [0.4, 0.4, 0.25],
        "point_cloud_range": [-51.2, -51.2, -5.0, 51.2, 51.2, 3.0],
        "sweeps": 1,
        "groups": [],
        "bev_layers": [1],
        "bev_strides": [1],
        "bev_widths": [_WIDTH],
        "bev_up_strides": [1],
        "bev_up_widths": [_WIDTH],
        "shared_channels": _WIDTH,
        **small_length(config.epochs, config.max_steps, told),
        "train": small_sources(settings["train"], True, told),
        "batch_size": 1,
        "workers": 0,
    }
    if config.paste is not None:
        told.leave_out("pasted objects", "too few scans to cut them from")
        changes |= dict.fromkeys(_FREE)
    own = joined(study.finetune, column.finetune)
    return column.model_copy(
        update={"finetune": joined(own, changes), "box_class": small_box_class(column.box_class, told)}
    )


def small_box_class(box_class: str | None, told: Substitutions) -> str | None:
    """The class that replaces one of another table."""
    if box_class is None or box_class == _CLASS:
        return box_class
    told.put(f"AP of {box_class}", f"AP of {_CLASS}")
    return _CLASS
