"""The first stage: are the bags whole, what is in them, and which of their clouds are trained on or held out. Reads files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadDataset, one_line
from offline_training.datasets.check_data import check_data
from offline_training.datasets.data_sources import data_set_spec, open_source
from offline_training.from_bags.asked import Asked

_HELD_OUT = 0.2  # of each bag: its end
_GAP = 0.02  # of each bag before that: neighbours of what is held out


@dataclass(frozen=True)
class Split:
    """Places among the clouds of one bag."""

    train: tuple[int, ...]
    held_out: tuple[int, ...]


def split_of(clouds: int, most: int) -> Split:
    """At most `most` of so many clouds, evenly; the last fifth is held out, and what lies right before it belongs to neither."""
    held_from = min(clouds - 1, round((1.0 - _HELD_OUT) * clouds))
    train_to = max(1, held_from - round(_GAP * clouds))
    keep = min(1.0, most / clouds)
    return Split(_evenly(0, train_to, keep), _evenly(held_from, clouds, keep))


def check(asked: Asked, classes: ClassTable, needs_images: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Look at every bag; returns for each what was found, and its split, as JSON values.

    Raises BadDataset where one is not whole, too short, or lacks the images that the method needs; BadBag, BadRequest.
    """
    most = max(2, asked.max_clouds // len(asked.bags))
    return {"bags": [_checked(asked, bag, classes, needs_images, most, say) for bag in asked.bags]}


def identity_of(bags: tuple[str, ...]) -> dict[str, list[list[Any]]]:
    """Names, sizes and times of the files of each bag: what tells whether they are still the same.

    Raises BadDataset where a file cannot be read.
    """
    found: dict[str, list[list[Any]]] = {}
    for bag in bags:
        path = Path(bag)
        if not path.exists():
            raise BadDataset(f"{bag}: expected a recording (.mcap, .db3, .bag or a folder), found none. Fix the path.")
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        found[bag] = [[each.name, each.stat().st_size, each.stat().st_mtime_ns] for each in files]
    return found


def _checked(
    asked: Asked, bag: str, classes: ClassTable, needs_images: bool, most: int, say: Callable[[str], None]
) -> dict[str, Any]:
    with open_recording(Path(bag), asked.cloud_topic) as recording:
        topic, clouds, cameras = recording.cloud_topic, recording.cloud_count, [each.name for each in recording.cameras]
    if clouds < 2:
        raise BadDataset(
            f"{bag}: expected at least 2 clouds on {topic}, one to train on and one to hold out, found {clouds}. Record longer."
        )
    with_truth = classes.name == data_set_spec("ros_bag").classes[0]  # the table that check-data asks with
    findings = [one_line(line) for line in check_data(asked.source(bag, [0], with_truth))][1:]  # without the layout
    for line in findings:
        say(f"  {line}")
    split = split_of(clouds, most)
    middle = open_source(asked.source(bag, [split.train[len(split.train) // 2]]), classes)[0]
    if needs_images and not middle.views:
        why = "no camera with images and camera_info" if not cameras else f"no image of {', '.join(cameras)} in place"
        raise BadDataset(
            f"{bag}: expected images that belong to the clouds, found {why}. Record the images with their camera_info, /tf and "
            "/tf_static, or learn from geometry only: leave --teacher-weights, --weak-labels and --pretrain out."
        )
    say(f"  {len(split.train)} clouds to train on, {len(split.held_out)} held out, of {clouds}")
    return {
        "bag": bag,
        "topic": topic,
        "clouds": clouds,
        "cameras": cameras,
        "findings": findings,
        "train": list(split.train),
        "held_out": list(split.held_out),
    }


def _evenly(start: int, end: int, keep: float) -> tuple[int, ...]:
    count = max(1, round((end - start) * keep))
    return tuple(int(place) for place in np.unique(np.linspace(start, end - 1, count).round().astype(int)))
