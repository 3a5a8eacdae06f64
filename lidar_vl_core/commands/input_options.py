"""Options that say what goes into a model: which model, which words, and how the points of a sensor are meant."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lidar_vl_core.foundation.errors import BadRequest

if TYPE_CHECKING:
    from lidar_vl_core.clouds.ego_region import EgoRegion
    from lidar_vl_core.commands.recordings.reading import Reading
    from lidar_vl_core.words.vocabulary import Vocabulary


def add_recording(parser: argparse.ArgumentParser) -> None:
    """Add a recording, which of its topics has the clouds, how they are read, and where they have the true class of each point."""
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap, .db3 or ROS 1 .bag")
    parser.add_argument(
        "--cloud-topic", metavar="TOPIC", help="needed only where the recording has several cloud topics"
    )
    parser.add_argument(
        "--compensate",
        action="store_true",
        help="bring the points of each cloud to its stamp, by their own times and the recorded motion",
    )
    parser.add_argument(
        "--label-field", metavar="NAME", help="field of the clouds that holds the true class of each point"
    )
    parser.add_argument(
        "--label-table", metavar="TABLE", help="class table of those ids, such as nuscenes16 or semantic_kitti"
    )


def reading_of(options: argparse.Namespace) -> "Reading":
    """What add_recording() and add_intensity() were given."""
    from lidar_vl_core.commands.recordings.reading import Reading

    return Reading(
        options.cloud_topic, options.intensity_max, options.compensate, options.label_field, options.label_table
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model package and the engine that runs it."""
    parser.add_argument(
        "--model", required=True, metavar="PKG", help="folder of a model package, or a name such as demo"
    )
    parser.add_argument(
        "--engine",
        default="auto",
        metavar="ENGINE",
        help="auto (default), fused, onnxruntime, onnxruntime_gpu or tensorrt",
    )


def add_words(parser: argparse.ArgumentParser) -> None:
    """Add what a package that understands words looks for."""
    words = parser.add_mutually_exclusive_group()
    words.add_argument(
        "--prompts", metavar="A,B,C", help="comma-separated words to look for, one class each (embedding packages)"
    )
    words.add_argument(
        "--vocabulary",
        metavar="FILE.yaml",
        help="classes with synonyms and sinks: a file, or a name such as nuscenes16",
    )


def words_of(options: argparse.Namespace) -> "Vocabulary | None":
    """What add_words() was given, None for the package's own words. Raises BadRequest, BadConfig."""
    from lidar_vl_core.words.vocabulary import load_vocabulary, vocabulary_of_prompts

    if options.vocabulary is not None:
        return load_vocabulary(options.vocabulary)
    if options.prompts is None:
        return None
    prompts = [prompt.strip() for prompt in options.prompts.split(",")]
    if not all(prompts):
        raise BadRequest(
            f"--prompts {options.prompts!r}: expected words between commas, found none. Say what to look for."
        )
    return vocabulary_of_prompts(prompts)


def add_intensity(parser: argparse.ArgumentParser) -> None:
    """Add the full scale of the driver's intensity."""
    parser.add_argument(
        "--intensity-max",
        type=float,
        metavar="VALUE",
        help="intensity that maps to 1, such as 255 (default: estimated once from the first clouds)",
    )


def add_ego(parser: argparse.ArgumentParser) -> None:
    """Add where the own vehicle is."""
    parser.add_argument(
        "--ego-radius",
        type=float,
        default=0.0,
        metavar="M",
        help="give points this close to the sensor no class (own vehicle)",
    )
    parser.add_argument(
        "--ego-box",
        type=float,
        nargs=6,
        default=(),
        metavar=("X0", "Y0", "Z0", "X1", "Y1", "Z1"),
        help="give points inside this box no class (own vehicle): lower, then upper corner, metres in the sensor's frame",
    )


def ego_region(options: argparse.Namespace) -> "EgoRegion":
    """What add_ego() was given. Raises BadConfig."""
    from lidar_vl_core.clouds.ego_region import EgoRegion

    return EgoRegion(options.ego_radius, tuple(options.ego_box))
