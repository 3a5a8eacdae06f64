"""A package of WaffleIron on a robot: opened by whom can run it, labels every point, refused where it does not fit."""

from dataclasses import replace

import numpy as np
import pytest

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadModelPackage, EngineUnavailable
from lidar_vl_core.model_packages.manifest import GridSpec, Manifest, WaffleSpec
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from tests.written.tiny_waffleiron import tiny_waffleiron_manifest, tiny_waffleiron_model, write_tiny_waffleiron


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return write_tiny_waffleiron(tmp_path_factory.mktemp("waffleiron") / "package")


def cloud(count: int = 1500) -> PointCloud:
    """Some points beyond the grids, some without a return, one without an intensity."""
    rng = np.random.default_rng(0)
    xyz_m = (rng.normal(size=(count, 3)) * (6, 6, 1)).astype(np.float32)
    intensity = rng.random(count, np.float32)
    xyz_m[::50], intensity[1:2] = np.nan, np.nan
    return PointCloud(xyz_m, intensity, 0, "lidar")


@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_every_point_with_a_return_is_labelled(package, engine):
    segmenter = Segmenter(load_model_package(package.path), engine)
    assert segmenter.engine_name == "onnxruntime"
    segmenter.warm_up()
    labels = segmenter.segment(cloud())
    met = cloud().has_return()
    assert set(labels.class_id[met].tolist()) == {0, 1}
    assert (labels.class_id[~met] == 255).all()
    assert set(labels.timing_ms) == {"voxels", "maps", "network", "labels", "total"}


def test_points_answer_as_they_did_in_another_order(package):
    segmenter, seen = Segmenter(package), replace(cloud(), xyz_m=cloud().xyz_m[::-1])
    seen = replace(seen, intensity=cloud().intensity[::-1])
    forwards, backwards = segmenter.segment(cloud()), segmenter.segment(seen)
    alone = len(cloud()) * 0.95  # of several points in a voxel the first one speaks
    assert (forwards.class_id == backwards.class_id[::-1]).sum() > alone


@pytest.mark.parametrize("count", [0, 1, 2])
def test_clouds_of_few_points_are_labelled(package, count):
    labels = Segmenter(package).segment(PointCloud(np.ones((count, 3), np.float32), np.ones(count, np.float32), 0, "l"))
    assert len(labels.class_id) == count
    assert (labels.class_id < 2).all()


def test_the_engine_for_sparse_convolutions_is_refused(package):
    with pytest.raises(
        EngineUnavailable, match=r"engine fused: expected a different .* Use engine auto or onnxruntime"
    ):
        Segmenter(package, "fused")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"levels": 5}, "levels 5, found 3"),
        ({"network": None, "waffleiron": None}, "found .* no attributes|expected inputs features, subm"),
        ({"waffleiron": WaffleSpec(waffle_cell_m=0.9)}, "cells of the grids .*22, 22"),
        ({"waffleiron": WaffleSpec(waffle_cell_m=30)}, "waffle_cell_m: expected cells above 0 that fit"),
        (
            {"grid": GridSpec(kind="cylindrical", voxel_size=(1, 1, 1), point_cloud_range=(0, -3, 0, 8, 3, 8))},
            "expected cartesian for WaffleIron",
        ),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(changes, told, tmp_path):
    manifest = tiny_waffleiron_manifest().model_copy(update=changes)
    with pytest.raises(BadModelPackage, match=told):
        write_model_package(tmp_path / "package", tiny_waffleiron_model(), manifest, "card")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"waffleiron": None}, "waffleiron: required for a WaffleIron package"),
        ({"network": "voxelnet"}, "waffleiron: required for a WaffleIron package"),
        ({"features": ("x", "y", "z", "intensity")}, "network waffleiron: expected task segmentation and features"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes, told):
    fields = tiny_waffleiron_manifest().model_dump()
    with pytest.raises(ValueError, match=told):
        Manifest(**{**fields, **changes})
