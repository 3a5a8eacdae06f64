"""Launch files run with a stand-in for `launch`."""

import sys
from functools import partial
from types import ModuleType

import pytest

from ros2_ws.src.lidar_vl_ros.test.launching.written_launch import MODULES_OF_LAUNCH, OF_REPLAY, PACKAGE, Launched, Made


@pytest.fixture
def launch(monkeypatch, tmp_path):
    """Runs a launch file with a `launch` that writes down what it is asked for; modules keep the one they saw first."""
    for name in MODULES_OF_LAUNCH:
        module = ModuleType(name)
        module.__getattr__ = lambda kind: partial(Made, kind)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("ament_index_python.packages.get_package_share_directory", lambda name: str(PACKAGE))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    launched = []

    def run(name, **given):
        launched.append(Launched(name, (OF_REPLAY if name == "replay" else {}) | given))
        return launched[-1]

    yield run
    for each in launched:
        each.shut_down()


@pytest.fixture
def params_file(tmp_path):
    def write(text):
        path = tmp_path / "given.yaml"
        path.write_text(text)
        return str(path)

    return write
