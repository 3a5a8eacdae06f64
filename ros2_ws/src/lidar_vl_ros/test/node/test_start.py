"""Where a node goes when it starts: to active, or after a crash where it had been commanded to; and its bond to nav2's manager."""

import json
import os
import sys
import types
from functools import partial

import pytest
from lidar_vl_ros.node import commanded_state
from lidar_vl_ros.node.commanded_state import CommandedState, state_folder
from lidar_vl_ros.segmentation_node import SegmentationNode

NODE = "segmentation_node"


def _crashed(state: CommandedState) -> None:
    """As the system does with a killed process: its files are closed, and nothing is cleaned up."""
    os.close(state._descriptor)
    state._descriptor = None


@pytest.fixture
def make(fake_segmenter):
    return partial(SegmentationNode, lambda settings: fake_segmenter)


@pytest.mark.parametrize("autostart", [True, False])
@pytest.mark.parametrize("state", ["unconfigured", "inactive", "active"])
def test_after_a_crash_a_node_goes_to_the_state_it_was_last_commanded_to(graph, make, until, state, autostart):
    before = CommandedState(f"/{NODE}", state_folder())
    before.remember(state)
    _crashed(before)
    node = graph.start(make, autostart=autostart)
    graph.logs(f"returning to the last commanded state, {state}")
    until(lambda: graph.state(NODE) == state, state)
    assert node.health.counts()["refused"] == 0


def test_what_is_commanded_is_kept_until_the_node_ends_in_order(graph, make, until):
    node = graph.start(make)
    until(lambda: graph.state(NODE) == "active", "the active state")
    [file] = state_folder().iterdir()
    told = lambda: json.loads(file.read_text())["state"]  # noqa: E731
    assert told() == "active"
    for asked, reached in (("deactivate", "inactive"), ("cleanup", "unconfigured"), ("configure", "inactive")):
        assert graph.transition(NODE, asked)
        assert told() == reached
    node.close()
    assert not file.exists()


def test_a_second_node_of_the_name_keeps_and_restores_nothing(tmp_path):
    first = CommandedState("/front/node", tmp_path)
    first.remember("active")
    second = CommandedState("/front/node", tmp_path)
    assert (second.left_by_crash, "another node of this name" in second.problem) == (None, True)
    second.remember("inactive")
    second.forget()
    _crashed(first)
    assert CommandedState("/front/node", tmp_path).left_by_crash == "active"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "active"}', '{"state": "flying", "boot": "now"}'])
def test_nothing_is_restored_from_before_the_machine_was_started_or_from_a_damaged_file(tmp_path, monkeypatch, content):
    monkeypatch.setattr(commanded_state, "_boot_id", lambda: "now")
    (tmp_path / "0.node.json").write_text(content)
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    assert CommandedState("/node", tmp_path).left_by_crash is None


def test_a_folder_that_cannot_be_written_is_told_and_keeps_no_node_from_serving(
    graph, make, until, monkeypatch, tmp_path
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "file"))
    graph.start(make)
    until(lambda: graph.state(NODE) == "active", "the active state")
    graph.logs("the commanded state will not survive a crash")


class FakeBond:
    """As that of bondpy 4.1, without a heartbeat."""

    made: "list[FakeBond]"
    sub = pub = None

    def __init__(self, node, topic, bond_id, on_broken=None, on_formed=None):
        self.at, self.on_formed, self.events = (topic, bond_id), on_formed, []
        FakeBond.made.append(self)

    def start(self):
        self.events.append(f"start at {self.heartbeat_period} s")

    def shutdown(self):
        self.events.append("shutdown")


@pytest.fixture
def bonds(monkeypatch):
    FakeBond.made = []
    monkeypatch.setitem(sys.modules, "bondpy", types.ModuleType("bondpy"))
    monkeypatch.setitem(sys.modules, "bondpy.bondpy", types.SimpleNamespace(Bond=FakeBond))
    return FakeBond.made


def test_where_bondpy_is_installed_an_active_node_offers_nav2_s_manager_a_bond(graph, make, until, bonds):
    graph.start(make, autostart=False)
    assert graph.transition(NODE, "configure")
    assert bonds == []
    assert graph.transition(NODE, "activate")
    assert [(bond.at, bond.events) for bond in bonds] == [(("bond", NODE), ["start at 0.25 s"])]
    assert graph.transition(NODE, "deactivate")
    assert bonds[0].events[1:] == ["shutdown"]
    assert graph.transition(NODE, "activate")
    assert len(bonds) == 2


def test_a_node_that_a_manager_is_bound_to_waits_for_its_commands_after_a_crash(graph, make, until, bonds):
    graph.start(make, autostart=False)
    assert graph.transition(NODE, "configure")
    assert graph.transition(NODE, "activate")
    [file] = state_folder().iterdir()
    assert json.loads(file.read_text())["state"] == "active"
    bonds[0].on_formed()
    assert json.loads(file.read_text())["state"] == "unconfigured"


def test_a_node_that_fails_ends_its_bond(graph, make, until, bonds):
    node = graph.start(make, autostart=False)
    assert graph.transition(NODE, "configure")
    assert graph.transition(NODE, "activate")
    node.stop_listening = None
    assert not graph.transition(NODE, "deactivate")
    del node.stop_listening
    assert bonds[0].events[1:] == ["shutdown"]
