"""Commands of lidar-vl-train on networks that understand words: their options, and what each runs. Prints."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offline_training.guidance.vlg_config import VlgConfig


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to the parser."""
    _add_toy_language(commands)
    _add_stages(commands)


def _add_toy_language(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    toy = commands.add_parser(
        "toy-language", help="train the toy vision-language model of the synthetic worlds; minutes on a CPU"
    )
    toy.add_argument(
        "--config", type=Path, required=True, metavar="FILE.yaml", help="see offline_training/configs/toy_language.yaml"
    )
    toy.add_argument("overrides", nargs="*", metavar="name=value", help="replaces a value of the configuration")
    toy.set_defaults(run=_toy_language)


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
        stage = commands.add_parser(name, help=f"{told}; goes on where it was stopped")
        stage.add_argument(
            "--config", type=Path, required=True, metavar="FILE.yaml", help="see offline_training/configs/vlg_*.yaml"
        )
        if name == "guide":
            stage.add_argument(
                "--resume",
                choices=("auto", "never", "previous"),
                default="auto",
                help="auto: from the newest checkpoint in the run's folder, if there is one",
            )
        stage.add_argument("overrides", nargs="*", metavar="name=value", help="replaces a value of the configuration")
        stage.set_defaults(run=run)


def _toy_language(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import load_config, parse_overrides
    from offline_training.image_language.toy_language import QUALITY, ToyLanguageConfig, train_toy_language

    config = load_config(ToyLanguageConfig, options.config, parse_overrides(options.overrides))
    folder = train_toy_language(config)
    print(f"toy model: {folder}; how good it is: {folder / QUALITY}")


def _pseudo_label(options: argparse.Namespace) -> None:
    from offline_training.guidance.pseudo_label import pseudo_label

    folder = pseudo_label(_vlg_config(options))
    print(f"pseudo labels: {folder}; how good they are: {folder / 'statistics.json'}")


def _specialise(options: argparse.Namespace) -> None:
    from offline_training.guidance.specialise import specialise

    print(f"specialised features: {specialise(_vlg_config(options))}")


def _guide(options: argparse.Namespace) -> None:
    from offline_training.guidance.guide import guide

    print(f"checkpoint: {guide(_vlg_config(options), options.resume)}")


def _vlg_config(options: argparse.Namespace) -> "VlgConfig":
    from lidar_vl_core.config import load_config, parse_overrides
    from offline_training.guidance.vlg_config import VlgConfig

    return load_config(VlgConfig, options.config, parse_overrides(options.overrides))
