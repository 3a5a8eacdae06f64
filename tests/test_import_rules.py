"""The floors of the house: who may import whom, what has to be declared, and what may not be loaded."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[1]
CORE = "lidar_vl_core"
TRAINING = "offline_training"
ROS = "ros2_ws/src/lidar_vl_ros/lidar_vl_ros"
ROS_TESTS = "ros2_ws/src/lidar_vl_ros/test"
ROS_PACKAGES = {
    "rclpy",
    "tf2_ros",
    "sensor_msgs",
    "std_msgs",
    "std_srvs",
    "geometry_msgs",
    "diagnostic_msgs",
    "visualization_msgs",
    "vision_msgs",
}

FORBIDDEN = {
    CORE: ROS_PACKAGES | {"torch", "lightning", "offline_training", "lidar_vl_ros"},
    TRAINING: ROS_PACKAGES | {"lidar_vl_ros"},
    ROS: {"torch", "lightning", "offline_training"},
}
HEAVY_IN_CORE = {
    "onnxruntime",
    "tensorrt",
    "tensorrt_rtx",
    "cuda",
    "rosbags",
    "mcap",
    "matplotlib",
    "PIL",
    "onnx",
    "scipy",
    "tqdm",
    "markdown_it",
}
LONGEST_CHAIN = {"lidar_vl_core": 8, "offline_training": 9, "lidar_vl_ros": 5}  # arrows
PACKAGES = {"lidar_vl_core": CORE, "offline_training": TRAINING, "lidar_vl_ros": ROS}
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


def _files(room: str) -> list[Path]:
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


def _imports(tree: ast.AST, inside_functions: bool = True) -> Iterator[str]:
    for node in _nodes(tree, inside_functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_graph(package: str, inside_functions: bool = True) -> dict[str, set[str]]:
    """Module -> what it imports of its own package; names that are no modules among it."""
    graph = {}
    for path in _files(PACKAGES[package]):
        parts = path.relative_to(REPOSITORY / PACKAGES[package]).with_suffix("").parts
        module = ".".join((package, *parts)).removesuffix(".__init__")
        names = _imports(ast.parse(path.read_text()), inside_functions)
        graph[module] = {name for name in names if f"{name}.".startswith(f"{package}.")} - {module}
    return graph


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_only_from_its_own_floor_or_below(room: str) -> None:
    broken = [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path in _files(room)
        for name in _imports(ast.parse(path.read_text()))
        if name.split(".")[0] in FORBIDDEN[room]
    ]
    assert broken == []


def test_losses_and_networks_know_neither_data_sets_nor_trainer() -> None:
    broken = [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for room in ("offline_training/losses", "offline_training/networks")
        for path in _files(room)
        for name in _imports(ast.parse(path.read_text()))
        if name.startswith(("offline_training.datasets", "lightning", "lidar_vl_core.foundation.config"))
        or (
            name.startswith("offline_training.")
            and not name.startswith(("offline_training.losses", "offline_training.networks"))
        )
    ]
    assert broken == []


def test_the_core_imports_heavy_packages_inside_functions_only() -> None:
    broken = []
    for path in _files(CORE):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                broken += [
                    f"{path.relative_to(REPOSITORY)}: {name}"
                    for name in _imports(node)
                    if name.split(".")[0] in HEAVY_IN_CORE
                ]
    assert broken == []


def test_modules_of_one_package_import_each_other_without_a_circle() -> None:
    graph = {module: names for package in PACKAGES for module, names in _module_graph(package).items()}
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in done or module not in graph:
            return
        for other in sorted(graph[module]):
            walk(other, (*trail, module))
        done.add(module)

    for module in graph:
        walk(module, ())


@pytest.mark.parametrize("package", PACKAGES)
def test_no_chain_of_imports_within_a_package_is_long(package: str) -> None:
    graph = _module_graph(package, inside_functions=False)

    @cache
    def longest(module: str) -> tuple[str, ...]:
        return (module, *max((longest(other) for other in graph[module] if other in graph), key=len, default=()))

    chain = max((longest(module) for module in graph), key=len)
    assert len(chain) - 1 <= LONGEST_CHAIN[package], " -> ".join(chain)


def test_no_folder_imports_the_modules_beside_it_in_the_folder_above() -> None:
    broken = [
        f"{module}: {name}"
        for package, room in PACKAGES.items()
        for module, names in _module_graph(package).items()
        for name in sorted(names)
        if module.startswith(f"{name.rpartition('.')[0]}.")
        and "." in module.removeprefix(f"{name.rpartition('.')[0]}.")
        and (REPOSITORY / room / f"{name.removeprefix(f'{package}.').replace('.', '/')}.py").is_file()
    ]
    assert broken == []


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
        for path in _files(room)
        for name in _imports(ast.parse(path.read_text()))
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


@pytest.mark.parametrize("room", [*FORBIDDEN, "tests/bench"])
def test_nothing_is_loaded_in_a_way_that_could_run_code(room: str) -> None:
    broken = []
    for path in _files(room):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            unsafe = (
                (name == "torch.load" and keywords.get("weights_only") != "True")
                or keywords.get("allow_pickle") == "True"
                or name.startswith("pickle.")
                or name in {"eval", "exec", "yaml.unsafe_load", "yaml.full_load"}
                or (name == "yaml.load" and "CheckedLoader" not in ast.unparse(node))
            )
            if unsafe:
                broken.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}: {ast.unparse(node)[:80]}")
    assert broken == []
