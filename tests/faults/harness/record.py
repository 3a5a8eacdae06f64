"""A plugin of pytest that saves what every test told: pytest -p tests.faults.harness.record --record FILE."""

import json
from pathlib import Path
from typing import Any

import pytest

from lidar_vl_core.foundation.files import write_text
from tests.faults.harness.figures import gathered


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, help="where the outcome is saved, JSON")


class _Record:
    def __init__(self, path: Path) -> None:
        self._path, self._told = path, []
        self._passed, self._failed, self._skipped = 0, [], []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.append(report.nodeid)
        elif report.skipped:
            self._skipped.append(report.nodeid)
        elif report.when == "call":
            self._passed += 1
            self._told += [value for name, value in report.user_properties if name == "figure"]

    def pytest_sessionfinish(self) -> None:
        outcome: dict[str, Any] = {"passed": self._passed, "failed": self._failed, "skipped": self._skipped}
        write_text(self._path, json.dumps(outcome | {"figures": gathered(self._told)}, indent=1) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    if path := config.getoption("--record"):
        config.pluginmanager.register(_Record(path.absolute()))
