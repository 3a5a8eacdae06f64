"""A node under load that is stopped again and again: python -m tests.faults.trials.stopped_nodes SIGNAL COUNT FOLDER. Prints JSON.

This process is driver, listener and supervisor in one: 30,000 points at 10 Hz go on while the node, with the real
segmenter, is told to stop or is killed at a random moment of its work, and started again.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lidar_vl_ros.process.child_nodes import MODULES, private_graph_environment

INPUT, LABELLED = "/lidar/points", "/segmentation_node/output/pointcloud/segmentation"
_READY_S, _PERIOD_S, _POINTS = 120.0, 0.1, 30_000


class Traffic:
    """Clouds out, answers in; `spin` is called while something is waited for."""

    def __init__(self) -> None:
        os.environ.update(private_graph_environment())
        import numpy as np
        import rclpy
        from lidar_vl_ros.bags.rhythm import restamped
        from lidar_vl_ros.messages.qos import OUTPUT
        from lidar_vl_ros.messages.sensor_data import point_cloud2
        from rclpy.serialization import serialize_message
        from sensor_msgs.msg import PointCloud2
        from std_msgs.msg import Header

        rclpy.init()
        self._rclpy, self._restamped = rclpy, restamped
        self._node = rclpy.create_node("driver")
        self._clouds = self._node.create_publisher(PointCloud2, INPUT, OUTPUT)
        self._node.create_subscription(PointCloud2, LABELLED, self._heard, OUTPUT)
        x, y, z = np.random.default_rng(0).uniform([-40, -40, -2], [40, 40, 2], (_POINTS, 3)).astype(np.float32).T
        columns = {"x": x, "y": y, "z": z, "intensity": np.full(_POINTS, 0.5, np.float32)}
        self._message = serialize_message(point_cloud2(Header(frame_id="lidar"), columns))
        self._next_s, self.last_answer_ns = 0.0, 0

    def spin(self) -> None:
        """Send what is due, take what has come."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _PERIOD_S
            self._clouds.publish(self._restamped(self._message, time.time_ns()))
        self._rclpy.spin_once(self._node, timeout_sec=0.01)

    def wait_for_answer(self, child: "subprocess.Popen[bytes]") -> None:
        """Until a cloud that was sent after this call is answered."""
        from_ns, given_up_s = time.time_ns(), time.monotonic() + _READY_S
        while self.last_answer_ns < from_ns:
            self.spin()
            if child.poll() is not None or time.monotonic() > given_up_s:
                raise RuntimeError(f"the node does not serve; exit code {child.poll()}")

    def _heard(self, message: Any) -> None:
        self.last_answer_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def run(name: str, count: int, folder: Path) -> dict[str, Any]:
    """Exit codes, seconds until the end, and after a kill until the next answer."""
    number, chance, traffic = getattr(signal, name), random.Random(0), Traffic()
    told: dict[str, Any] = {"codes": [], "ended_s": [], "serves_again_s": [], "tracebacks": 0}
    log = folder / "node.log"
    child = _start(log)
    try:
        for done in range(1, count + 1):
            traffic.wait_for_answer(child)
            moment_s = time.monotonic() + chance.uniform(0.0, 0.3)
            while time.monotonic() < moment_s:
                traffic.spin()
            asked_s = time.monotonic()
            child.send_signal(number)
            while child.poll() is None:
                traffic.spin()
            told["ended_s"].append(round(time.monotonic() - asked_s, 3))
            told["codes"].append(child.returncode)
            if number == signal.SIGKILL or done < count:
                child = _start(log)
            if number == signal.SIGKILL:
                traffic.wait_for_answer(child)
                told["serves_again_s"].append(round(time.monotonic() - asked_s, 3))
    finally:
        child.kill()
        child.wait()
    told["tracebacks"] = log.read_text(errors="replace").count("Traceback")
    return told


def _start(log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", MODULES["segmentation_node"], "--ros-args", "-p", "model:=demo"]
    with log.open("ab") as out:
        return subprocess.Popen([*command, "-r", f"~/input/pointcloud:={INPUT}"], stdout=out, stderr=subprocess.STDOUT)


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
