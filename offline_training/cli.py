"""The command `lidar-vl-train`: finetune, evaluate, export. Prints, and turns errors into one line and an exit code."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lidar_vl_core import __version__
from lidar_vl_core.errors import LidarVlError

_BAD_INPUT, _INTERRUPTED = 2, 130  # as shells count them: 128 + signal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    # Threads of OpenMP that wait for work by spinning take the cores from the data loader and the compiled loops: many
    # times slower on a busy machine. Read when torch is imported, so it is set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        options.run(options)
    except LidarVlError as error:
        print(f"lidar-vl-train: {' '.join(str(error).split())}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("lidar-vl-train: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lidar-vl-train", description="Train, evaluate and export LiDAR segmentation networks."
    )
    parser.add_argument("--version", action="version", version=f"lidar-vl-train {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    finetune = commands.add_parser("finetune", help="train on labelled scans; goes on where the run was stopped")
    finetune.add_argument(
        "--config", type=Path, required=True, metavar="FILE.yaml", help="see offline_training/configs"
    )
    finetune.add_argument(
        "--resume",
        choices=("auto", "never", "previous", "best"),
        default="auto",
        help="auto: from the newest checkpoint in the run's folder, if there is one",
    )
    finetune.add_argument("overrides", nargs="*", metavar="name=value", help="replaces a value of the configuration")
    finetune.set_defaults(run=_finetune)

    weak_label = commands.add_parser(
        "weak-label", help="label the pictures of logs by vision models or ready maps; goes on where it was stopped"
    )
    weak_label.add_argument(
        "--config", type=Path, required=True, metavar="FILE.yaml", help="see offline_training/configs/weak_label_*.yaml"
    )
    weak_label.add_argument("overrides", nargs="*", metavar="name=value", help="replaces a value of the configuration")
    weak_label.set_defaults(run=_weak_label)

    _add_pretrain(commands)

    evaluate = commands.add_parser("evaluate", help="IoU per class of a checkpoint on labelled scans")
    evaluate.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a checkpoint's .json, or their folder")
    evaluate.add_argument(
        "--config", type=Path, metavar="FILE.yaml", help="use its validation sets instead of the checkpoint's own"
    )
    evaluate.add_argument("--out", type=Path, metavar="FILE.json", help="also write the metrics")
    evaluate.add_argument("--pictures", type=Path, metavar="DIR", help="also draw truth, prediction and errors")
    evaluate.add_argument("--threads", type=int, default=0, help="of the processor; default all")
    evaluate.set_defaults(run=_evaluate)

    _add_robustness(commands)

    export = commands.add_parser("export", help="write a model package: one ONNX file, manifest, card")
    export.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a checkpoint's .json, or their folder")
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
    export.set_defaults(run=_export)
    _add_check_data(commands)
    _add_submit(commands)
    _add_import_checkpoint(commands)
    return parser


def _add_check_data(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser("check-data", help="is a data set there and whole: layout, counts, three samples")
    check.add_argument(
        "kind", metavar="KIND", help="nuscenes, semantic_kitti, pandaset, ros_bag, ...: as in a configuration"
    )
    check.add_argument("folder", metavar="FOLDER", help="where it lies; for ros_bag the bag")
    check.add_argument(
        "overrides", nargs="*", metavar="name=value", help="of the data source, e.g. version=v1.0-mini, split=val"
    )
    check.set_defaults(run=_check_data)


def _add_submit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    submit = commands.add_parser("submit", help="predictions in the form that a benchmark's server takes")
    submit.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a checkpoint's .json, or their folder")
    submit.add_argument(
        "--config", type=Path, required=True, metavar="FILE.yaml", help="its validation sets are predicted"
    )
    submit.add_argument("--benchmark", choices=("nuscenes_lidarseg", "semantic_kitti"), required=True)
    submit.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder; DIR.zip comes beside it")
    submit.add_argument(
        "--uses",
        nargs="+",
        choices=("camera", "lidar", "radar", "map", "external"),
        default=["lidar"],
        help="what nuScenes is told that the method takes as input; default lidar",
    )
    submit.set_defaults(run=_submit)


def _add_pretrain(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    pretrain = commands.add_parser("pretrain", help="train a backbone from pictures; goes on where the run was stopped")
    pretrain.add_argument(
        "--config", type=Path, required=True, metavar="FILE.yaml", help="see offline_training/configs/pretrain_*.yaml"
    )
    pretrain.add_argument("--method", help="replaces the configuration's: olivine, ppkt, slidr, ...")
    pretrain.add_argument(
        "--resume",
        choices=("auto", "never", "previous"),
        default="auto",
        help="auto: from the newest checkpoint in the run's folder, if there is one",
    )
    pretrain.add_argument("overrides", nargs="*", metavar="name=value", help="replaces a value of the configuration")
    pretrain.set_defaults(run=_pretrain)


def _pretrain(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import load_config, parse_overrides
    from offline_training.pretrain import pretrain
    from offline_training.pretrain_config import PretrainConfig

    overrides = parse_overrides(options.overrides)
    if options.method is not None:
        overrides["method"] = options.method
    config = load_config(PretrainConfig, options.config, overrides)
    print(f"checkpoint: {pretrain(config, options.resume)}")


def _add_robustness(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    robustness = commands.add_parser("robustness", help="mean IoU under fog, snow, missing beams, ...; mRR and mCE")
    robustness.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="a checkpoint's .json, or their folder")
    robustness.add_argument(
        "--config", type=Path, required=True, metavar="FILE.yaml", help="clean data sets, or nuScenes-C, and the baseline"
    )
    robustness.add_argument("--out", type=Path, metavar="FILE.json", help="also write the figures")
    robustness.set_defaults(run=_robustness)


def _robustness(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import load_config
    from offline_training.robustness import RobustnessConfig, robustness, table

    print(table(robustness(options.checkpoint, load_config(RobustnessConfig, options.config), options.out)))


def _finetune(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import load_config, parse_overrides
    from offline_training.finetune import finetune
    from offline_training.finetune_config import FinetuneConfig

    config = load_config(FinetuneConfig, options.config, parse_overrides(options.overrides))
    print(f"checkpoint: {finetune(config, options.resume)}")


def _weak_label(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import load_config, parse_overrides
    from offline_training.weak_labels.weak_label import report_lines, weak_label
    from offline_training.weak_labels.weak_label_config import WeakLabelConfig

    config = load_config(WeakLabelConfig, options.config, parse_overrides(options.overrides))
    for line in report_lines(weak_label(config), config):
        print(line)
    print(f"labels: {config.out}; a few of them: {Path(config.out) / 'preview.png'}")


def _evaluate(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import load_config
    from offline_training.evaluate import evaluate, table
    from offline_training.finetune_config import FinetuneConfig

    sources = None if options.config is None else load_config(FinetuneConfig, options.config).validation
    metrics = evaluate(options.checkpoint, sources, options.out, options.threads)
    print(table(metrics))
    if options.pictures is not None:
        from offline_training.error_maps import write_error_maps

        for path in write_error_maps(options.checkpoint, sources, options.pictures):
            print(f"picture: {path}")


def _export(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import load_config
    from offline_training.export import CardText, export

    package, parity = export(options.checkpoint, options.out, options.clouds, load_config(CardText, options.card))
    for line in parity:
        print(line)
    print(f"package: {package.path}")


def _submit(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import load_config
    from offline_training.finetune_config import FinetuneConfig
    from offline_training.submission import submission

    sources = load_config(FinetuneConfig, options.config).validation
    packed = submission(options.checkpoint, sources, options.benchmark, options.out, options.uses)
    print(f"submission: {packed}")


def _check_data(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import parse_overrides, validated
    from offline_training.check_data import check_data
    from offline_training.data_sources import DataSource

    named = {"kind": options.kind, "folder": options.folder, **parse_overrides(options.overrides)}
    for finding in check_data(validated(DataSource, named, "check-data")):
        print(finding)


def _add_import_checkpoint(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "import-checkpoint",
        help="a pre-trained 3D network of SLidR, OLIVINE, Seal, ST-SLidR or OpenPCDet as a checkpoint",
    )
    command.add_argument(
        "file", type=Path, metavar="FILE", help=".pt, .pth, .ckpt or .safetensors; its code is never run"
    )
    command.add_argument("--kind", required=True, choices=("slidr", "olivine", "seal", "st_slidr", "voxelnet"))
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the checkpoint")
    command.set_defaults(run=_import_checkpoint)


def _import_checkpoint(options: argparse.Namespace) -> None:
    from offline_training.import_checkpoint import import_checkpoint

    print(import_checkpoint(options.file, options.kind, options.out))


if __name__ == "__main__":
    sys.exit(main())
