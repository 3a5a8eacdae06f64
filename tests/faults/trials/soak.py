"""Clouds at 10 Hz with faults among them, for long: python -m tests.faults.trials.soak --out out/faults. `make soak`.

This process is the drivers and the listener; the node is another one. One message in a hundred is damaged, and
JPEG pictures come at 20 Hz, of which one in a hundred is cut. Figures are saved every ten seconds, so that a run that is
stopped has told how far it came. Exit code 1 when a target is missed.
"""

import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from lidar_vl_ros.process.child_nodes import MODULES, private_graph_environment
from tqdm import tqdm

from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.foundation.files import write_text
from tests.bench.node.cloud_traffic import street_clouds
from tests.bench.report.machine import machine

RATE_HZ, FAULTS, POINTS = 10.0, 0.01, 35_000
INPUT, LABELLED, PICTURES = (
    "/lidar/points",
    "/segmentation_node/output/pointcloud/segmentation",
    "/front/image/compressed",
)
_READY_S, _LAST_S, _SAVE_EVERY_S, _WARM_S = 120.0, 5.0, 10.0, 60.0


class Soak:
    """What was sent, what came back, and how the node's memory went."""

    def __init__(self, seed: int = 0) -> None:
        os.environ.update(private_graph_environment())
        import rclpy
        from lidar_vl_ros.messages.qos import OUTPUT
        from sensor_msgs.msg import CompressedImage, PointCloud2

        rclpy.init()
        self._rclpy, self._node = rclpy, rclpy.create_node("soak")
        self._clouds = self._node.create_publisher(PointCloud2, INPUT, OUTPUT)
        self._pictures = self._node.create_publisher(CompressedImage, PICTURES, OUTPUT)
        self._node.create_subscription(PointCloud2, LABELLED, self._heard, OUTPUT)
        self._chance = random.Random(seed)
        self._sound, self._damaged, self._picture = _messages()
        self.sent: dict[int, bool] = {}  # stamp of every sound cloud, and whether it was answered
        self.damaged, self.latency_ms, self.answered_damaged = 0, [], 0

    def run(self, seconds: float, child: "subprocess.Popen[bytes]", save: Any) -> None:
        """Send at the rate, and call save() every few seconds."""
        self._wait_until_it_listens(child)
        began_s, saved_s = time.monotonic(), 0.0
        ticks = round(seconds * RATE_HZ * 2)
        for tick in tqdm(range(ticks), unit="tick", disable=not sys.stderr.isatty()):
            due_s = began_s + tick / (2 * RATE_HZ)
            while (left_s := due_s - time.monotonic()) > 0:
                self._rclpy.spin_once(self._node, timeout_sec=left_s)
            self._send(with_cloud=tick % 2 == 0)
            if child.poll() is not None:
                raise RuntimeError(f"the node ended with {child.returncode}")
            if time.monotonic() - saved_s > _SAVE_EVERY_S:
                saved_s = time.monotonic()
                save(saved_s - began_s)
        last_s = time.monotonic() + _LAST_S
        while time.monotonic() < last_s and not all(self.sent.values()):
            self._rclpy.spin_once(self._node, timeout_sec=0.05)
        save(time.monotonic() - began_s)

    def _wait_until_it_listens(self, child: "subprocess.Popen[bytes]") -> None:
        given_up_s = time.monotonic() + _READY_S
        while not (self._clouds.get_subscription_count() and self._node.count_publishers(LABELLED)):
            self._rclpy.spin_once(self._node, timeout_sec=0.05)
            if child.poll() is not None or time.monotonic() > given_up_s:
                raise RuntimeError(f"the node does not listen; exit code {child.poll()}")
        settled_s = time.monotonic() + 1.0  # let discovery finish on both ends
        while time.monotonic() < settled_s:
            self._rclpy.spin_once(self._node, timeout_sec=0.05)

    def _send(self, with_cloud: bool) -> None:
        from lidar_vl_ros.bags.rhythm import restamped

        now_ns = time.time_ns()
        picture = restamped(self._picture, now_ns)
        cut = self._chance.random() < FAULTS
        self._pictures.publish(_cut_picture(picture) if cut else picture)
        if not with_cloud:
            return
        if self._chance.random() < FAULTS:
            self.damaged += 1
            self._clouds.publish(restamped(self._chance.choice(self._damaged), now_ns))
        else:
            self.sent[now_ns] = False
            self._clouds.publish(restamped(self._chance.choice(self._sound), now_ns))

    def _heard(self, message: Any) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        if stamp in self.sent:
            self.sent[stamp] = True
            self.latency_ms.append((time.time_ns() - stamp) / 1e6)
        else:
            self.answered_damaged += 1


def _messages() -> tuple[list[bytes], list[bytes], bytes]:
    """Serialised clouds of a street, damaged ones, and a picture."""
    from lidar_vl_ros.messages.sensor_data import point_cloud2
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CompressedImage
    from std_msgs.msg import Header

    from lidar_vl_core.cameras.image import encode_jpeg

    sound, damaged = [], []
    for cloud in street_clouds(POINTS, "hdl32", 1600, frames=5):
        columns = dict(zip(("x", "y", "z", "intensity"), np.ascontiguousarray(cloud.T), strict=True))
        sound.append(serialize_message(point_cloud2(Header(frame_id="lidar"), columns)))
        for change in (
            {"width": POINTS + 7},
            {"height": 2},
            {"point_step": 0},
            {"data": b"\0" * 100},
            {"fields": []},
        ):
            message = point_cloud2(Header(frame_id="lidar"), columns)
            for name, value in change.items():
                setattr(message, name, value)
            damaged.append(serialize_message(message))
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    picture = CompressedImage(header=Header(frame_id="camera"), format="jpeg", data=encode_jpeg(noise))
    return sound, damaged, serialize_message(picture)


def _cut_picture(message: bytes) -> bytes:
    """Half of the JPEG overwritten; the message itself stays one."""
    return message[: len(message) // 2] + bytes(len(message) - len(message) // 2)


def figures_of(soak: Soak, took_s: float, rss_mb: list[tuple[float, float]]) -> dict[str, Any]:
    """All that the soak has shown so far, with its targets."""
    answered = sum(soak.sent.values())
    p50, p99 = np.percentile(soak.latency_ms, (50, 99)).tolist() if soak.latency_ms else (0.0, 0.0)
    warm = [mb for at_s, mb in rss_mb if at_s >= min(_WARM_S, took_s / 3)]
    drift_mb = warm[-1] - warm[0] if warm else 0.0
    told = {
        "seconds": round(took_s), "clouds": len(soak.sent), "damaged": soak.damaged, "answered": answered,
        "lost": len(soak.sent) - answered, "answers to damaged clouds": soak.answered_damaged,
        "p50_ms": round(p50, 1), "p99_ms": round(p99, 1), "rss_mb": round(rss_mb[-1][1], 1) if rss_mb else 0.0,
        "rss_drift_mb": round(drift_mb, 1), "load": round(os.getloadavg()[0], 1), "machine": machine(),
    }  # fmt: skip
    targets = {"0 lost": told["lost"] == 0, "p99 <= 1.5 x median": p99 <= 1.5 * p50, "RSS drift < 20 MB": drift_mb < 20}
    return told | {"targets": targets, "date": time.strftime("%Y-%m-%d")}


def main() -> int:
    """Run, save, print."""
    parser = CommandLine(prog="python -m tests.faults.trials.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=1 / 6, help="ten minutes where it is not given")
    parser.add_argument("--out", type=Path, default=Path("out/faults"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    soak, rss_mb = Soak(), []
    command = [sys.executable, "-m", MODULES["segmentation_node"], "--ros-args", "-p", "model:=demo"]
    command += ["-p", f"cameras.front.topic:={PICTURES}", "-r", f"~/input/pointcloud:={INPUT}"]
    told: dict[str, Any] = {}
    with (asked.out / "soak_node.log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def save(took_s: float) -> None:
        pages = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1])
        rss_mb.append((took_s, pages * resource.getpagesize() / 1e6))
        told.update(figures_of(soak, took_s, rss_mb))
        write_text(asked.out / "soak.json", json.dumps(told, indent=1) + "\n")

    try:
        soak.run(3600 * asked.hours, child, save)
    finally:
        child.terminate()
        told["node_exit_code"] = child.wait(30)
        write_text(asked.out / "soak.json", json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))
    return 0 if all(told["targets"].values()) and told["node_exit_code"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
