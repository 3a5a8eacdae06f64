"""Commands of lidar-vl-train on trained networks: their options, and what each runs. Prints."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lidar_vl_core.commands.program_options import add_overwrite
from lidar_vl_core.foundation.errors import BadRequest
from offline_training.cli.before_work import require_checkpoint, require_training
from offline_training.cli.options import add_checkpoint, add_config, add_data, overrides_of, require_no_earlier

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage
    from offline_training.export.card_text import CardText
    from offline_training.finetuning.config import ValidationConfig
    from offline_training.finetuning.detection.config import DetectValidationConfig

_POINT_BENCHMARKS = ("nuscenes_lidarseg", "semantic_kitti")
_BOX_BENCHMARKS = ("kitti_object", "nuscenes_detection")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to the parser."""
    _add_evaluate(commands)
    _add_robustness(commands)
    _add_submit(commands)
    _add_export(commands)


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = commands.add_parser(
        "evaluate", help="quality of a checkpoint or a package: IoU per class, or a detector's AP"
    )
    evaluate.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="a checkpoint's .json, or their folder; or a model package, by folder or by a name such as demo",
    )
    evaluate.add_argument(
        "--config", type=Path, metavar="FILE.yaml", help="use its validation sets instead of the checkpoint's own"
    )
    add_data(evaluate)
    evaluate.add_argument("--out", type=Path, metavar="FILE.json", help="also write the metrics")
    evaluate.add_argument("--pictures", type=Path, metavar="DIR", help="also draw truth and answers of some scans")
    evaluate.add_argument("--threads", type=int, default=0, help="of the processor; default all")
    add_overwrite(evaluate)
    evaluate.set_defaults(run=_evaluate)


def _add_robustness(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    robustness = commands.add_parser("robustness", help="mean IoU under fog, snow, missing beams, ...; mRR and mCE")
    add_checkpoint(robustness)
    add_config(robustness, "clean data sets, or nuScenes-C, and the baseline")
    add_data(robustness)
    robustness.add_argument("--out", type=Path, metavar="FILE.json", help="also write the figures")
    add_overwrite(robustness)
    robustness.set_defaults(run=_robustness)


def _add_submit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    submit = commands.add_parser("submit", help="predictions in the form that a benchmark's server takes")
    add_checkpoint(submit)
    add_config(submit, "its validation sets are predicted")
    add_data(submit)
    submit.add_argument("--benchmark", choices=(*_POINT_BENCHMARKS, *_BOX_BENCHMARKS), required=True)
    submit.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder; DIR.zip comes beside it")
    submit.add_argument(
        "--uses",
        nargs="+",
        choices=("camera", "lidar", "radar", "map", "external"),
        default=["lidar"],
        help="what nuScenes is told that the method takes as input; default lidar",
    )
    submit.set_defaults(run=_submit)


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = commands.add_parser("export", help="write a model package: one ONNX file, manifest, card")
    add_checkpoint(export)
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the package")
    export.add_argument(
        "--clouds",
        type=Path,
        nargs="+",
        required=True,
        metavar="CLOUD",
        help="cloud files or folders of them, on which the package is compared with PyTorch",
    )
    export.add_argument(
        "--card", type=Path, required=True, metavar="FILE.yaml", help="name, licence, training data, limits, text"
    )
    words = export.add_argument_group("of a network that understands words, from `guide`")
    words.add_argument(
        "--vocabulary", metavar="NAME", help="the words it begins with: a name or a .yaml file; default the run's"
    )
    words.add_argument(
        "--text-encoder", action="store_true", help="with the text tower: the robot can be asked for any other words"
    )
    words.add_argument(
        "--image-encoder", metavar="WIDTHxHEIGHT", help="with the image tower for pictures of this size: --ensemble"
    )
    add_overwrite(export)
    export.set_defaults(run=_export)


def _evaluate(options: argparse.Namespace) -> None:
    require_no_earlier(options, "out", "pictures")
    data = None if options.config is None else _validation_config(options)
    from lidar_vl_core.model_packages.package import is_model_package

    if not is_model_package(options.checkpoint):
        require_checkpoint(options.checkpoint)
    require_training("evaluate")
    from offline_training.evaluation.evaluate import evaluate

    sources = None if data is None else data.validation
    sweeps = 1 if data is None or data.task == "segmentation" else data.sweeps
    found = evaluate(options.checkpoint, sources, options.out, options.pictures, options.threads, sweeps)
    print(found.table)
    for path in found.pictures:
        print(f"picture: {path}")


def _validation_config(options: argparse.Namespace) -> "ValidationConfig | DetectValidationConfig":
    """The data sets of the configuration, which needs no other key here. Raises BadConfig, BadDataset."""
    overrides = overrides_of(options)
    from offline_training.datasets.data_sources import require_folders
    from offline_training.finetuning.tasks import load_validation_config

    config = load_validation_config(options.config, overrides)
    require_folders(config.validation)
    return config


def _robustness(options: argparse.Namespace) -> None:
    require_no_earlier(options, "out")
    overrides = overrides_of(options)
    from lidar_vl_core.foundation.config import load_config
    from offline_training.datasets.data_sources import require_folders
    from offline_training.evaluation.robustness_config import RobustnessConfig

    config = load_config(RobustnessConfig, options.config, overrides)
    require_folders(config.sources)
    require_checkpoint(options.checkpoint)
    require_training("robustness")
    from offline_training.evaluation.robustness import robustness, table

    print(table(robustness(options.checkpoint, config, options.out)))


def _submit(options: argparse.Namespace) -> None:
    sources = _validation_config(options).validation
    require_checkpoint(options.checkpoint)
    require_training("submit")
    if options.benchmark in _BOX_BENCHMARKS:
        from offline_training.evaluation.detection_submission import detection_submission

        print(detection_submission(options.checkpoint, sources, options.benchmark, options.out, options.uses))
        return
    from offline_training.evaluation.submission import submission

    packed = submission(options.checkpoint, sources, options.benchmark, options.out, options.uses)
    print(f"submission: {packed}")


def _export(options: argparse.Namespace) -> None:
    from lidar_vl_core.foundation.result_folder import require_replaceable
    from lidar_vl_core.model_packages.package_writer import PACKAGE_FILES

    require_replaceable(options.out, PACKAGE_FILES, options.overwrite)
    from lidar_vl_core.foundation.config import load_config
    from offline_training.export.card_text import CardText

    card = load_config(CardText, options.card)
    size = _height_width(options.image_encoder)
    require_checkpoint(options.checkpoint)
    if missing := [path for path in options.clouds if not path.exists()]:
        raise BadRequest(
            f"--clouds {missing[0]}: expected a cloud file or a folder of them, found none. Check the path."
        )
    require_training("export")
    package, parity = _exported(options, card, size)
    for line in parity:
        print(line)
    if package.manifest.training_sweeps is None and package.manifest.task != "detection":
        print("note: without the training data at hand, the package cannot tell when a recording is unlike it")
    print(f"package: {package.path}")


def _exported(
    options: argparse.Namespace, card: "CardText", size: tuple[int, int] | None
) -> "tuple[ModelPackage, Sequence[object]]":
    """The package of whatever the checkpoint is of, and a line about each engine."""
    from offline_training.export.export_embedding import Towers, export_embedding, is_language_checkpoint
    from offline_training.finetuning.tasks import DETECTION, checkpoint_task

    if is_language_checkpoint(options.checkpoint):
        towers = Towers(options.text_encoder, size)
        return export_embedding(options.checkpoint, options.out, options.clouds, card, options.vocabulary, towers)
    _refuse_words(options)
    if checkpoint_task(options.checkpoint) == DETECTION:
        from offline_training.export.export_detection import export_detection

        return export_detection(options.checkpoint, options.out, options.clouds, card)
    from offline_training.export.export_segmentation import export

    return export(options.checkpoint, options.out, options.clouds, card)


def _height_width(text: str | None) -> tuple[int, int] | None:
    """Of WIDTHxHEIGHT. Raises BadRequest for anything else."""
    if text is None:
        return None
    width, times, height = text.partition("x")
    if not (times and width.isdecimal() and height.isdecimal() and int(width) > 0 and int(height) > 0):
        raise BadRequest(f"--image-encoder: expected WIDTHxHEIGHT in pixels, such as 640x360, found {text!r}.")
    return int(height), int(width)


def _refuse_words(options: argparse.Namespace) -> None:
    given = [name for name in ("vocabulary", "text_encoder", "image_encoder") if getattr(options, name)]
    if given:
        raise BadRequest(
            f"{', '.join('--' + name.replace('_', '-') for name in given)}: expected a checkpoint of `lidar-vl-train guide`, "
            f"found one that knows no words: {options.checkpoint}. Leave these options out."
        )
