"""Publishers of another type than the one listened for are named: nothing of theirs arrives, and ROS does not say so."""

from types import SimpleNamespace

import pytest
from lidar_vl_ros.messages.publishers import told_publishers

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


@pytest.mark.parametrize(
    ("types", "told"),
    [
        ([], "0 publishers"),
        ([IMAGE, IMAGE], "2 publishers"),
        ([COMPRESSED], f"0 publishers of {IMAGE}, but 1 of {COMPRESSED}"),
        ([IMAGE, COMPRESSED, COMPRESSED], f"1 publishers of {IMAGE}, but 2 of {COMPRESSED}"),
    ],
)
def test_publishers_of_another_type_are_named_with_their_type(types, told):
    known = [SimpleNamespace(topic_type=name) for name in types]
    node = SimpleNamespace(get_publishers_info_by_topic=lambda topic: known if topic == "/front/image" else None)
    assert told_publishers(node, "/front/image", IMAGE) == told
