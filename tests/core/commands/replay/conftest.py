"""A recording of six clouds, and the package that labels them."""

from pathlib import Path

import pytest

from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from tests.core.commands.replay.random_street import clouds, truths
from tests.written.labelled_bags import write_labelled_bag


@pytest.fixture(scope="module")
def package(tiny_package: Path) -> ModelPackage:
    return load_model_package(tiny_package)


@pytest.fixture(scope="module")
def street(tmp_path_factory) -> Path:
    made = clouds(6)
    return write_labelled_bag(tmp_path_factory.mktemp("bags") / "street.mcap", made, truths(made), later_ns=5_000_000)
