"""The recorder's node: what it hears is in its file a second later, and it ends before the disk is full."""

from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from lidar_vl_ros.bags.recorder import BagRecorder
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.writing import growing_bag
from lidar_vl_core.foundation.errors import BadRequest

_Usage = namedtuple("_Usage", "free")


@pytest.fixture
def context() -> Iterator[Context]:
    context = Context()
    rclpy.init(context=context)
    yield context
    rclpy.shutdown(context=context)


def _recorder(context: Context, **given: object) -> BagRecorder:
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    return BagRecorder(context=context, parameter_overrides=overrides)


def _read(path: Path) -> tuple[list[str], list[str]]:
    with open_bag(path) as bag:
        return [message.message.data for message in bag.messages()], bag.warnings


def test_what_is_heard_is_in_the_file_a_second_later_and_an_almost_full_disk_ends_it_whole(
    context, until, tmp_path, monkeypatch, capfd
):
    free = [700_000_000]
    monkeypatch.setattr(growing_bag.shutil, "disk_usage", lambda _: _Usage(free[0]))
    path = tmp_path / "run.mcap"
    node, recorder = Node("speaker", context=context), _recorder(context, output=str(path), topics=["/said"])
    said = node.create_publisher(String, "/said", 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(recorder)

    def spun(condition: object) -> bool:
        executor.spin_once(timeout_sec=0.02)
        return condition()

    until(lambda: spun(said.get_subscription_count), "the recorder")
    for number in range(5):
        said.publish(String(data=str(number)))
    until(lambda: spun(lambda: len(_read(path)[0]) == 5), "the messages in the file of a recorder that goes on", 5.0)
    assert _read(path)[1] != []  # not finished
    said.publish(String(data="last"))
    until(lambda: spun(lambda: recorder.counts["/said"] == 6), "the last message")
    assert not recorder.finished.done()
    free[0] = 500_000_000
    until(lambda: spun(recorder.finished.done), "the end")
    assert recorder.finished.result() == 0
    recorder.close()
    assert _read(path) == ([*"01234", "last"], [])
    told = capfd.readouterr().err
    assert "at most 500 MB of disk space are free (min_free_mb)" in told
    assert "recorded /said 6 (lost 0)" in told
    executor.shutdown()
    recorder.destroy_node()
    node.destroy_node()


def test_what_it_cannot_record_safely_it_refuses_at_the_start(context, tmp_path):
    (tmp_path / "old.mcap").write_bytes(b"old")
    refused = {"a.db3": r"Record to \.mcap", "old.mcap": "expected a new path"}
    for name, why in refused.items():
        with pytest.raises(BadRequest, match=why):
            _recorder(context, output=str(tmp_path / name), topics=["/said"])
    with pytest.raises(BadRequest, match="expected more than 1000000000 MB free"):
        _recorder(context, output=str(tmp_path / "a.mcap"), topics=["/said"], min_free_mb=1e9)
    assert [path.name for path in tmp_path.iterdir()] == ["old.mcap"]
