"""Commands of lidar-vl-train on data: their options, and what each runs. Prints."""

import argparse
from pathlib import Path

from offline_training.cli.before_work import require_for_weak_labels
from offline_training.cli.options import add_config, add_data, add_engine, add_overrides, list_data_sets, overrides_of


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to the parser."""
    _add_check_data(commands)
    _add_weak_label(commands)
    _add_download(commands)


def _add_check_data(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser("check-data", help="check that a data set is complete: layout, counts, three samples")
    check.add_argument(
        "--list",
        action=_ListDataSets,
        nargs=0,
        help="print every data set: layout, splits, keys, class tables; and exit",
    )
    check.add_argument("kind", metavar="KIND", help="nuscenes, semantic_kitti, ros_bag, ...: see --list")
    check.add_argument("folder", metavar="FOLDER", help="its folder; for ros_bag, the recording")
    check.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="name=value",
        help="a key of the data set, e.g. version=v1.0-mini, split=val",
    )
    list_data_sets(check)
    check.set_defaults(run=_check_data)


def _add_weak_label(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    weak_label = commands.add_parser(
        "weak-label", help="label the images of logs with vision models or existing maps; resumes a stopped run"
    )
    add_config(weak_label, "see offline_training/configs/weak_labels/*.yaml")
    add_engine(weak_label)
    add_data(weak_label)
    add_overrides(weak_label)
    weak_label.set_defaults(run=_weak_label)


def _add_download(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    download = commands.add_parser(
        "download", help="download a vision model for weak labels; no other command downloads anything"
    )
    download.add_argument("model", metavar="MODEL", help="sam-vit-huge, grounding-dino-tiny, ..., or owner/name")
    download.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    download.add_argument("--revision", default="main", help="commit or tag; default main, recorded as its commit")
    download.add_argument("--accept-licence", metavar="NAME", help="the licence's name, once you have read it")
    download.set_defaults(run=_download)


class _ListDataSets(argparse.Action):
    """Prints and ends, as --version does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from offline_training.datasets.data_set_table import data_set_table

        print(data_set_table())
        parser.exit()


def _check_data(options: argparse.Namespace) -> None:
    from lidar_vl_core.foundation.config import home_expanded, parse_overrides
    from offline_training.datasets.check_data import check_data
    from offline_training.datasets.data_sources import data_source

    named = {"kind": options.kind, "folder": options.folder, **parse_overrides(options.overrides)}
    for finding in check_data(data_source(home_expanded(named), "check-data")):
        print(finding)


def _weak_label(options: argparse.Namespace) -> None:
    overrides = overrides_of(options)
    from lidar_vl_core.foundation.config import load_config
    from offline_training.weak_labels.config import WeakLabelConfig

    if options.engine is not None:
        overrides["engine"] = options.engine
    config = load_config(WeakLabelConfig, options.config, overrides)
    require_for_weak_labels(config)
    from offline_training.weak_labels.weak_label import report_lines, weak_label

    for line in report_lines(weak_label(config), config):
        print(line)
    print(f"labels: {config.out}; a few of them: {Path(config.out) / 'preview.png'}")


def _download(options: argparse.Namespace) -> None:
    from offline_training.weak_labels.model_weights.download import download

    record = download(options.model, options.out, options.revision, options.accept_licence)
    print(f"{record['repository']} at {record['revision']}, {record['licence']}: {options.out}")
