"""The command from-bags of lidar-vl-train: its options, and what it runs. Prints."""

import argparse

from offline_training.cli.before_work import (
    require_for_pretraining,
    require_for_weak_labels,
    require_run_folder,
    require_training,
)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add it to the parser."""
    command = commands.add_parser(
        "from-bags",
        help="from your own recordings to a pre-trained backbone: check, weak labels, pre-train, probe, report",
    )
    command.add_argument(
        "bags", nargs="+", metavar="BAG", help="recordings: rosbag2 folders, .mcap, .db3 or ROS 1 bags"
    )
    command.add_argument(
        "--out", required=True, metavar="DIR", help="folder of all results; the same command resumes a stopped run"
    )
    command.add_argument(
        "--weak-labels",
        metavar="FILE.yaml",
        help="recipe with a labeler, see offline_training/configs/weak_labels/*.yaml",
    )
    command.add_argument(
        "--pretrain",
        metavar="FILE.yaml",
        help="recipe (default: the best of configs/pretrain/ros_bag*.yaml that can run)",
    )
    command.add_argument(
        "--teacher-weights",
        metavar="FILE",
        help="weights of the image teacher; without them the network learns from geometry alone",
    )
    command.add_argument("--steps", type=int, help="length of the pre-training, in place of the recipe's")
    command.add_argument("--cloud-topic", metavar="TOPIC", help="topic of the clouds, where a recording has several")
    command.add_argument(
        "--label-field", metavar="NAME", help="field of the clouds with true classes, used only by the probe"
    )
    command.add_argument("--label-table", metavar="NAME", help="class table of its ids, such as nuscenes16")
    command.add_argument(
        "--max-clouds",
        type=int,
        default=2000,
        help="most clouds to use, spread evenly over all recordings and kept in memory (default 2000)",
    )
    command.set_defaults(run=_from_bags)


def _from_bags(options: argparse.Namespace) -> None:
    from lidar_vl_core.foundation.config import validated
    from offline_training.from_bags.asked import Asked
    from offline_training.from_bags.recipes import stage_configs

    given = {name: getattr(options, name) for name in Asked.model_fields}
    asked = validated(Asked, given, "from-bags")
    require_run_folder(asked.out)
    labels, config = stage_configs(asked)
    require_training("from-bags")
    if labels is not None:
        require_for_weak_labels(labels)
    require_for_pretraining(config)
    from offline_training.from_bags.guided_run import from_bags

    from_bags(asked, lambda line: print(line, flush=True))
