"""The black box: the last seconds become a recording when answers look odd or somebody asks, and never unless switched on."""

from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.black_box.black_box import SERVICE
from lidar_vl_ros.detection_node import DetectionNode
from lidar_vl_ros.messages.qos import LATCHED
from lidar_vl_ros.messages.sensor_data import rgb_image
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.segmentation_node import SegmentationNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.clouds.point_cloud2 import decode

NODE = "segmentation_node"
FRONT = "lidar front_optical 0 0 0 -0.5 0.5 -0.5 0.5"  # z forward, x right, y down, at the LiDAR's place
SWEEP_NS = 100_000_000
WIDTH, HEIGHT = 64, 48


@pytest.fixture
def vehicle(graph, fake_segmenter, fake_detector, make_cloud, until, tmp_path):
    """A node, its LiDAR and, where it has one, its camera; what it recorded lies in `box`."""

    class Vehicle:
        box = tmp_path / "box"

        def start(self, node=NODE, topic="pointcloud/segmentation", **parameters):
            make = {
                NODE: partial(SegmentationNode, lambda settings: fake_segmenter),
                "detection_node": partial(DetectionNode, lambda settings: fake_detector),
            }[node]
            self.name, self.answers, self.sent = node, [], []
            self.clouds = graph.probe.create_publisher(PointCloud2, f"/{node}/input/pointcloud", 20)
            self.camera = graph.probe.create_publisher(Image, "/front/image_raw", 20)
            self.info = graph.probe.create_publisher(CameraInfo, "/front/camera_info", 20)
            graph.subscribe(PointCloud2, f"/{node}/output/{topic}", self.answers.append, QoSProfile(depth=50))
            self.node = graph.start(make, **parameters)
            heard = 2 if parameters.get("black_box.folder") else 1
            until(lambda: self.clouds.get_subscription_count() == heard, "the node's and the black box's subscription")
            if "cameras.front.topic" in parameters:
                until(lambda: self.info.get_subscription_count() == heard, "the camera's")
            until(self.node.outputs.wanted, "the listener")
            return self

        def drive(self, clouds=1):
            for _ in range(clouds):
                stamp_ns = (len(self.sent) + 1) * SWEEP_NS
                header = Header(stamp=time_message(stamp_ns), frame_id="front_optical")
                k = [30.0, 0.0, WIDTH / 2, 0.0, 30.0, HEIGHT / 2, 0.0, 0.0, 1.0]
                self.info.publish(CameraInfo(header=header, width=WIDTH, height=HEIGHT, d=[0.0] * 5, k=k))
                self.camera.publish(rgb_image(header, np.full((HEIGHT, WIDTH, 3), len(self.sent), np.uint8)))
                self.sent.append(make_cloud([[10.0, 0.1, len(self.sent) / 8]], stamp_ns))
                self.clouds.publish(self.sent[-1])
                until(lambda: len(self.answers) == len(self.sent), "an answer")
            return self

        def recordings(self, count=1):
            until(lambda: self.told("recorded") == str(count), f"{count} recordings")
            return sorted(self.box.glob("*.mcap"))

        def told(self, figure):
            return self.node.black_box.report().values.get(figure)

        def status(self):
            found = [each for array in graph.diagnostics for each in array.status if each.name.endswith("black box")]
            return {value.key: value.value for value in found[-1].values} if found else {}

        def ask(self):
            return graph.call(Trigger, SERVICE.replace("~", f"/{self.name}"), Trigger.Request())

        def switched_on(self, **more):
            return {"black_box.folder": str(self.box), "black_box.min_free_mb": 0.0} | more

    return Vehicle()


def test_low_confidence_records_the_last_seconds_as_a_recording_with_images_in_place(vehicle, graph, until):
    camera = {"cameras.front.topic": "/front/image_raw", "static_transforms": [FRONT]}
    vehicle.start(**vehicle.switched_on(**{"black_box.min_probability": 0.9, **camera})).drive(3)
    (path,) = vehicle.recordings()
    assert path.name.endswith("_low_confidence.mcap")
    with open_recording(path) as recording:
        frames = list(recording.frames())
        assert recording.warnings == []
    assert len(frames) == 3
    for number, (frame, sent) in enumerate(zip(frames, vehicle.sent, strict=True)):
        np.testing.assert_array_equal(frame.cloud.xyz_m, decode(sent).xyz_m)
        (view,) = frame.views
        assert view.load_rgb()[0, 0].tolist() == [number] * 3
        _, depth_m, is_seen = view.camera.project(view.T_cam_lidar.apply(frame.cloud.xyz_m))
        assert is_seen.all()
        assert depth_m[0] == pytest.approx(10.0)
    with open_bag(path) as bag:
        why = [each.message.data for each in bag.messages([f"/{NODE}/black_box/trigger"])]
    assert why == ["low_confidence: mean probability 0.50, below 0.9"]
    until(lambda: vehicle.status().get("recorded low_confidence") == "1", "the recording in the diagnostics")
    assert vehicle.status()["failed"] == "0"
    assert graph.logs("recorded to")


def test_clouds_of_further_lidars_are_recorded_too(vehicle, graph, make_cloud, until):
    rear = graph.probe.create_publisher(PointCloud2, "/rear/points", 20)
    vehicle.start(**vehicle.switched_on(**{"lidars.rear.topic": "/rear/points"}))
    until(lambda: rear.get_subscription_count() == 2, "the node's and the black box's subscription")
    rear.publish(make_cloud([[1.0, 2.0, 3.0]], SWEEP_NS, "rear"))
    vehicle.drive()
    assert vehicle.ask().success
    with open_bag(vehicle.recordings()[0]) as bag:
        topics = {topic.name: topic.count for topic in bag.topics}
    assert (topics["/rear/points"], topics[f"/{NODE}/input/pointcloud"]) == (1, 1)


def test_a_calibration_that_was_latched_before_the_node_began_is_held(vehicle, graph, until):
    latched = graph.probe.create_publisher(CameraInfo, "/front/camera_info", LATCHED)
    latched.publish(CameraInfo(width=WIDTH, height=HEIGHT))
    vehicle.start(**{"cameras.front.topic": "/front/image_raw"}, **vehicle.switched_on())
    ring = vehicle.node.black_box._ring
    until(lambda: [each.topic for each in ring.last_seconds()] == ["/front/camera_info"], "the calibration, once")


def test_an_operator_records_when_asked_and_the_pause_is_for_alarms_alone(vehicle, until):
    vehicle.start(**vehicle.switched_on(**{"black_box.min_probability": 0.9})).drive(2)
    assert vehicle.ask().success
    (path,) = vehicle.recordings()
    assert path.name.endswith("_operator.mcap")
    vehicle.drive(2)  # the third cloud raises the alarm, within the pause
    until(lambda: vehicle.told("suppressed") == "1", "a suppressed alarm")
    assert vehicle.ask().success
    assert len(vehicle.recordings(2)) == 2


def test_boxes_that_flicker_are_recorded(vehicle, fake_detector, until):
    limits = {"black_box.max_flicker": 0.4, "black_box.clouds_in_a_row": 1, "model": "made-up"}
    vehicle.start("detection_node", "objects/boxes", **vehicle.switched_on(**limits))
    there = Boxes3d.of([[x, 0, 0, 4, 2, 1.5, 0] for x in (0, 20, 40)], np.zeros(3))
    for boxes in (there, there.taken(np.zeros(0, int)), there):
        fake_detector.boxes = boxes
        vehicle.drive()
    (path,) = vehicle.recordings()
    assert path.name.endswith("_flicker.mcap")


def test_nothing_remembered_is_told_to_who_asks(vehicle, graph):
    vehicle.start(**vehicle.switched_on())
    answer = vehicle.ask()
    assert not answer.success
    assert "nothing to record" in answer.message
    graph.transition(NODE, "deactivate")
    assert not vehicle.ask().success
    assert list(vehicle.box.iterdir()) == []


def test_a_disk_without_room_is_counted_and_the_node_goes_on(vehicle, graph, until):
    vehicle.start(**vehicle.switched_on(**{"black_box.min_free_mb": 1e8})).drive()
    assert vehicle.ask().success
    until(lambda: vehicle.told("failed") == "1", "a recording that failed")
    vehicle.drive()
    assert graph.logs("the recording failed or is incomplete")


def test_without_a_folder_there_is_no_service_and_nothing_is_remembered(vehicle, graph):
    vehicle.start().drive()
    names = {name for name, _ in graph.probe.get_service_names_and_types()}
    assert SERVICE.replace("~", f"/{NODE}") not in names
    assert (vehicle.node.black_box, vehicle.status()) == (None, {})


def test_a_cleaned_up_node_forgets_and_withdraws_the_service(vehicle, graph, until):
    vehicle.start(**vehicle.switched_on()).drive()
    graph.transition(NODE, "deactivate")
    graph.transition(NODE, "cleanup")
    assert vehicle.node.black_box is None
    service = SERVICE.replace("~", f"/{NODE}")
    until(lambda: service not in {name for name, _ in graph.probe.get_service_names_and_types()}, "no service")


def test_a_disk_budget_below_one_recording_is_refused_by_name(graph, fake_segmenter, tmp_path):
    make = partial(SegmentationNode, lambda settings: fake_segmenter)
    graph.start(make, **{"black_box.folder": str(tmp_path), "black_box.disk_mb": 100.0})
    assert graph.logs("disk_mb: expected at least memory_mb + 2 = 502")
    assert graph.state(NODE) == "unconfigured"
