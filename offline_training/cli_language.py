"""Commands of lidar-vl-train on networks that understand words: their options, and what each runs. Prints."""

import argparse
from pathlib import Path


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to the parser."""
    _add_toy_language(commands)


def _add_toy_language(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    toy = commands.add_parser(
        "toy-language", help="train the toy vision-language model of the synthetic worlds; minutes on a CPU"
    )
    toy.add_argument(
        "--config", type=Path, required=True, metavar="FILE.yaml", help="see offline_training/configs/toy_language.yaml"
    )
    toy.add_argument("overrides", nargs="*", metavar="name=value", help="replaces a value of the configuration")
    toy.set_defaults(run=_toy_language)


def _toy_language(options: argparse.Namespace) -> None:
    from lidar_vl_core.config import load_config, parse_overrides
    from offline_training.image_language.toy_language import QUALITY, ToyLanguageConfig, train_toy_language

    config = load_config(ToyLanguageConfig, options.config, parse_overrides(options.overrides))
    folder = train_toy_language(config)
    print(f"toy model: {folder}; how good it is: {folder / QUALITY}")
