"""The image tower in a process of its own: the same features, and what happens when either end of it goes."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lidar_vl_core.engines.image_tower import ImageEncoder
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.tasks.beside.encoder_process import EncoderProcess
from tests.written.embedding_packages import write_embedding_package

SIZE = (48, 64)
RGB = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_embedding_package(tmp_path_factory.mktemp("process") / "package", image_size=SIZE)


@pytest.fixture
def encoder(package):
    encoder = EncoderProcess(package, threads=1)
    yield encoder
    encoder.close()


def test_features_are_those_of_the_tower_in_this_process(package, encoder):
    assert encoder.size == SIZE
    here = ImageEncoder(package, 1)
    for rgb in (RGB, RGB[:48, :64]):
        assert_array_equal(encoder.features(rgb), here.features(rgb))


def test_it_gives_way_to_the_process_that_asks(encoder):
    pid = encoder._process._process.pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)


def test_a_process_that_is_killed_is_told_and_the_next_image_starts_another(encoder):
    before = encoder.features(RGB)
    encoder._process._process.kill()
    with pytest.raises(BadModelPackage, match="image encoder: its process ended with -9"):
        encoder.features(RGB)
    assert_array_equal(encoder.features(RGB), before)


def test_ctrl_c_is_left_to_the_process_that_asks(encoder):
    encoder._process._process.send_signal(signal.SIGINT)
    assert encoder.features(RGB).size


def test_closed_it_is_gone(encoder):
    process = encoder._process._process
    encoder.close()
    assert process.poll() is not None


def test_it_ends_with_the_process_that_asked_even_when_that_is_killed(package):
    asking = (
        "import os, sys; from lidar_vl_core.model_packages.package import load_model_package;"
        "from lidar_vl_core.tasks.beside.encoder_process import EncoderProcess;"
        "encoder = EncoderProcess(load_model_package(sys.argv[1]), 1); os.kill(os.getpid(), 9)"
    )
    # Both hold the pipe of their standard output: it ends, and with it the wait, when both are gone.
    done = subprocess.run([sys.executable, "-c", asking, package.path], stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == -signal.SIGKILL


def test_a_package_without_an_image_tower_is_refused(tmp_path):
    package = write_embedding_package(tmp_path / "package")
    with pytest.raises(BadModelPackage, match="expected a package with an image encoder, found none"):
        EncoderProcess(package, 1)
