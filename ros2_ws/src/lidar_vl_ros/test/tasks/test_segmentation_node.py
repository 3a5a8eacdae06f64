"""The segmentation node in a real graph: what comes out for what goes in, and what is counted."""

import json
from functools import partial

import numpy as np
import pytest
from lidar_vl_ros.messages.qos import LATCHED
from lidar_vl_ros.segmentation_node import SegmentationNode
from lifecycle_msgs.msg import Transition
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64, String

from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.foundation.errors import BadModelPackage
from ros2_ws.src.lidar_vl_ros.test.tasks.talk import COLOURED, INPUT, LABELLED, NODE, Talk, random_xyz_m


@pytest.fixture
def talk(graph, until):
    return Talk(graph, until)


def test_every_input_point_gets_one_label_under_the_same_header(talk, tiny_package, make_cloud):
    talk.start(model=str(tiny_package))
    message = make_cloud(random_xyz_m(500), stamp_ns=12_000_000_345, frame_id="lidar_top")
    answer = talk.ask(message)
    assert answer.header == message.header
    assert [field.name for field in answer.fields] == ["x", "y", "z", "intensity", "class_id", "probability"]
    cloud = decode(answer, ("class_id", "probability"))
    np.testing.assert_array_equal(cloud.xyz_m, decode(message).xyz_m)
    assert cloud.extra["class_id"].dtype == np.uint8
    assert cloud.extra["class_id"].shape == (500,)
    assert (cloud.extra["class_id"] < 16).any()
    assert ((cloud.extra["probability"] >= 0) & (cloud.extra["probability"] <= 1)).all()


def test_a_cloud_with_no_points_gives_a_cloud_with_no_points(talk, tiny_package, make_cloud):
    talk.start(model=str(tiny_package))
    answer = talk.ask(make_cloud(np.zeros((0, 3)), stamp_ns=5))
    assert (answer.width * answer.height, len(answer.data)) == (0, 0)
    assert answer.header.stamp.nanosec == 5


def test_points_that_are_not_finite_are_kept_and_get_no_class(talk, tiny_package, make_cloud):
    talk.start(model=str(tiny_package))
    xyz = random_xyz_m(100)
    xyz[::2] = np.nan
    xyz[1] = np.inf
    cloud = decode(talk.ask(make_cloud(xyz)), ("class_id", "probability"))
    assert len(cloud) == 100
    assert (cloud.extra["class_id"][::2] == 255).all()
    assert cloud.extra["class_id"][1] == 255
    assert (cloud.extra["probability"][::2] == 0).all()


def test_points_without_a_return_and_on_the_own_vehicle_are_passed_on_without_a_class(talk, tiny_package, make_cloud):
    talk.start(model=str(tiny_package), ego_radius_m=1.5, ego_box_m=[2.0, -1.0, -1.0, 3.0, 1.0, 1.0])
    xyz = np.array([[0, 0, 0], [-0.0, 0, -0.0], [1, 0.5, 0.5], [2.5, 0, 0], [10, 0, 0], [0, 8, 1]], np.float32)
    cloud = decode(talk.ask(make_cloud(xyz)), ("class_id",))
    np.testing.assert_array_equal(cloud.xyz_m, xyz)
    assert (cloud.extra["class_id"] == 255).tolist() == [True] * 4 + [False] * 2


def test_extra_fields_are_passed_on_in_their_own_type(talk, fake_segmenter, make_cloud):
    talk.start(fake_segmenter, extra_fields=["intensity"])
    answer = talk.ask(make_cloud(random_xyz_m(10)))
    assert [field.name for field in answer.fields].count("intensity") == 1


def test_a_bad_cloud_is_counted_and_the_next_one_served(talk, graph, fake_segmenter, make_cloud, until):
    talk.start(fake_segmenter)
    bad = make_cloud(random_xyz_m(10))
    bad.point_step = 7
    talk.send(bad)
    talk.counted(bad=1)
    assert talk.ask(make_cloud(random_xyz_m(20))).width == 20
    talk.counted(received=2, served=1, bad=1, failed=0)
    until(
        lambda: any(
            {item.key: item.value for item in status.values}.get("bad") == "1"
            for array in graph.diagnostics
            for status in array.status
        ),
        "the bad cloud in the diagnostics",
    )


def test_an_engine_that_gave_up_is_told_in_log_and_diagnostics(talk, graph, fake_segmenter, make_cloud, until):
    fake_segmenter.engine_problem = "engine tensorrt failed, fused runs instead: largest difference 0.3"
    talk.start(fake_segmenter)
    for number in range(2):
        talk.ask(make_cloud(random_xyz_m(20), stamp_ns=1_000_000_000 + number))
    talk.counted(served=2, other_engine=2)
    until(
        lambda: any(
            "other_engine" in status.message
            and any(item.value == fake_segmenter.engine_problem for item in status.values)
            for array in graph.diagnostics
            for status in array.status
        ),
        "the engine in the diagnostics",
    )
    assert graph.logs("engine tensorrt failed").count("engine tensorrt failed") == 1


def test_clouds_nobody_wants_cost_no_inference(talk, graph, fake_segmenter, make_cloud, until):
    talk.start(fake_segmenter)
    for subscription in [entry for entry in graph.probe.subscriptions if entry.topic_name == LABELLED]:
        graph.probe.destroy_subscription(subscription)
    until(lambda: not talk.node.outputs.wanted(), "the end of the subscription")
    talk.send(make_cloud(random_xyz_m(5)))
    talk.counted(received=1, unwatched=1)
    assert fake_segmenter.entered == 0


def test_colours_are_published_only_while_somebody_looks(talk, graph, fake_segmenter, make_cloud, until):
    talk.start(fake_segmenter)
    talk.ask(make_cloud(random_xyz_m(32)))
    seen = []
    graph.subscribe(PointCloud2, COLOURED, seen.append, 10)
    until(lambda: talk.node.count_subscribers(COLOURED) == 1, "the viewer")
    until(lambda: talk.send(make_cloud(random_xyz_m(32))) or seen, "a coloured cloud")
    rgb = decode(seen[0], ("rgb",)).extra["rgb"].view(np.uint32)
    red, green, blue = fake_segmenter.classes.colors_rgb[3].astype(int)
    assert rgb[3] == red << 16 | green << 8 | blue
    assert [field.name for field in seen[0].fields] == ["x", "y", "z", "rgb"]


def test_class_names_reach_a_late_listener(talk, graph, fake_segmenter, until):
    talk.start(fake_segmenter)
    heard = []
    graph.subscribe(String, f"/{NODE}/output/label_info", heard.append, LATCHED)
    until(lambda: heard, "the class names")
    info = json.loads(heard[0].data)
    assert info["names"] == list(fake_segmenter.classes.names)
    assert info["ignore_id"] == 255


def test_each_stage_and_the_latency_are_published(talk, graph, fake_segmenter, make_cloud, until):
    heard = {}
    for stage in ("voxels", "maps", "network", "labels", "total", "pipeline_latency"):
        topic = f"/{NODE}/debug/{stage}_ms"
        graph.subscribe(Float64, topic, lambda message, stage=stage: heard.setdefault(stage, message.data), 10)
    talk.start(fake_segmenter)
    now_ns = talk.node.get_clock().now().nanoseconds
    until(lambda: talk.ask(make_cloud(random_xyz_m(5), stamp_ns=now_ns)) and len(heard) == 6, "all timings")
    assert heard["total"] == 1.0
    assert 0 <= heard["pipeline_latency"] < 60_000


def test_a_subscriber_that_wants_more_than_is_offered_is_named(talk, graph, fake_segmenter):
    talk.start(fake_segmenter)
    graph.subscribe(PointCloud2, LABELLED, lambda message: None, LATCHED)
    graph.logs(f"{LABELLED}: a subscriber has an incompatible QoS")
    graph.logs("DURABILITY")


def test_a_silent_input_is_reported_with_its_topic_and_publishers(graph, fake_segmenter):
    graph.start(partial(SegmentationNode, lambda settings: fake_segmenter), input_timeout_s=0.1)
    graph.logs("no input for")
    graph.logs(f"topic {INPUT}, 0 publishers")


def test_a_bag_loop_is_one_jump_and_serving_goes_on(talk, fake_segmenter, make_cloud):
    talk.start(fake_segmenter)
    for loop in range(1, 4):
        for stamp_s in (10, 11, 12):
            talk.ask(make_cloud(random_xyz_m(5), stamp_ns=stamp_s * 1_000_000_000))
        talk.counted(jumps=loop - 1)
    talk.counted(served=9)


def test_a_missing_model_leaves_the_node_unconfigured_and_a_correct_one_works(
    talk, graph, tiny_package, tmp_path, make_cloud, until
):
    talk.node = graph.start(SegmentationNode, model=str(tmp_path / "nowhere"))
    until(lambda: talk.node.health.counts()["refused"], "the refusal")
    assert graph.state(NODE) == "unconfigured"
    assert not graph.transition(NODE, "configure")
    assert graph.set_parameter(NODE, "model", str(tiny_package)).successful
    assert graph.transition(NODE, "configure")
    assert graph.transition(NODE, "activate")
    talk.connect()
    talk.ask(make_cloud(random_xyz_m(50)))


def test_an_unexpected_exception_while_configuring_leaves_a_node_that_can_try_again(graph, fake_segmenter):
    faults = [MemoryError("injected"), BadModelPackage("injected"), None]

    def open_segmenter(settings):
        fault = faults.pop(0)
        if fault:
            raise fault
        return fake_segmenter

    graph.start(partial(SegmentationNode, open_segmenter), autostart=False)
    for _ in range(2):
        assert not graph.transition(NODE, "configure")
        assert graph.state(NODE) == "unconfigured"
    assert graph.transition(NODE, "configure")
    assert graph.state(NODE) == "inactive"


def test_a_transition_the_state_does_not_allow_is_refused_and_the_node_lives(graph, fake_segmenter):
    graph.start(partial(SegmentationNode, lambda settings: fake_segmenter), autostart=False)
    # By number, as `ros2 lifecycle set` asks: there rclpy raises out of the service and leaves the caller unanswered.
    for asked in ("activate", "no such transition", Transition.TRANSITION_ACTIVATE, 77):
        assert not graph.transition(NODE, asked)
    assert graph.transition(NODE, Transition.TRANSITION_CONFIGURE)


def test_parameters_are_fixed_while_configured(graph, fake_segmenter):
    graph.start(partial(SegmentationNode, lambda settings: fake_segmenter), autostart=False)
    assert graph.set_parameter(NODE, "threads", 2).successful
    assert not graph.set_parameter(NODE, "threads", -2).successful
    assert graph.transition(NODE, "configure")
    result = graph.set_parameter(NODE, "threads", 3)
    assert not result.successful
    assert "inactive" in result.reason
