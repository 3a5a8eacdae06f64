"""Commands of lidar-vl-train on trained networks: their options, and what each runs. Prints."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lidar_vl_core.commands.program.program_options import add_overwrite
from lidar_vl_core.foundation.errors import BadRequest
from offline_training.cli.before_work import require_checkpoint, require_training
from offline_training.cli.options import (
    add_checkpoint,
    add_config,
    add_data,
    overrides_of,
    require_new_file,
    require_new_folder,
)

if TYPE_CHECKING:
    from offline_training.finetuning.config import ValidationConfig
    from offline_training.finetuning.detection.config import DetectValidationConfig

_POINT_BENCHMARKS = ("nuscenes_lidarseg", "semantic_kitti")
_BOX_BENCHMARKS = ("kitti_object", "nuscenes_detection")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to the parser."""
    _add_evaluate(commands)
    _add_robustness(commands)
    _add_submit(commands)


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = commands.add_parser(
        "evaluate", help="evaluate a checkpoint or a package: IoU per class, or a detector's AP"
    )
    evaluate.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="the .json of a checkpoint, or the folder of checkpoints; or a model package, by folder or by a name such as demo",
    )
    evaluate.add_argument(
        "--config",
        type=Path,
        metavar="FILE.yaml",
        help="configuration whose validation sets are used instead of the checkpoint's own",
    )
    add_data(evaluate)
    evaluate.add_argument("--out", type=Path, metavar="FILE.json", help="also write the metrics")
    evaluate.add_argument("--images", type=Path, metavar="DIR", help="also draw truth and predictions of some scans")
    evaluate.add_argument("--pictures", dest="images", type=Path, help=argparse.SUPPRESS)  # its name until 0.2.0
    evaluate.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    evaluate.add_argument(
        "--engine",
        metavar="ENGINE",
        help="what runs a package: auto (default), fused, onnxruntime, onnxruntime_gpu or tensorrt",
    )
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
    submit = commands.add_parser("submit", help="write predictions in the format of a benchmark's server")
    add_checkpoint(submit)
    add_config(submit, "its validation sets are predicted")
    add_data(submit)
    submit.add_argument("--benchmark", choices=(*_POINT_BENCHMARKS, *_BOX_BENCHMARKS), required=True)
    submit.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a new folder; DIR.zip is written next to it"
    )
    submit.add_argument(
        "--uses",
        nargs="+",
        choices=("camera", "lidar", "radar", "map", "external"),
        default=["lidar"],
        help="input modality to declare to nuScenes (default: lidar)",
    )
    submit.set_defaults(run=_submit)


def _evaluate(options: argparse.Namespace) -> None:
    require_new_file(options, "out")
    require_new_folder(options, "images")
    if options.config is None and options.data is not None:
        raise BadRequest(
            "--data: expected --config with it, found none: the run's own data sets lie where its configuration says. Give the file "
            "that names the data set, or leave --data out."
        )
    data = None if options.config is None else _validation_config(options)
    from lidar_vl_core.model_packages.package import is_model_package

    if not is_model_package(options.checkpoint):
        require_checkpoint(options.checkpoint)
    require_training("evaluate")
    from offline_training.evaluation.evaluate import evaluate

    sources = None if data is None else data.validation
    sweeps = 1 if data is None or data.task == "segmentation" else data.sweeps
    found = evaluate(options.checkpoint, sources, options.out, options.images, options.threads, sweeps, options.engine)
    print(found.table)
    for path in found.pictures:
        print(f"image: {path}")


def _validation_config(options: argparse.Namespace) -> "ValidationConfig | DetectValidationConfig":
    """The data sets of the configuration, which needs no other key here. Raises BadConfig, BadDataset."""
    overrides = overrides_of(options)
    from offline_training.datasets.data_sources import require_folders
    from offline_training.finetuning.tasks import load_validation_config

    config = load_validation_config(options.config, overrides)
    require_folders(config.validation)
    return config


def _robustness(options: argparse.Namespace) -> None:
    require_new_file(options, "out")
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
    from lidar_vl_core.foundation.result_folder import require_folder_place
    from offline_training.evaluation.submission_folder import require_new

    require_folder_place(options.out)
    require_new(options.out)
    sources = _validation_config(options).validation
    require_checkpoint(options.checkpoint)
    require_training("submit")
    if options.benchmark in _BOX_BENCHMARKS:
        from offline_training.evaluation.detection_submission import detection_submission

        print(detection_submission(options.checkpoint, sources, options.benchmark, options.out, options.uses))
        return
    from offline_training.evaluation.submission import submission

    print(submission(options.checkpoint, sources, options.benchmark, options.out, options.uses))
