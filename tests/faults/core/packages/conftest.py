"""A package of each task, and a copy to change."""

import shutil

import numpy as np
import pytest

from lidar_vl_core.sparse_model.onnx_form import SparseGraphBuilder
from tests.written.tiny_detectors import ANCHORS, write_tiny_detector
from tests.written.tiny_package import write_two_class_package


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    rng = np.random.default_rng(0)
    builder = SparseGraphBuilder(1, 1, "tiny")
    weight = rng.normal(size=(27, 1, 3)).astype(np.float32)
    hidden = builder.relu(builder.sparse_conv("features", "subm0", weight, np.zeros(3, np.float32)))
    model = builder.finish(builder.linear(hidden, np.ones((3, 2), np.float32), np.zeros(2, np.float32)))
    return write_two_class_package(tmp_path_factory.mktemp("models") / "tiny", model)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "detector"
    write_tiny_detector(folder, ANCHORS)
    return folder


@pytest.fixture
def package(original, tmp_path):
    return shutil.copytree(original, tmp_path / "package")
