"""A context of ROS for nodes that only have parameters."""

from collections.abc import Iterator

import pytest
import rclpy
from rclpy.context import Context


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    context = Context()
    rclpy.init(context=context)
    yield context
    rclpy.shutdown(context=context)
