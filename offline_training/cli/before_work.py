"""Checks a command makes before PyTorch is imported: the files, folders and packages that its configuration names."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadDataset, BadModelPackage, BadRequest
from lidar_vl_core.foundation.optional_imports import TRAINING, require_packages

if TYPE_CHECKING:
    from offline_training.finetuning.config import FinetuneConfig
    from offline_training.finetuning.detection.config import DetectFinetuneConfig
    from offline_training.pretraining.base.config import PretrainConfig
    from offline_training.runs.run_config import RunConfig
    from offline_training.weak_labels.config import WeakLabelConfig
    from offline_training.words.settings.vlg_config import VlgConfig

_DOWNLOAD = "fetch it with `lidar-vl-train download MODEL --out FOLDER`, or fix the path"
_TOY = "train it by `lidar-vl-train toy-language`, or fix the path"
_ADVICE = {  # keys of labelers and image models that name what must lie on this machine
    **dict.fromkeys(("detector", "segmenter", "model", "adaptor", "dino_weights", "tokenizer", "weights"), _DOWNLOAD),
    **dict.fromkeys(("labels", "text_embeddings", "text_names", "text_encoder", "image_encoder", "tokenizer_file"), ""),
    "toy": _TOY,
    "folder": "",
}
_NO_PATHS = {("onnx", "tokenizer")}  # the name of one; its file is tokenizer_file
_PACKAGES = {  # by the kind of a labeler or image model
    "grounded_sam": ("vfm", ("transformers",)),
    "sam3": ("vfm", ("transformers",)),
    "radio": ("language", ("transformers",)),
    "open_clip": ("language", ("open_clip", "torchvision", "timm")),
    "siglip2": ("language", ("open_clip", "torchvision", "timm")),
}


def require_training(command: str) -> None:
    """Raise MissingExtra where the extra `train` is not installed."""
    require_packages(command, *TRAINING)


def require_checkpoint(path: Path | None, what: str = "") -> None:
    """Raise BadCheckpoint where there is no checkpoint of ours, by its .json or as a folder; BadRequest for None, as `what`."""
    if path is None:
        raise BadRequest(f"{what}: expected the checkpoint of a 3D network, found none. Give one.")
    described = path / "last.json" if path.is_dir() else path
    if not described.is_file():
        raise BadCheckpoint(
            f"{described}: expected a checkpoint, the .json beside its weights or their folder, found none. A run keeps its "
            "own in OUT/checkpoints."
        )


def require_run_folder(out: str) -> None:
    """Raise BadConfig for empty text as the `out` of a run, BadRequest for a place where no folder can be."""
    from lidar_vl_core.foundation.result_folder import require_folder_place

    if not out:
        raise BadConfig(
            "out: expected the folder of the run, found empty text. Name a folder, such as out: out/train/mine."
        )
    require_folder_place(Path(out), "out")


def require_trainable(config: "RunConfig") -> None:
    """Raise BadConfig for a run without data, with nowhere to write, or whose grid or point features cannot be."""
    from lidar_vl_core.voxels.features import FEATURE_NAMES
    from offline_training.networks.sparse.minkunet_shapes import SHAPES

    if not getattr(config, "train", ()):
        raise BadConfig("train: expected at least one data set to train on, found none. Add one, with kind and folder.")
    require_run_folder(config.out)
    _ = config.grid  # checks its numbers
    if config.network in SHAPES and not (config.features and set(config.features) <= set(FEATURE_NAMES)):
        raise BadConfig(
            f"features: expected some of {', '.join(FEATURE_NAMES)}, found {', '.join(config.features) or 'none'}."
        )


def require_for_pretraining(config: "PretrainConfig") -> None:
    """Raise the first reason why a pre-training cannot begin."""
    from offline_training.datasets.data_sources import require_data
    from offline_training.networks.image.weight_path import require_teacher_weights
    from offline_training.pretraining.base.config import PictureConfig

    require_trainable(config)
    require_data(config.train, config.class_table)
    require_training("pretrain")
    if isinstance(config, PictureConfig):
        require_teacher_weights(config.teacher, config.teacher_file, config.allow_random_weights)
        if config.teacher.startswith("timm:"):
            require_packages(f"teacher: {config.teacher}", "timm")


def require_for_finetuning(config: "FinetuneConfig") -> None:
    """Raise the first reason why a fine-tuning cannot begin."""
    from offline_training.datasets.data_sources import require_data

    require_trainable(config)
    require_data((*config.train, *config.validation), config.class_table)
    if config.start_from is not None:
        require_checkpoint(Path(config.start_from))
    require_training("finetune")


def require_for_detection(config: "DetectFinetuneConfig") -> None:
    """Raise the first reason why a fine-tuning for detection cannot begin."""
    from offline_training.datasets.box_sources import require_boxes

    require_run_folder(config.out)
    require_boxes((*config.train, *config.validation), config.class_table, config.sweeps)
    if config.start_from is not None:
        require_checkpoint(Path(config.start_from))
    require_training("finetune")


def require_for_weak_labels(config: "WeakLabelConfig") -> None:
    """Raise the first reason why images cannot be labelled."""
    from lidar_vl_core.classes.known_tables import class_table
    from offline_training.datasets.data_sources import data_set_spec, require_data

    require_run_folder(config.out)
    for source in config.source:
        require_data([source], class_table(data_set_spec(source.kind).classes[0]))
    if config.labeler is not None:
        require_parts("labeler", config.labeler)
    require_training("weak-label")
    if config.engine == "ray":
        require_packages("engine: ray", "ray")


def require_for_language(command: str, config: "VlgConfig", opens_model: bool = False, writes: bool = True) -> None:
    """Raise the first reason why a stage of 3DSS-VLG cannot begin; opens_model: its image model; writes: into the run's folder."""
    from offline_training.datasets.data_sources import require_data

    if writes:
        require_run_folder(config.out)
    require_data((*config.train, *config.validation), config.class_table)
    if opens_model:
        require_parts("model", config.model)
        if config.extract.engine == "ray":
            require_packages("engine: ray", "ray")
    require_training(command)


def require_made_by(command: str, folder: Path) -> None:
    """Raise BadDataset where the results of an earlier stage of a run are missing."""
    if not folder.is_dir():
        raise BadDataset(f"{folder}: expected the results of `lidar-vl-train {command}`, found none. Run it first.")


def require_parts(key: str, part: Any) -> None:  # noqa: ANN401  a configuration by its kind
    """Raise BadModelPackage for a file or folder of a labeler or image model that is not there, MissingExtra for a package."""
    for name, advice in _ADVICE.items():
        path = getattr(part, name, None)
        if isinstance(path, str) and (part.kind, name) not in _NO_PATHS and not Path(path).exists():
            what = advice or ("correct the path" if part.kind != "toy" else _TOY)
            raise BadModelPackage(f"{key}.{name}: expected a file or folder {path}, found none: {what}.")
    extra, packages = _PACKAGES.get(part.kind, (None, ()))
    require_packages(f"{key}: {part.kind}", *packages, extra=extra)
