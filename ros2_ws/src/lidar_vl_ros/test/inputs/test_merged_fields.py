"""Fields that are copied into the labelled cloud, where LiDARs are merged that do not all have them."""

from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.messages.sensor_data import point_cloud2
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.segmentation_node import SegmentationNode
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from lidar_vl_core.clouds.point_cloud2 import decode

INPUT, REAR = "/segmentation_node/input/pointcloud", "/rear/points"
LABELLED = "/segmentation_node/output/pointcloud/segmentation"
S = 100_000_000_000
LEFT_OUT = "left out of merged clouds: ring. Not every LiDAR has that field, of the same type."


@pytest.mark.parametrize("rear_ring", [None, np.uint16, np.uint8])
def test_a_lidar_without_a_requested_field_is_merged_and_the_field_left_out_which_is_told(
    graph, fake_segmenter, until, rear_ring
):
    answers: list[PointCloud2] = []
    graph.subscribe(PointCloud2, LABELLED, answers.append, 10)
    mounted = ["lidar rear -2 0 0 0 0 1 0"]
    lidars = {"lidars.rear.topic": REAR, "lidars.rear.required": True}
    make = partial(SegmentationNode, lambda settings: fake_segmenter)
    node = graph.start(make, model="made-up", extra_fields=["ring"], static_transforms=mounted, **lidars)

    def send(topic, frame_id, ring):
        publisher = graph.probe.create_publisher(PointCloud2, topic, 10)
        until(lambda: publisher.get_subscription_count() == 1, f"the node's subscription to {topic}")
        columns = {name: np.ones(1, np.float32) for name in "xyz"} | ring
        publisher.publish(point_cloud2(Header(stamp=time_message(S), frame_id=frame_id), columns))

    send(REAR, "rear", {} if rear_ring is None else {"ring": np.array([3], rear_ring)})
    until(lambda: node._assembly._others._queues["rear"].nearest(S) is not None, "the rear LiDAR's cloud")
    until(lambda: node.count_subscribers(LABELLED) == 1, "the listener")
    send(INPUT, "lidar", {"ring": np.array([1], np.uint8)})
    until(lambda: answers, "the answer")
    if rear_ring is np.uint8:
        assert decode(answers[0], ("ring",)).extra["ring"].tolist() == [1, 3]
    else:
        assert "ring" not in [field.name for field in answers[0].fields]
        assert graph.logs(LEFT_OUT)
    assert answers[0].width == 2
