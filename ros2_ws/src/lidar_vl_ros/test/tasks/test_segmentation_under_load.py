"""The segmentation node where clouds are too many, too large or too old, or its worker fails."""

import pytest

from lidar_vl_core.foundation.errors import TooManyVoxels
from ros2_ws.src.lidar_vl_ros.test.tasks.talk import Talk, random_xyz_m


@pytest.fixture
def talk(graph, until):
    return Talk(graph, until)


def test_under_load_parts_of_the_clouds_are_looked_at_where_that_is_allowed(
    talk, graph, fake_segmenter, make_cloud, until
):
    talk.start(fake_segmenter, thin_under_load=True, max_processing_ms=100.0)
    fake_segmenter.took_ms = 150.0
    for number in range(5):
        assert talk.ask(make_cloud(random_xyz_m(20), stamp_ns=1_000_000_000 + number)).width == 20
    assert fake_segmenter.shares == [1.0, 1.0, 1.0, 0.5, 0.5]
    talk.counted(served=5, partial=2)
    assert (
        graph.logs("the cloud with stamp 1000000002 took 150 ms").count("the cloud with stamp 1000000002 took 150 ms")
        == 1
    )
    until(
        lambda: any(
            item.value == "under load 50% of the points are processed"
            for array in graph.diagnostics
            for status in array.status
            for item in status.values
        ),
        "the mode in the diagnostics",
    )


def test_a_cloud_too_large_for_the_plan_is_looked_at_in_part_where_that_is_allowed(talk, fake_segmenter, make_cloud):
    whole = fake_segmenter.segment

    def only_a_quarter(cloud, share=1.0):
        if share > 0.25:
            raise TooManyVoxels("cloud: expected 1 to 300 rows on N0, found 1000")
        return whole(cloud, share)

    fake_segmenter.segment = only_a_quarter
    talk.start(fake_segmenter, thin_to_plan=True)
    assert talk.ask(make_cloud(random_xyz_m(20))).width == 20
    talk.counted(served=1, partial=1, bad=0)


def test_a_cloud_too_large_for_the_plan_is_dropped_with_both_numbers_otherwise(talk, graph, fake_segmenter, make_cloud):
    fake_segmenter.raises = TooManyVoxels("cloud: expected 1 to 300 rows on N0, found 1000")
    talk.start(fake_segmenter)
    talk.send(make_cloud(random_xyz_m(20)))
    talk.counted(served=0, bad=1)
    graph.logs("expected 1 to 300 rows on N0, found 1000")


def test_without_being_asked_to_no_node_looks_at_parts(talk, fake_segmenter, make_cloud):
    talk.start(fake_segmenter)
    fake_segmenter.took_ms = 1000.0
    for number in range(5):
        talk.ask(make_cloud(random_xyz_m(20), stamp_ns=1_000_000_000 + number))
    assert fake_segmenter.shares == [1.0] * 5


def test_an_exception_in_the_worker_is_counted_and_the_next_cloud_served(talk, fake_segmenter, make_cloud):
    talk.start(fake_segmenter)
    fake_segmenter.raises = RuntimeError("injected")
    for number in range(1, 6):
        talk.send(make_cloud(random_xyz_m(5)))
        talk.counted(failed=number)
    fake_segmenter.raises = None
    talk.ask(make_cloud(random_xyz_m(5)))
    talk.counted(received=6, served=1, failed=5)


def test_faults_of_every_kind_in_turn_are_logged_at_their_level_and_serving_goes_on(
    talk, graph, fake_segmenter, make_cloud
):
    talk.start(fake_segmenter)
    bad = make_cloud(random_xyz_m(10))
    bad.point_step = 7
    talk.send(bad)
    talk.counted(bad=1)
    fake_segmenter.raises = RuntimeError("injected")
    talk.send(make_cloud(random_xyz_m(5)))
    talk.counted(failed=1)
    talk.node.callback_failed(RuntimeError("injected into a callback"))
    fake_segmenter.raises = None
    talk.ask(make_cloud(random_xyz_m(5)))
    for text in ("cloud dropped", "RuntimeError: injected\n", "injected into a callback"):
        graph.logs(text)


def test_slow_inference_serves_the_newest_cloud_and_counts_the_others_exactly(talk, fake_segmenter, make_cloud, until):
    talk.start(fake_segmenter)
    fake_segmenter.gate.clear()
    talk.send(make_cloud(random_xyz_m(1), stamp_ns=1))
    until(lambda: fake_segmenter.entered == 1, "the first cloud in work")
    for index in range(2, 12):
        talk.send(make_cloud(random_xyz_m(index), stamp_ns=index))
        talk.counted(received=index)  # each one is in the mailbox before the next is sent
    fake_segmenter.gate.set()
    talk.counted(received=11, served=2, replaced=9, waiting=0)
    until(lambda: len(talk.answers) == 2, "two answers")
    assert [answer.header.stamp.nanosec for answer in talk.answers] == [1, 11]


def test_a_cloud_older_than_allowed_is_dropped_and_counted(talk, fake_segmenter, make_cloud):
    talk.start(fake_segmenter, max_input_age_ms=500.0)
    talk.send(make_cloud(random_xyz_m(5), stamp_ns=1_000_000_000))
    talk.counted(stale=1)
    now_ns = talk.node.get_clock().now().nanoseconds
    talk.ask(make_cloud(random_xyz_m(5), stamp_ns=now_ns))
    talk.counted(received=2, served=1, stale=1)
