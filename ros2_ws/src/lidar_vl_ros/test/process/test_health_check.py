"""What docker asks of the robot's image: is a node of ours there, and well."""

import threading

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lidar_vl_ros.process.health_check import health_problem
from rclpy.context import Context
from rclpy.node import Node


@pytest.fixture
def context():
    context = Context()
    rclpy.init(context=context)
    yield context
    rclpy.shutdown(context=context)


def _asked_while(context, *statuses):
    """The answer while these statuses are told again and again."""
    node = Node("teller", context=context)
    publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    done = threading.Event()

    def tell():
        while not done.wait(0.02):
            publisher.publish(DiagnosticArray(status=list(statuses)))

    teller = threading.Thread(target=tell)
    teller.start()
    problem = health_problem(context, 0.5 if statuses[0].name == "camera_driver: front" else 10.0)
    done.set()
    teller.join()
    node.destroy_node()
    return problem


def _status(level, name="segmentation_node: clouds", message="serving"):
    return DiagnosticStatus(level=level, name=name, message=message)


def test_a_node_that_serves_is_well(context):
    assert _asked_while(context, _status(DiagnosticStatus.OK)) == ""


def test_a_node_that_warns_is_well_enough(context):
    assert _asked_while(context, _status(DiagnosticStatus.WARN)) == ""


def test_an_error_of_the_node_is_told(context):
    told = _asked_while(context, _status(DiagnosticStatus.ERROR, message="engine failed"))
    assert told == "segmentation_node: clouds: engine failed"


def test_what_others_say_is_no_sign_of_life(context):
    told = _asked_while(context, _status(DiagnosticStatus.OK, "camera_driver: front"))
    assert told.startswith("/diagnostics: expected one of segmentation_node")
