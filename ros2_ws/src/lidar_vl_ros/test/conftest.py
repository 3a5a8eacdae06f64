"""A real ROS graph per test: nobody outside the process hears it, and every wait is for a condition.

The fixtures of the conftest.py at the top of the repository are there, too, also when colcon starts the tests from the package.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# Before rclpy: nodes of one context find each other, other processes and parallel test runs do not.
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lidar_vl_ros.messages.sensor_data import point_cloud2
from lidar_vl_ros.messages.time_message import time_message
from lidar_vl_ros.process import run_node
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.tasks.point_labels import PointLabels

TIMEOUT_S = 30.0


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> Any:
    """The first true value of a condition; fails naming what was waited for."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.002)
    return value


class FakeSegmenter:
    """Answers at once with class = point index mod 16, unless told to be slow or to raise. Counts its calls."""

    classes: ClassTable = class_table("nuscenes16")
    own_table = None
    reads_colours = False
    engine_problem = ""
    can_look_at_parts = True

    def __init__(self) -> None:
        self.took_ms = 1.0
        self.shares: list[float] = []  # of the points of each cloud
        self.gate = threading.Event()
        self.gate.set()
        self.raises: Exception | None = None
        self.entered = 0

    def warm_up(self) -> None:
        pass

    def segment(self, cloud: PointCloud, share: float = 1.0) -> PointLabels:
        self.entered += 1
        self.shares.append(share)
        self.gate.wait(TIMEOUT_S)
        if self.raises is not None:
            raise self.raises
        timing = dict.fromkeys(("voxels", "maps", "network", "labels", "total"), self.took_ms)
        return PointLabels((np.arange(len(cloud)) % 16).astype(np.uint8), np.full(len(cloud), 0.5, np.float32), timing)


class FakeDetector:
    """Finds a car and a cyclist wherever there is a point, unless told to find something else. Keeps the clouds it saw."""

    classes: ClassTable = class_table("kitti3")
    engine_problem = ""

    def __init__(self) -> None:
        self.boxes: Boxes3d | Exception = Boxes3d.of(
            [[5.0, 5.0, 0.5, 4.0, 2.0, 1.5, 0.5], [20.0, -5.0, 1.0, 2.0, 0.75, 1.75, -1.25]],
            [self.classes.id_of("Car"), self.classes.id_of("Cyclist")],
            [0.5, 0.9],
            [[np.nan, np.nan], [3.0, -4.0]],
        )
        self.seen: list[PointCloud] = []

    def warm_up(self) -> None:
        pass

    def set_limits(self, score_thresholds: Mapping[str, float], max_range_m: Mapping[str, float]) -> None:
        self.min_score = np.array([score_thresholds.get(name, 0.0) for name in self.classes.names])
        self.max_range_m = np.array([max_range_m.get(name, np.inf) for name in self.classes.names])

    def detect(self, cloud: PointCloud) -> Boxes3d:
        self.seen.append(cloud)
        if isinstance(self.boxes, Exception):
            raise self.boxes
        boxes, class_id = self.boxes, self.boxes.class_id
        range_m = np.hypot(boxes.boxes[:, 0], boxes.boxes[:, 1])
        left_out = (boxes.score < self.min_score[class_id]) | (range_m > self.max_range_m[class_id])
        return boxes.taken(~left_out & (len(cloud) > 0))


class Graph:
    """Nodes under test in one executor, a probe that talks to them in another."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self._threads: list[threading.Thread] = []
        self._nodes: list[Node] = []
        self.probe = self._spun(Node("probe", context=self.context))
        self.diagnostics: list[Any] = []
        self.subscribe(DiagnosticArray, "/diagnostics", self.diagnostics.append, 10)

    @property
    def logged(self) -> str:
        """All that was logged so far, from the file behind standard error.

        Not from /rosout: a node's entry there goes when an earlier one of its name dies. Not by capfd.readouterr(): it empties
        the file, and with it what is written meanwhile.
        """
        return Path("/proc/self/fd/2").read_text(errors="replace")

    def logs(self, text: str) -> str:
        """Wait until this text is logged; all that was logged so far. A node may count what it is about to log."""
        wait_until(lambda: text in self.logged, f"the log line: {text}")
        return self.logged

    def start(self, make: Callable[..., Any], **parameters: Any) -> Any:
        """Make a node with these parameters and spin it as its process would."""
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        return self._spun(make(context=self.context, parameter_overrides=overrides))

    def subscribe(self, message_type: type, topic: str, callback: Callable[[Any], None], qos: QoSProfile | int) -> Any:
        return self.probe.create_subscription(message_type, topic, callback, qos)

    def call(self, service_type: type, name: str, request: Any) -> Any:
        client = self.probe.create_client(service_type, name)
        wait_until(client.service_is_ready, f"service {name}")
        future = client.call_async(request)
        wait_until(future.done, f"an answer of {name}")
        self.probe.destroy_client(client)
        return future.result()

    def transition(self, node: str, asked: str | int) -> bool:
        request = ChangeState.Request()
        if isinstance(asked, str):
            request.transition.label = asked
        else:
            request.transition.id = asked
        return self.call(ChangeState, f"/{node}/change_state", request).success

    def state(self, node: str) -> str:
        return self.call(GetState, f"/{node}/get_state", GetState.Request()).current_state.label

    def set_parameter(self, node: str, name: str, value: Any) -> Any:
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, f"/{node}/set_parameters", request).results[0]

    def close(self) -> None:
        rclpy.try_shutdown(context=self.context)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()
        for node in self._nodes:
            if hasattr(node, "close"):
                node.close()
            node.destroy_node()

    def _spun(self, node: Any) -> Any:
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(node)
        thread = threading.Thread(target=run_node.spin, args=(executor, node), name=f"spin {node.get_name()}")
        thread.start()
        self._threads.append(thread)
        self._nodes.append(node)
        return node


@pytest.fixture(autouse=True)
def own_ros_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What nodes keep over a crash is kept for no other test."""
    monkeypatch.setenv("ROS_HOME", str(tmp_path_factory.mktemp("ros_home")))


@pytest.fixture
def graph(capfd: pytest.CaptureFixture[str]) -> Iterator[Graph]:
    graph = Graph()
    yield graph
    graph.close()
    print(graph.logged)


@pytest.fixture
def fake_detector() -> FakeDetector:
    return FakeDetector()


@pytest.fixture
def fake_segmenter() -> FakeSegmenter:
    return FakeSegmenter()


def cloud_message(xyz_m: np.ndarray, stamp_ns: int = 1_000_000_000, frame_id: str = "lidar") -> PointCloud2:
    """A driver's cloud: x y z intensity, float32."""
    x, y, z = np.asarray(xyz_m, np.float32).reshape(-1, 3).T
    header = Header(stamp=time_message(stamp_ns), frame_id=frame_id)
    return point_cloud2(header, {"x": x, "y": y, "z": z, "intensity": np.full(len(x), 0.25, np.float32)})


@pytest.fixture
def make_cloud() -> Callable[..., PointCloud2]:
    return cloud_message


@pytest.fixture
def until() -> Callable[..., Any]:
    return wait_until
