"""How long a file and a function may be, how many modules a folder may hold, and which names say nothing."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
_ROS = "ros2_ws/src/lidar_vl_ros"
ROOMS = ("lidar_vl_core", "offline_training", f"{_ROS}/lidar_vl_ros", f"{_ROS}/test", "launch", "tests")
MOST_LINES, MOST_LINES_OF_FUNCTION, MOST_MODULES = 250, 60, 16
_OF_THE_FOLDER = {"__init__.py", "conftest.py"}  # no subject of their own
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}


def _files() -> Iterator[tuple[str, str]]:
    """Path and content of every file in Python."""
    for room in ROOMS:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            yield str(path.relative_to(REPOSITORY)), path.read_text()


def test_no_file_is_longer_than_one_subject_needs() -> None:
    lengths = {path: len(text.splitlines()) for path, text in _files()}
    assert {path: n for path, n in lengths.items() if n > MOST_LINES} == {}


def test_no_function_is_longer_than_one_idea_needs() -> None:
    long = [
        f"{path}:{node.lineno}: {node.name}"
        for path, text in _files()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _lines(node) > MOST_LINES_OF_FUNCTION
    ]
    assert long == []


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """A class that a function makes counts for itself."""
    classes = [each for each in node.body if isinstance(each, ast.ClassDef)]
    return node.end_lineno - node.lineno + 1 - sum(each.end_lineno - each.lineno + 1 for each in classes)


def test_no_folder_holds_more_modules_than_one_finds_one_in() -> None:
    folders = Counter(str(Path(path).parent) for path, _ in _files() if Path(path).name not in _OF_THE_FOLDER)
    assert {folder: count for folder, count in folders.items() if count > MOST_MODULES} == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path, _ in _files() if Path(path).stem in VAGUE_NAMES] == []
