"""Nodes as child processes: what fails is named, and nothing outlives the block."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs the ROS 2 wheels: pip install -e .[ros]")

from lidar_vl_ros.process.child_nodes import ChildNodes, GraphFailed, private_graph_environment


def _alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _run(folder: Path, timeout_s: float, children: list[int], bag: str | None = None) -> None:
    """A recorder of a topic nobody publishes, and perhaps a player; `children` gets the recorder's process id."""
    with ChildNodes(folder, private_graph_environment()) as graph:
        graph.start("bag_recorder", output=str(folder / "out.mcap"), topics=["/x"])
        children.append(graph._children["bag_recorder"].pid)
        if bag is not None:
            graph.start("bag_player", bag=bag)
        graph.wait("bag_recorder", timeout_s)


def test_a_node_that_refuses_its_parameters_is_named_with_its_last_words(tmp_path: Path) -> None:
    children: list[int] = []
    with pytest.raises(GraphFailed, match=r"bag_player: .*exit code 2.*nowhere\.mcap.*bag_player\.log"):
        _run(tmp_path, 120, children, bag=str(tmp_path / "nowhere.mcap"))
    assert not _alive(children[0])


def test_a_node_that_takes_too_long_is_named_and_ended(tmp_path: Path) -> None:
    children: list[int] = []
    with pytest.raises(GraphFailed, match=r"bag_recorder: .*still running after 1 s"):
        _run(tmp_path, 1, children)
    assert not _alive(children[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_children_end_with_their_parent_however_it_ends(tmp_path: Path, number: int) -> None:
    code = (
        "import time\nfrom pathlib import Path\nfrom lidar_vl_ros.process.child_nodes import ChildNodes, private_graph_environment\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "with ChildNodes(folder, private_graph_environment()) as graph:\n"
        "    graph.start('bag_recorder', output=str(folder / 'out.mcap'), topics=['/x'])\n"
        "    print(graph._children['bag_recorder'].pid, flush=True)\n    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert _alive(child)
    os.kill(parent.pid, number)
    parent.wait(30)
    deadline_s = time.monotonic() + 20
    while _alive(child):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_the_environment_is_private_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_LOCALHOST_ONLY", "1")
    monkeypatch.setenv("KEPT", "yes")
    environment = private_graph_environment()
    assert environment["KEPT"] == "yes"
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert 1 <= int(environment["ROS_DOMAIN_ID"]) <= 100
    assert Path(environment["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
    assert "ROS_LOCALHOST_ONLY" not in environment
