"""What all floors share: recordings, one small model package, and how many examples a property is tried on.

At the top of the repository, as the tests of the ROS package lie in that package. Nothing here imports PyTorch: `make test-core` runs without it.
"""

import os
from collections.abc import Callable
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # processes share the cores already
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that a test asks for sleep while they wait
if not Path("/dev/nvidiactl").exists():
    os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it when it is imported, which Lightning does, too

import pytest
from hypothesis import settings

from tests.faults.harness.figures import Figures
from tests.recordings import FOLDERS, REAL

FAST_EXAMPLES = 20
settings.register_profile("full", deadline=None)  # a busy machine is no fault of the code
settings.register_profile("fast", deadline=None, max_examples=FAST_EXAMPLES)  # --hypothesis-profile fast
settings.load_profile("full")


@pytest.fixture(scope="session", params=FOLDERS)
def test_data(request: pytest.FixtureRequest) -> Path:
    """A folder of recordings: the shipped one, then the real one where it is."""
    return FOLDERS[request.param]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings, for figures that others published about them; without it such tests are deselected."""
    return REAL


@pytest.fixture(scope="session")
def tiny_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model package with random weights, nuScenes' 16 classes and three levels: enough to walk every path in milliseconds."""
    from tests.written.tiny_package import write_tiny_package

    return write_tiny_package(tmp_path_factory.mktemp("packages") / "tiny")


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Where a test of a fault tells what it has counted and measured; `make faults` prints it."""
    return Figures(record_property)


def pytest_terminal_summary(terminalreporter) -> None:  # pytest names its type only since 9
    """Says what was left out where real recordings are absent."""
    if "real" not in FOLDERS:
        terminalreporter.write_line(
            f"Shipped recordings only: figures published of real ones are not compared, as none are at {REAL} (LIDAR_VL_TEST_DATA)."
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs absent recordings, and cap examples in the fast profile."""
    if "real" not in FOLDERS:
        needed = [item for item in items if "real_data" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=needed)
        items[:] = [item for item in items if item not in needed]
    if settings.default.max_examples == FAST_EXAMPLES:
        for test in {item.obj for item in items if hasattr(item, "obj") and hasattr(item.obj, "hypothesis")}:
            own = test._hypothesis_internal_use_settings  # what @settings left there
            test._hypothesis_internal_use_settings = settings(own, max_examples=min(own.max_examples, FAST_EXAMPLES))
