"""Boxes that travelled as points are the same boxes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.boxes.box_cloud import BOX_FIELDS, boxes_of_cloud
from lidar_vl_core.clouds.labelled_message import cloud_message
from lidar_vl_core.clouds.point_cloud2 import decode, encode
from lidar_vl_core.foundation.errors import BadBoxes


def travelled(center_m, fields=BOX_FIELDS):
    """The cloud of boxes 4.5 m long at these centres, each number told by its field."""
    columns = dict(zip("xyz", np.asarray(center_m, np.float64).reshape(-1, 3).T, strict=True))
    told = {
        "length": 4.5,
        "width": 2.0,
        "height": 1.5,
        "yaw": -0.5,
        "vx": 3.0,
        "vy": np.nan,
        "score": 0.25,
        "class_id": 7,
    }
    for name in fields:
        columns[name] = np.full(len(columns["x"]), told[name], np.uint8 if name == "class_id" else np.float32)
    return decode(cloud_message(encode(columns), 12, "lidar"), extra_fields=fields)


@pytest.mark.parametrize(
    "center_m", [[[1.0, 2.0, 3.0]], [[5_000_000.25, -4_000_000.5, 12.0], [5_000_001.0, -4e6, 11.0]], []]
)
def test_every_number_arrives_also_of_far_places_and_of_no_boxes(center_m):
    boxes = boxes_of_cloud(travelled(center_m))
    assert_allclose(boxes.boxes[:, :3], np.reshape(center_m, (-1, 3)), atol=1e-6)
    assert_allclose(boxes.boxes[:, 3:], np.tile([4.5, 2.0, 1.5, -0.5], (len(center_m), 1)))
    assert_allclose(boxes.velocity_mps, np.tile([3.0, np.nan], (len(center_m), 1)))
    assert (boxes.class_id == 7).all()
    assert (boxes.score == 0.25).all()
    assert boxes.frame_id == "lidar"


def test_a_cloud_of_something_else_is_no_boxes():
    with pytest.raises(BadBoxes, match="found no yaw, score"):
        boxes_of_cloud(travelled([[0, 0, 0]], tuple(name for name in BOX_FIELDS if name not in ("yaw", "score"))))
