"""What is imported is declared, for pip and for colcon."""

import ast
import re
import sys
from xml.etree import ElementTree

import pytest

from tests.python_imports import CORE, PACKAGES, REPOSITORY, ROS, TRAINING, imports_of, python_files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


ROS_TESTS = "ros2_ws/src/lidar_vl_ros/test"
# Import names of packages that are named otherwise, and those that come as a part of another.
BROUGHT_BY = {
    "yaml": "pyyaml",
    "PIL": "pillow",
    "markdown_it": "markdown-it-py",
    "skimage": "scikit-image",
    "open_clip": "open-clip-torch",
    "google": "protobuf",
    "pydantic_core": "pydantic",
    "tensorrt_rtx": "tensorrt-rtx-cu13",
}
TAKEN_WHERE_IT_IS = {"torchsparse"}  # never needed: asked for by name where somebody has built it
COMES_WITH_ROS = {
    "launch",
    "launch_ros",
    "tf2_py",
}  # on no wheel: imported by launch files alone, or where they are installed
TRAINING_EXTRAS = ("train", "vfm", "language", "ray", "triton", "synthetic")


def _declared(*extras: str) -> set[str]:
    """Names of the distributions that an installation with these extras asks for."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + [each for extra in extras for each in project["optional-dependencies"][extra]]
    return {re.match(r"[\w.-]+", each)[0].lower().replace("_", "-") for each in asked}


def _third_party(room: str) -> dict[str, str]:
    """Import name -> a file that imports it."""
    own = {*PACKAGES, *sys.stdlib_module_names}
    names = {
        name.split(".")[0]: str(path.relative_to(REPOSITORY))
        for path in python_files(room)
        for name in imports_of(ast.parse(path.read_text()))
    }
    return {name: path for name, path in names.items() if name not in own}


@pytest.mark.parametrize(("room", "extras"), [(CORE, ("tensorrt",)), (TRAINING, TRAINING_EXTRAS)])
def test_what_is_imported_is_declared(room: str, extras: tuple[str, ...]) -> None:
    declared = _declared(*extras)
    missing = {
        name: path
        for name, path in _third_party(room).items()
        if BROUGHT_BY.get(name, name).lower().replace("_", "-") not in declared and name not in TAKEN_WHERE_IT_IS
    }
    assert missing == {}


def test_what_the_robot_imports_is_declared_for_colcon_and_for_pip() -> None:
    package = ElementTree.parse(REPOSITORY / "ros2_ws/src/lidar_vl_ros/package.xml")
    for_colcon = {element.text.removeprefix("python3-") for element in package.iter("exec_depend")}
    for_pip = {name.removeprefix("ros-") for name in _declared("ros")}
    of_core = _declared()
    missing = {}
    for name, path in _third_party(ROS).items():
        distribution = BROUGHT_BY.get(name, name).lower()
        if distribution in of_core:
            continue
        by_pip = name in COMES_WITH_ROS or distribution.replace("_", "-") in for_pip
        if distribution not in for_colcon or not by_pip:
            missing[name] = path
    assert missing == {}


def test_what_the_tests_of_the_robot_import_is_declared_for_colcon_or_comes_with_the_core() -> None:
    package = ElementTree.parse(REPOSITORY / "ros2_ws/src/lidar_vl_ros/package.xml")
    depends = [element.text for kind in ("exec_depend", "test_depend") for element in package.iter(kind)]
    declared = {name.removeprefix("python3-") for name in depends} | _declared()
    missing = {
        name: path
        for name, path in _third_party(ROS_TESTS).items()
        if name not in ("tests", "ros2_ws") and not {name, BROUGHT_BY.get(name, name)} & declared
    }
    assert missing == {}
