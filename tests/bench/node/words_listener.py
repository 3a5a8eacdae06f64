"""Who listens to the node's labels and changes its words meanwhile. Started by listen()."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from lidar_vl_core.commands.program.command_line import CommandLine
from tests.bench.node.cloud_traffic import LAST_CLOUD_TIMEOUT_S, READY_TIMEOUT_S
from tests.bench.node.latency import LABELLED

CLOUDS_A_CHANGE = 15
WORDS = [f"word {number}" for number in range(32)]


def listen(count: int, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """A process that prints what it heard of so many clouds, and the changes it made, as JSON."""
    command = [sys.executable, "-m", "tests.bench.node.words_listener", str(count)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _listen(count: int) -> None:
    """Print every cloud's arrival and every change of words; ends when all came, or some time after the last one."""
    import rclpy
    from lidar_vl_ros.messages.qos import OUTPUT
    from lidar_vl_ros.process.run_node import keep_freed_memory
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter
    from sensor_msgs.msg import PointCloud2

    from lidar_vl_core.clouds.point_cloud2 import decode
    from lidar_vl_core.foundation.stamps import stamp_ns

    keep_freed_memory()
    rclpy.init()
    node = rclpy.create_node("listener")
    clouds: list[tuple[float, float, bool]] = []
    changes: list[tuple[float, float, bool]] = []

    def received(message: PointCloud2) -> None:
        now_ns = time.monotonic_ns()
        class_id = decode(message, ("class_id",)).extra["class_id"]
        one_word = not (class_id[class_id != 255] > 0).any()
        clouds.append((now_ns / 1e9, (now_ns - stamp_ns(message.header.stamp)) / 1e6, bool(one_word)))

    node.create_subscription(PointCloud2, LABELLED, received, OUTPUT)
    client = node.create_client(SetParameters, "/segmentation_node/set_parameters")
    asked: tuple[float, bool, Any] | None = None
    last_s, heard = time.monotonic(), 0
    while len(clouds) < count:
        rclpy.spin_once(node, timeout_sec=0.02)
        if asked is not None and asked[2].done():
            if not (result := asked[2].result().results[0]).successful:
                sys.exit(f"refused: {result.reason}")
            changes.append((asked[0], time.monotonic(), asked[1]))
            asked = None
        if asked is None and len(clouds) >= CLOUDS_A_CHANGE * (len(changes) + 1) and len(clouds) < count - 2:
            one_word = len(changes) % 2 == 0
            parameter = Parameter("prompts", value=WORDS[:1] if one_word else WORDS).to_parameter_msg()
            # Just after a cloud came the node is idle; half a period later another one may be in work.
            time.sleep(0.05 * (len(changes) % 3))
            asked = time.monotonic(), one_word, client.call_async(SetParameters.Request(parameters=[parameter]))
        if len(clouds) > heard:
            last_s, heard = time.monotonic(), len(clouds)
        if time.monotonic() - last_s > (LAST_CLOUD_TIMEOUT_S if heard else READY_TIMEOUT_S):
            break
    print(json.dumps({"clouds": clouds, "changes": changes}))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    parser = CommandLine(prog="python -m tests.bench.node.words_listener", description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, help="so many clouds")
    _listen(parser.parse_args().count)
