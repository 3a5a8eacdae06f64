"""Commands of lidar-vl-train on networks that understand words: their options, and what each runs. Prints."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lidar_vl_core.commands.program.program_options import add_overwrite
from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from offline_training.cli.before_work import (
    require_checkpoint,
    require_for_language,
    require_made_by,
    require_run_folder,
    require_training,
)
from offline_training.cli.options import (
    add_config,
    add_data,
    add_engine,
    add_overrides,
    add_random_weights,
    add_resume,
    overrides_of,
    require_new_file,
    require_new_folder,
)

if TYPE_CHECKING:
    from offline_training.words.settings.vlg_config import VlgConfig


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to the parser."""
    _add_toy_language(commands)
    _add_extract_features(commands)
    _add_stages(commands)
    _add_evaluate_language(commands)


def _add_toy_language(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    toy = commands.add_parser(
        "toy-language", help="train the toy vision-language model of the synthetic worlds; minutes on a CPU"
    )
    add_config(toy, "see offline_training/configs/words/toy_language.yaml")
    add_overrides(toy)
    toy.set_defaults(run=_toy_language)


def _add_extract_features(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    extract = commands.add_parser(
        "extract-features",
        help="image features in the space of words for every point of the scenes; resumes a stopped run",
    )
    add_config(extract, "see offline_training/configs/words/*.yaml")
    add_data(extract)
    add_engine(extract)
    add_random_weights(extract)
    add_overrides(extract)
    extract.set_defaults(run=_extract_features)


def _add_stages(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    stages = (
        (
            "pseudo-label",
            "stage 1 of 3DSS-VLG: a class for every point from image features and class lists",
            _pseudo_label,
        ),
        ("specialise", "stage 2 of 3DSS-VLG: an adapter learns the pseudo labels", _specialise),
        ("guide", "stage 3 of 3DSS-VLG: a 3D network learns the specialised features", _guide),
    )
    for name, told, run in stages:
        stage = commands.add_parser(name, help=f"{told}; resumes a stopped run")
        add_config(stage, "see offline_training/configs/words/*.yaml")
        add_data(stage)
        if name == "guide":
            add_resume(stage)
        add_random_weights(stage)
        add_overrides(stage)
        stage.set_defaults(run=run)


def _add_evaluate_language(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "evaluate-language", help="IoU per class of answers to words, from a 3D network, image features, or both"
    )
    command.add_argument(
        "checkpoint", type=Path, nargs="?", metavar="CHECKPOINT", help="checkpoint of `guide`; --mode 2d needs none"
    )
    add_config(command, "configuration of the run, whose validation sets are used")
    add_data(command)
    command.add_argument(
        "--mode",
        choices=("2d", "3d", "ensemble"),
        default="3d",
        help="what answers: image features, the 3D network, or the more confident of the two (default: 3d)",
    )
    command.add_argument(
        "--vocabulary", metavar="NAME", help="other words: a name or a .yaml file (default: the run's)"
    )
    command.add_argument(
        "--truth-as",
        nargs="+",
        default=[],
        metavar="CLASS=CLASS",
        help="count a true class as another class of the words",
    )
    command.add_argument(
        "--specialised", action="store_true", help="also evaluate image features after the run's adapter"
    )
    command.add_argument("--images", type=Path, metavar="DIR", help="also draw input, truth, baseline and answers")
    command.add_argument("--pictures", dest="images", type=Path, help=argparse.SUPPRESS)  # its name until 0.2.0
    command.add_argument(
        "--out", type=Path, metavar="FILE.json", help="also write the metrics, with the confusion matrix next to them"
    )
    add_random_weights(command)
    add_overwrite(command)
    command.set_defaults(run=_evaluate_language, overrides=[])


def _toy_language(options: argparse.Namespace) -> None:
    from lidar_vl_core.foundation.config import load_config, parse_overrides
    from offline_training.datasets.data_sources import require_folders
    from offline_training.toys.toy_config import ToyLanguageConfig

    config = load_config(ToyLanguageConfig, options.config, parse_overrides(options.overrides))
    require_run_folder(config.out)
    require_folders((*config.train, *config.test))
    require_training("toy-language")
    from offline_training.toys.toy_language import QUALITY, train_toy_language

    folder = train_toy_language(config)
    print(f"toy model: {folder}; its quality: {folder / QUALITY}")


def _extract_features(options: argparse.Namespace) -> None:
    changed = {} if options.engine is None else {"extract.engine": options.engine}
    config = _config(options, **changed)
    require_for_language("extract-features", config, opens_model=True)
    from offline_training.words.features.extract_features import extract_features
    from offline_training.words.features.feature_report import report_lines

    report = extract_features(config)
    for line in report_lines(report):
        print(line)
    print(f"features: {report.store.folder}; a few scenes from above: {report.store.folder / 'preview.png'}")


def _pseudo_label(options: argparse.Namespace) -> None:
    config = _config(options)
    require_for_language("pseudo-label", config)
    require_made_by("extract-features", config.features_folder)
    from offline_training.words.evaluation.label_pictures import write_label_picture
    from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label

    folder = pseudo_label(config)
    print(f"pseudo labels: {folder}; their quality: {folder / 'statistics.json'}")
    print(f"what was removed, filled and changed: {write_label_picture(config)}")


def _specialise(options: argparse.Namespace) -> None:
    config = _config(options)
    require_for_language("specialise", config)
    require_made_by("extract-features", config.features_folder)
    require_made_by("pseudo-label", Path(config.out) / "pseudo_labels")
    from offline_training.words.stages.adapter.specialise import specialise

    print(f"specialised features: {specialise(config)}")


def _guide(options: argparse.Namespace) -> None:
    config = _config(options)
    require_for_language("guide", config)
    specialised = Path(config.out) / "specialised"
    if not (config.specialise.enabled and specialised.is_dir()):  # names the first missing stage
        require_made_by("extract-features", config.features_folder)
    if config.specialise.enabled and not specialised.is_dir():
        require_made_by("pseudo-label", Path(config.out) / "pseudo_labels")
        require_made_by("specialise", specialised)
    from offline_training.words.stages.guidance.guide import guide

    print(f"checkpoint: {guide(config, options.resume)}")


def _evaluate_language(options: argparse.Namespace) -> None:
    require_new_file(options, "out")
    require_new_folder(options, "images")
    from lidar_vl_core.words.vocabulary import load_vocabulary
    from offline_training.words.settings.question import Question

    config = _config(options)
    words = config.words if options.vocabulary is None else load_vocabulary(options.vocabulary)
    question = Question(options.mode, words, _pairs(options.truth_as), specialised=options.specialised)
    if not config.validation:
        raise BadConfig(f"{options.config}: validation: expected data sets to evaluate on, found none. Add some.")
    require_for_language("evaluate-language", config, writes=False)
    if options.mode != "2d":
        require_checkpoint(options.checkpoint, f"--mode {options.mode}")
    if options.mode != "3d":
        require_made_by("extract-features", config.features_folder)
    from lidar_vl_core.foundation.files import write_bytes
    from offline_training.words.evaluation.evaluate_language import evaluate_language, table
    from offline_training.words.evaluation.pictures import confusion_picture, write_language_pictures

    if options.specialised and options.mode != "3d":  # both are reported
        raw = evaluate_language(config, options.checkpoint, replace(question, specialised=False))
        print(f"image features without the adapter:\n{table(raw)}\nimage features after the adapter:")
    metrics = evaluate_language(config, options.checkpoint, question, None, options.out)
    print(table(metrics))
    if options.out is not None:
        path = options.out.with_suffix(".png")
        write_bytes(
            path, confusion_picture(metrics["pooled"], words.class_table.names, f"{words.name}, {options.mode}")
        )
        print(f"metrics: {options.out}; confusion: {path}")
    if options.images is not None:
        for path in write_language_pictures(config, options.checkpoint, options.images, question):
            print(f"image: {path}")


def _pairs(texts: list[str]) -> dict[str, str]:
    for text in texts:
        if text.count("=") != 1:
            raise BadRequest(f"--truth-as {text}: expected CLASS=CLASS. Write e.g. manmade=wall.")
    return dict(text.split("=") for text in texts)


def _config(options: argparse.Namespace, **changed: object) -> "VlgConfig":
    """The configuration of a stage as its options change it."""
    overrides = {**overrides_of(options), **changed}
    from lidar_vl_core.foundation.config import load_config
    from offline_training.words.settings.vlg_config import VlgConfig

    if options.allow_random_weights:
        overrides["model.allow_random_weights"] = True
    return load_config(VlgConfig, options.config, overrides)
