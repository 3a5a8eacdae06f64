"""The command `lidar-vl-train export`: its options, and exporting what it is given. Prints."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lidar_vl_core.commands.program.program_options import add_overwrite
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.sparse_model.known_precisions import Precision
from offline_training.cli.before_work import require_checkpoint, require_training

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage
    from offline_training.export.card_text import CardText

PRECISIONS = get_args(Precision)
_OF_WORDS = ("vocabulary", "text_encoder", "image_encoder", "adapter")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add it to the parser."""
    export = commands.add_parser("export", help="write a model package: one ONNX file, manifest, card")
    export.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="the .json of a checkpoint, or the folder of checkpoints; or a float32 package, by folder or name, for another --precision",
    )
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the package")
    export.add_argument(
        "--clouds",
        type=Path,
        nargs="+",
        required=True,
        metavar="CLOUD",
        help="cloud files or folders of them, on which the package is compared with PyTorch, and lower precision with float32",
    )
    export.add_argument(
        "--card", type=Path, metavar="FILE.yaml", help="of a checkpoint: name, licence, training data, limits, text"
    )
    export.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="arithmetic of the network on the vehicle: fp32 (default), fp16, or int8 in its sparse convolutions",
    )
    export.add_argument(
        "--calibration",
        type=Path,
        nargs="+",
        metavar="CLOUDS",
        default=[],
        help="for int8: cloud files, folders of them, or bags from the vehicle's own sensor, different from --clouds",
    )
    words = export.add_argument_group("of a network that understands words, from `guide`")
    words.add_argument(
        "--vocabulary", metavar="NAME", help="the words it begins with: a name or a .yaml file; default the run's"
    )
    words.add_argument(
        "--text-encoder",
        action="store_true",
        help="include the text encoder, so that the robot can look for any other words",
    )
    words.add_argument(
        "--image-encoder",
        metavar="WIDTHxHEIGHT",
        help="include the image encoder for images of this size, for --ensemble",
    )
    words.add_argument(
        "--adapter",
        action="store_true",
        help="with --image-encoder: apply the run's adapter to its features, as for those the network learned",
    )
    add_overwrite(export)
    export.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    from lidar_vl_core.foundation.result_folder import require_apart, require_folder_place, require_replaceable
    from lidar_vl_core.model_packages.package_writer import PACKAGE_FILES

    require_folder_place(options.out)
    require_replaceable(options.out, PACKAGE_FILES, options.overwrite)
    from lidar_vl_core.model_packages.package import is_model_package

    packaged = is_model_package(options.checkpoint)
    if packaged and options.checkpoint.exists():
        require_apart(options.out, options.checkpoint)
    _require_fitting(options, packaged)
    card = None if packaged else _card(options)
    size = _height_width(options.image_encoder)
    if not packaged:
        require_checkpoint(options.checkpoint)
    for name in ("clouds", "calibration"):
        if missing := [path for path in getattr(options, name) if not path.exists()]:
            raise BadRequest(
                f"--{name} {missing[0]}: expected a cloud file or a folder of them, found none. Check the path."
            )
    require_training("export")
    package, parity = _lowered(options) if card is None else _from_checkpoint(options, card, size)
    for line in parity:
        print(line)
    if package.manifest.training_sweeps is None and package.manifest.task != "detection":
        print(
            "note: the training data is not available here, so the package cannot tell when a recording differs from it"
        )
    print(f"package: {package.path}")


def _require_fitting(options: argparse.Namespace, packaged: bool) -> None:
    """Raise BadRequest for options that do not belong to what is exported."""
    if (options.precision == "int8") != bool(options.calibration):
        raise BadRequest(
            f"--calibration: expected clouds of the sensor for --precision int8 and none for other precisions, found "
            f"{len(options.calibration)} for {options.precision}. Give both, or neither."
        )
    if options.adapter and options.image_encoder is None:
        raise BadRequest("--adapter: expected --image-encoder with it, found none. Give both, or neither.")
    if not packaged:
        return
    if options.precision == "fp32":
        raise BadRequest(
            f"--precision: expected fp16 or int8 for the package {options.checkpoint}, found fp32. Export a checkpoint to get fp32."
        )
    given = [name for name in ("card", *_OF_WORDS) if getattr(options, name)]
    if given:
        raise BadRequest(
            f"{_as_options(given)}: expected a checkpoint, found the package {options.checkpoint}, whose card and words stay. "
            "Leave these options out."
        )


def _card(options: argparse.Namespace) -> "CardText":
    from lidar_vl_core.foundation.config import load_config
    from offline_training.export.card_text import CardText

    if options.card is None:
        raise BadRequest(
            "--card: expected a file with name, licence, training data, limits and text, found none. Write one as "
            "offline_training/configs/export/demo_card.yaml."
        )
    return load_config(CardText, options.card)


def _lowered(options: argparse.Namespace) -> "tuple[ModelPackage, Sequence[object]]":
    """A package's own in lower precision."""
    from lidar_vl_core.model_packages.package import load_model_package

    return _in_precision(options, load_model_package(str(options.checkpoint)))


def _from_checkpoint(
    options: argparse.Namespace, card: "CardText", size: tuple[int, int] | None
) -> "tuple[ModelPackage, Sequence[object]]":
    """The float32 package of a checkpoint, or one made of it."""
    if options.precision == "fp32":
        return _exported(options, card, size, options.out)
    with tempfile.TemporaryDirectory() as folder:
        single, parity = _exported(options, card, size, Path(folder) / "float32")
        package, more = _in_precision(options, single)
    return package, [*parity, *more]


def _in_precision(options: argparse.Namespace, single: "ModelPackage") -> "tuple[ModelPackage, Sequence[object]]":
    from offline_training.export.export_precision import export_precision
    from offline_training.export.parity import read_clouds

    return export_precision(single, options.out, options.precision, read_clouds(options.clouds), options.calibration)


def _exported(
    options: argparse.Namespace, card: "CardText", size: tuple[int, int] | None, out: Path
) -> "tuple[ModelPackage, Sequence[object]]":
    """The package of whatever the checkpoint is of, and a line about each engine."""
    from offline_training.export.export_embedding import Towers, export_embedding, is_language_checkpoint
    from offline_training.finetuning.tasks import DETECTION, checkpoint_task

    if is_language_checkpoint(options.checkpoint):
        towers = Towers(options.text_encoder, size, options.adapter)
        return export_embedding(options.checkpoint, out, options.clouds, card, options.vocabulary, towers)
    _refuse_words(options)
    if checkpoint_task(options.checkpoint) == DETECTION:
        from offline_training.export.export_detection import export_detection

        return export_detection(options.checkpoint, out, options.clouds, card)
    from offline_training.export.export_segmentation import export

    return export(options.checkpoint, out, options.clouds, card)


def _height_width(text: str | None) -> tuple[int, int] | None:
    """Of WIDTHxHEIGHT. Raises BadRequest for anything else."""
    if text is None:
        return None
    width, times, height = text.partition("x")
    if not (times and width.isdecimal() and height.isdecimal() and int(width) > 0 and int(height) > 0):
        raise BadRequest(f"--image-encoder: expected WIDTHxHEIGHT in pixels, such as 640x360, found {text!r}.")
    return int(height), int(width)


def _refuse_words(options: argparse.Namespace) -> None:
    given = [name for name in _OF_WORDS if getattr(options, name)]
    if given:
        raise BadRequest(
            f"{_as_options(given)}: expected a checkpoint of `lidar-vl-train guide`, "
            f"found one without words: {options.checkpoint}. Leave these options out."
        )


def _as_options(names: Sequence[str]) -> str:
    return ", ".join("--" + name.replace("_", "-") for name in names)
