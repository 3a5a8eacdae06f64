"""The floors of the house: who may import whom, and what may not be loaded."""

import ast
from functools import cache

import pytest

from tests.python_imports import CORE, PACKAGES, REPOSITORY, ROS, TRAINING, imports_of, python_files

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


def _module_graph(package: str, inside_functions: bool = True) -> dict[str, set[str]]:
    """Module -> what it imports of its own package; names that are no modules among it."""
    graph = {}
    for path in python_files(PACKAGES[package]):
        parts = path.relative_to(REPOSITORY / PACKAGES[package]).with_suffix("").parts
        module = ".".join((package, *parts)).removesuffix(".__init__")
        names = imports_of(ast.parse(path.read_text()), inside_functions)
        graph[module] = {name for name in names if f"{name}.".startswith(f"{package}.")} - {module}
    return graph


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_only_from_its_own_floor_or_below(room: str) -> None:
    broken = [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path in python_files(room)
        for name in imports_of(ast.parse(path.read_text()))
        if name.split(".")[0] in FORBIDDEN[room]
    ]
    assert broken == []


def test_losses_and_networks_know_neither_data_sets_nor_trainer() -> None:
    broken = [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for room in ("offline_training/losses", "offline_training/networks")
        for path in python_files(room)
        for name in imports_of(ast.parse(path.read_text()))
        if name.startswith(("offline_training.datasets", "lightning", "lidar_vl_core.foundation.config"))
        or (
            name.startswith("offline_training.")
            and not name.startswith(("offline_training.losses", "offline_training.networks"))
        )
    ]
    assert broken == []


def test_the_core_imports_heavy_packages_inside_functions_only() -> None:
    broken = []
    for path in python_files(CORE):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                broken += [
                    f"{path.relative_to(REPOSITORY)}: {name}"
                    for name in imports_of(node)
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


@pytest.mark.parametrize("room", [*FORBIDDEN, "tests/bench"])
def test_nothing_is_loaded_in_a_way_that_could_run_code(room: str) -> None:
    broken = []
    for path in python_files(room):
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
