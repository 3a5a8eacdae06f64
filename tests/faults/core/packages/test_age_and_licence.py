"""Row 28: how old a model is, and under which licence, is told where it is chosen; a package without a licence is none."""

import shutil
from datetime import date

import pytest

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.origin import origin
from lidar_vl_core.model_packages.package import load_model_package, packaged_models
from tests.faults.core.packages.resealed_packages import put, reseal

TODAY = date(2026, 12, 11)


@pytest.fixture
def tiny_copy(tiny_package, tmp_path):
    return shutil.copytree(tiny_package, tmp_path / "package")


@pytest.mark.parametrize(
    ("made_on", "told"),
    [
        ("2026-11-29", "Apache-2.0, made on 2026-11-29 (12 days ago)"),
        ("2026-12-10", "Apache-2.0, made on 2026-12-10 (1 day ago)"),
        ("2026-12-12", "Apache-2.0, made on 2026-12-12, which is in the future by this machine's clock"),
        (None, "Apache-2.0, made on an unknown date"),
    ],
)
def test_the_age_and_the_licence_of_a_model_are_told(tiny_copy, made_on, told):
    reseal(tiny_copy, put("producer.made_on", made_on))
    assert origin(load_model_package(tiny_copy).manifest, TODAY) == told


@pytest.mark.parametrize("day", ["", "yesterday", "29.11.2026", "2026-13-01", "20261129", 20261129])
def test_a_day_that_is_none_is_refused(tiny_copy, day):
    reseal(tiny_copy, put("producer.made_on", day))
    with pytest.raises(BadModelPackage, match="made_on"):
        load_model_package(tiny_copy)


def test_a_package_without_a_licence_is_refused(tiny_copy):
    reseal(tiny_copy, put("licence", ""))
    with pytest.raises(BadModelPackage, match="licence"):
        load_model_package(tiny_copy)


def test_the_shipped_models_know_their_day_and_licence():
    for name in packaged_models():
        assert load_model_package(name).manifest.producer.made_on
        assert load_model_package(name).manifest.licence
