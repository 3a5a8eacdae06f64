"""Recordings of clouds with a class for each point."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.clouds.labelled_message import labelled_message
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from lidar_vl_core.tasks.point_labels import PointLabels

UNLABELLED = 255


def labelled(cloud: PointCloud, class_id: np.ndarray | int = UNLABELLED) -> Any:
    """The message of a cloud whose points have these classes; class_id: (N,), or one for all."""
    ids = np.broadcast_to(class_id, len(cloud)).astype(np.uint8)
    return labelled_message(cloud, PointLabels(ids, np.zeros(len(cloud), np.float32), {}))


def write_labelled_bag(
    path: Path,
    clouds: Iterable[PointCloud],
    class_ids: Sequence[np.ndarray | int] | None = None,
    bad: tuple[int, ...] = (),
    later_ns: int = 0,
) -> Path:
    """class_ids: one entry for each cloud; bad: whose size is wrong; later_ns: from the stamp of a cloud to when it was recorded."""
    with BagWriter(path) as bag:
        for k, cloud in enumerate(clouds):
            message = labelled(cloud, UNLABELLED if class_ids is None else class_ids[k])
            message.width += k in bad
            bag.write("/points", CLOUD_TYPE, cloud.stamp_ns + later_ns, message)
    return path
