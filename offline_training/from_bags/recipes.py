"""The configurations of a guided run's stages: the recipes there are, with data and folders put in. Reads files."""

from pathlib import Path

from lidar_vl_core.foundation.config import load_yaml, validated
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.from_bags.asked import Asked, Places
from offline_training.pretraining.base.config import PretrainConfig, StoreKeys
from offline_training.pretraining.config import pretrain_config_of
from offline_training.pretraining.keys.olivine import OlivineConfig
from offline_training.weak_labels.config import WeakLabelConfig

RECIPES = Path(__file__).parents[1] / "configs/pretrain"
_LABELS, _SUPERPIXELS, _GEOMETRY = "ros_bag.yaml", "ros_bag_slidr.yaml", "ros_bag_geometry.yaml"


def label_config(asked: Asked, places: Places | None = None) -> WeakLabelConfig | None:
    """Configuration of the weak labels; superpixels alone where no recipe is given, nothing where nobody would read those either."""
    if asked.weak_labels is not None:
        content, origin = load_yaml(Path(asked.weak_labels)), asked.weak_labels
    elif asked.teacher_weights is not None or asked.pretrain is not None:
        content, origin = {"superpixels": "slic"}, "weak labels"
    else:
        return None
    out = {"out": str(asked.folder / "weak_labels"), "source": asked.sources(places)}
    return validated(WeakLabelConfig, {**content, **out}, origin)


def pretrain_config(asked: Asked, labels: WeakLabelConfig | None, places: Places | None = None) -> PretrainConfig:
    """Configuration of the pre-training, by the recipe given or the best that what is there allows. Raises BadConfig for one that lacks labels."""
    path = Path(asked.pretrain) if asked.pretrain is not None else RECIPES / _recipe(asked, labels)
    content = load_yaml(path)
    content |= {"out": str(asked.folder / "pretrain"), "train": asked.sources(places)}
    if content.get("pair_cache") is not None:
        content["pair_cache"] = str(asked.folder / "cache/pairs")
    if "weak_labels" in content:
        content["weak_labels"] = None if labels is None else labels.out
    if asked.teacher_weights is not None:
        content["teacher_weights"] = asked.teacher_weights
    if asked.steps is not None:
        content = {**content, "epochs": None, "max_steps": asked.steps}
    config = pretrain_config_of(content, str(path))
    _require_labels(config, labels, path)
    return config


def stage_configs(asked: Asked, places: Places | None = None) -> tuple[WeakLabelConfig | None, PretrainConfig]:
    """Configurations of weak labels and pre-training; no labels where neither the method nor the probe would read them."""
    labels = label_config(asked, places)
    config = pretrain_config(asked, labels, places)
    is_read = labels is not None and (labels.labeler is not None or isinstance(config, StoreKeys))
    return labels if is_read else None, config


def told_choice(asked: Asked, config: PretrainConfig) -> str:
    """Why this method, and what another one needs; one sentence."""
    if asked.pretrain is not None:
        return f"{config.method}, as {asked.pretrain} says."
    if isinstance(config, OlivineConfig):
        return "olivine, because there are an image teacher and a labeler."
    if isinstance(config, StoreKeys):
        return (
            "slidr, because there is an image teacher but no labeler: --weak-labels FILE.yaml with one allows olivine."
        )
    return (
        "pointcontrast, from geometry only, because there is no image teacher: --teacher-weights FILE allows the methods that learn "
        "from images, which give better backbones."
    )


def _recipe(asked: Asked, labels: WeakLabelConfig | None) -> str:
    if asked.teacher_weights is None:
        return _GEOMETRY
    return _SUPERPIXELS if labels is None or labels.labeler is None else _LABELS


def _require_labels(config: PretrainConfig, labels: WeakLabelConfig | None, path: Path) -> None:
    if isinstance(config, OlivineConfig):
        if config.labels == "weak" and (labels is None or labels.labeler is None):
            raise BadConfig(
                f"{path}: expected weak classes, which olivine learns from, found no labeler. Give --weak-labels FILE.yaml with "
                "one, such as configs/weak_labels/ros_bag.yaml, or the recipe pretrain/ros_bag_slidr.yaml."
            )
    elif isinstance(config, StoreKeys) and (labels is None or labels.superpixels == "none"):
        raise BadConfig(
            f"{path}: expected superpixels, which {config.method} learns from, found none in the recipe of weak labels. Write "
            "superpixels: slic there."
        )
