"""Commands of lidar-vl-train that train: their options, and what each runs. Prints."""

import argparse
import pkgutil
from pathlib import Path

from lidar_vl_core.commands.program.program_options import add_overwrite
from lidar_vl_core.foundation.errors import BadRequest
from offline_training.cli.before_work import (
    require_for_detection,
    require_for_finetuning,
    require_for_pretraining,
    require_parts,
    require_training,
)
from offline_training.cli.options import (
    add_config,
    add_data,
    add_overrides,
    add_resume,
    overrides_of,
    require_new_folder,
)
from offline_training.pretraining import methods

_BACKBONES = (
    "slidr",
    "olivine",
    "seal",
    "st_slidr",
    "voxelnet",
    "scalr",
    "scalr_plus",
    "waffleiron_nuscenes",
    "waffleiron_kitti",
)  # kinds of import-checkpoint
_DETECTORS = ("second", "pv_rcnn", "centerpoint")
_OPENSCENE = "openscene"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to the parser."""
    _add_pretrain(commands)
    _add_import_checkpoint(commands)
    _add_finetune(commands)


def _add_pretrain(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    pretrain = commands.add_parser("pretrain", help="pre-train a backbone from camera images; resumes a stopped run")
    add_config(pretrain, "see offline_training/configs/pretrain/*.yaml")
    pretrain.add_argument("--method", help=f"replaces the configuration's, one of {', '.join(_method_names())}")
    add_data(pretrain)
    add_resume(pretrain)
    add_overrides(pretrain)
    pretrain.set_defaults(run=_pretrain)


def _add_import_checkpoint(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "import-checkpoint",
        help="a 3D network of SLidR, OLIVINE, Seal, ST-SLidR, ScaLR, ScaLR+, WaffleIron or OpenScene, or a detector of OpenPCDet, as a checkpoint",
    )
    command.add_argument(
        "file", type=Path, metavar="FILE", help=".pt, .pth, .ckpt or .safetensors; its code is never run"
    )
    command.add_argument("--kind", required=True, choices=(*_BACKBONES, *_DETECTORS, _OPENSCENE))
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE.yaml",
        help="with --kind openscene, which takes its grid and words from there: see configs/words/openscene.yaml",
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the checkpoint")
    add_overwrite(command)
    command.set_defaults(run=_import_checkpoint)


def _add_finetune(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    finetune = commands.add_parser("finetune", help="train on labelled scans; resumes a stopped run")
    add_config(finetune, "see offline_training/configs")
    add_data(finetune)
    add_resume(finetune, "best")
    add_overrides(finetune)
    finetune.set_defaults(run=_finetune)


def _method_names() -> list[str]:
    """Of the folder, so that --help imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(methods.__path__))


def _pretrain(options: argparse.Namespace) -> None:
    overrides = overrides_of(options)
    from offline_training.pretraining.config import load_pretrain_config

    if options.method is not None:
        overrides["method"] = options.method
    config = load_pretrain_config(options.config, overrides)
    require_for_pretraining(config)
    from offline_training.pretraining.pretrain import pretrain

    print(f"checkpoint: {pretrain(config, options.resume)}")


def _import_checkpoint(options: argparse.Namespace) -> None:
    require_new_folder(options, "out")
    from offline_training.networks.image.weight_path import require_weight_file

    require_weight_file(options.file)
    if (options.config is None) == (options.kind == _OPENSCENE):
        raise BadRequest(
            f"--config: expected with --kind {_OPENSCENE} alone, found {'none' if options.config is None else 'it'} with "
            f"--kind {options.kind}. {'Give one.' if options.config is None else 'Leave it out.'}"
        )
    require_training("import-checkpoint")
    if options.kind == _OPENSCENE:
        _import_openscene(options)
        return
    if options.kind in _DETECTORS:
        from offline_training.finetuning.detection.import_detector import import_detector

        print(import_detector(options.file, options.kind, options.out))
        return
    from offline_training.runs.import_checkpoint import import_checkpoint

    print(import_checkpoint(options.file, options.kind, options.out))


def _import_openscene(options: argparse.Namespace) -> None:
    from lidar_vl_core.foundation.config import load_config
    from offline_training.words.settings.vlg_config import VlgConfig

    config = load_config(VlgConfig, options.config, {})
    require_parts("model", config.model)
    from offline_training.words.stages.guidance.import_openscene import import_openscene

    print(import_openscene(options.file, config, options.out))


def _finetune(options: argparse.Namespace) -> None:
    overrides = overrides_of(options)
    from offline_training.finetuning.detection.config import DetectFinetuneConfig
    from offline_training.finetuning.tasks import load_finetune_config

    config = load_finetune_config(options.config, overrides)
    if isinstance(config, DetectFinetuneConfig):
        require_for_detection(config)
        from offline_training.finetuning.detection.detect_finetune import detect_finetune

        print(f"checkpoint: {detect_finetune(config, options.resume)}")
        return
    require_for_finetuning(config)
    from offline_training.finetuning.finetune import finetune

    print(f"checkpoint: {finetune(config, options.resume)}")
