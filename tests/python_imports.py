"""What the files of each package import, by their syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
CORE = "lidar_vl_core"
TRAINING = "offline_training"
ROS = "ros2_ws/src/lidar_vl_ros/lidar_vl_ros"
PACKAGES = {"lidar_vl_core": CORE, "offline_training": TRAINING, "lidar_vl_ros": ROS}


def python_files(room: str) -> list[Path]:
    return sorted((REPOSITORY / room).rglob("*.py"))


def _nodes(tree: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """Everything in a file, or only what runs when it is imported."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        waits = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if inside_functions or not waits:
            yield from _nodes(node, inside_functions)


def imports_of(tree: ast.AST, inside_functions: bool = True) -> Iterator[str]:
    for node in _nodes(tree, inside_functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
