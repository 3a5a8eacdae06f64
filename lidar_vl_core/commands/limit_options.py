"""The options of `lidar-vl replay` that let a fleet's CI fail: limits on its figures."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lidar_vl_core.foundation.errors import MissedLimit

if TYPE_CHECKING:
    from lidar_vl_core.evaluation.gates import Gate
    from lidar_vl_core.model_packages.package import ModelPackage


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add a floor and a ceiling, each of them any number of times."""
    parser.add_argument(
        "--fail-below",
        action="append",
        default=[],
        metavar="FIGURE=VALUE",
        help="exit with code 1 if a figure is lower, such as mean_iou=0.6",
    )
    parser.add_argument(
        "--fail-above",
        action="append",
        default=[],
        metavar="FIGURE=VALUE",
        help="exit with code 1 if a figure is higher, such as p95_ms=80",
    )


def limits_of(options: argparse.Namespace, package: "ModelPackage") -> "list[Gate]":
    """What add_limits() was given. Raises BadRequest before any work for what this replay will not measure."""
    from lidar_vl_core.evaluation.gates import gate_of, require_measurable

    gates = [gate_of(text, is_floor=True) for text in options.fail_below]
    gates += [gate_of(text, is_floor=False) for text in options.fail_above]
    require_measurable(gates, package.classes, options.label_table is not None, options.box_topic is not None)
    return gates


def require_limits(gates: "Sequence[Gate]", metrics: Mapping[str, Any]) -> None:
    """Raise MissedLimit where one of them does not hold."""
    from lidar_vl_core.evaluation.gates import missed

    if lines := missed(gates, metrics):
        raise MissedLimit("; ".join(lines))
