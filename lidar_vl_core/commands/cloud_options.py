"""Options of commands that say how the points of a sensor are meant."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lidar_vl_core.clouds.ego_region import EgoRegion


def add_intensity(parser: argparse.ArgumentParser) -> None:
    """Add the full scale of the driver's intensity."""
    parser.add_argument(
        "--intensity-max",
        type=float,
        metavar="VALUE",
        help="the driver's intensity that becomes 1, such as 255; else judged once, by the first clouds",
    )


def add_ego(parser: argparse.ArgumentParser) -> None:
    """Add where the own vehicle is."""
    parser.add_argument(
        "--ego-radius", type=float, default=0.0, metavar="M", help="points so near the sensor get no class: own vehicle"
    )
    parser.add_argument(
        "--ego-box",
        type=float,
        nargs=6,
        default=(),
        metavar=("X0", "Y0", "Z0", "X1", "Y1", "Z1"),
        help="points in this box of the sensor's frame get no class, in metres: lower, then upper corner of the own vehicle",
    )


def ego_region(options: argparse.Namespace) -> "EgoRegion":
    """What add_ego() was given. Raises BadConfig."""
    from lidar_vl_core.clouds.ego_region import EgoRegion

    return EgoRegion(options.ego_radius, tuple(options.ego_box))
