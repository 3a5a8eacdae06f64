"""The front door: whatever a program holds goes in, a class for each point comes out."""

import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import lidar_vl_core
from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.from_arrays import cloud_from_arrays
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadLabels, BadModelPackage, BadPointCloud

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "segment_a_cloud.py"


@pytest.fixture(scope="module")
def model():
    return lidar_vl_core.load("demo")


@pytest.fixture(scope="module")
def sweep():
    """(N, 4) float64."""
    return runpy.run_path(str(EXAMPLE))["made_up_sweep"]()[::10]


def structured(array, names=("x", "y", "z", "intensity")):
    types = np.dtype([(name, "f8" if k == 0 else "f4") for k, name in enumerate(names)])
    return np.array([tuple(row) for row in array], types)


@pytest.mark.parametrize(
    "form",
    [
        lambda points: points,
        lambda points: points.astype(np.float32),
        lambda points: points.astype(">f4"),
        lambda points: np.asfortranarray(points),
        lambda points: [list(row) for row in points],
        lambda points: structured(points),
        lambda points: structured(points, ("X", "Y", "Z", "Reflectance")).reshape(2, -1),
    ],
)
def test_every_form_of_the_same_points_gives_the_same_classes(model, sweep, form):
    points = sweep[: 2 * (len(sweep) // 2)]
    expected = model.segment(points)
    found = model.segment(form(points))
    assert len(found) == len(points)
    np.testing.assert_allclose(found.cloud.xyz_m, points[:, :3], rtol=1e-6)
    assert (found.class_id == expected.class_id).mean() > 0.999


def test_a_cloud_its_file_and_its_arrays_give_the_same(model, sweep, tmp_path):
    path = tmp_path / "sweep.npz"
    xyz_m, intensity = sweep[:, :3].astype(np.float32), sweep[:, 3].astype(np.float32)
    np.savez(path, xyz_m=xyz_m, intensity=intensity)
    expected = model.segment(PointCloud(xyz_m, intensity, 0, "lidar"))
    for found in (model.segment(path), model.segment(str(path)), model.segment(xyz_m, intensity=intensity)):
        assert np.array_equal(found.class_id, expected.class_id)
        assert np.array_equal(found.probability, expected.probability)


def test_intensity_is_optional_and_of_any_scale(model, sweep):
    assert not model.segment(sweep[:, :3]).cloud.intensity.any()
    counted = model.segment(sweep[:, :3], intensity=np.round(sweep[:, 3] * 255).astype(np.uint8))
    np.testing.assert_allclose(counted.cloud.intensity, sweep[:, 3], atol=1 / 255)


def test_names_colours_counts_and_masks_speak_of_the_same_points(model, sweep):
    labelled = model.segment(np.concatenate([sweep, np.full((3, 4), np.nan)]))
    assert set(labelled.class_name[-3:]) == {""}
    assert not labelled.rgb[-3:].any()
    assert sum(labelled.counts().values()) == np.count_nonzero(labelled.class_id != 255) == len(sweep)
    assert list(labelled.counts().values()) == sorted(labelled.counts().values(), reverse=True)
    most = next(iter(labelled.counts()))
    assert labelled.points_of(most).sum() == labelled.counts()[most] == (labelled.class_name == most).sum()
    assert np.array_equal(
        labelled.rgb[labelled.points_of(most)][0], model.classes.colors_rgb[model.classes.id_of(most)]
    )
    with pytest.raises(BadLabels, match="no class 'unicorn'"):
        labelled.points_of("unicorn")


@pytest.mark.parametrize("name", ["labelled.npz", "labelled.pcd", "labelled.ply"])
def test_what_is_saved_is_read_back(model, sweep, tmp_path, name):
    labelled = model.segment(sweep)
    labelled.save(tmp_path / name)
    found = read_cloud(tmp_path / name)
    np.testing.assert_array_equal(found.xyz_m, labelled.cloud.xyz_m)
    np.testing.assert_array_equal(found.extra["class_id"], labelled.class_id)


def test_nothing_in_gives_nothing_out(model):
    assert len(model.segment(np.zeros((0, 3)))) == 0
    assert model.segment(np.zeros((0, 3))).counts() == {}


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (np.zeros(3), "found \\(3,\\)"),
        (np.zeros((5, 2)), "found \\(5, 2\\)"),
        (np.zeros((5, 6)), "points\\[:, :4\\]"),
        (np.zeros((4, 50)), "Turn them: points.T"),
        (np.zeros((4, 3), complex), "complex"),
        (np.array([["a", "b", "c"]]), "found \\(1, 3\\)"),
        (np.zeros(3, [("x", "f4"), ("y", "f4")]), "expected fields x, y and z, found x, y"),
        (np.full((4, 3), 5e6), "in the sensor's frame"),
    ],
)
def test_what_is_no_sweep_is_refused_in_words(model, points, told):
    with pytest.raises(BadPointCloud, match=told):
        model.segment(points)


def test_a_sweep_upside_down_and_a_dark_signal_are_told_by_warnings(sweep):
    model = lidar_vl_core.load("demo")
    with pytest.warns(UserWarning, match="expected z up"):
        model.segment(sweep * [1, -1, -1, 1])
    with pytest.warns(UserWarning, match="intensity: 65535 becomes 1, .* dark for a network"):
        model.segment(np.column_stack([sweep[:, :3], np.linspace(1, 3000, len(sweep))]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lidar_vl_core.load("demo").segment(sweep)


def test_columns_of_another_length_or_given_twice_are_refused(sweep):
    for beside in ({"intensity": np.zeros(3)}, {"rgb": np.zeros((3, 3), np.uint8)}, {"rgb": np.zeros((len(sweep), 3))}):
        with pytest.raises(BadPointCloud, match="expected"):
            cloud_from_arrays(sweep[:, :3], **beside)
    with pytest.raises(BadPointCloud, match="Remove one"):
        cloud_from_arrays(sweep, intensity=sweep[:, 3])


def test_a_model_without_words_says_so_and_an_unknown_one_too(model):
    with pytest.raises(BadModelPackage, match="no words"):
        model.set_words(["car"])
    with pytest.raises(BadModelPackage, match="demo"):
        lidar_vl_core.load("demmo")


def test_a_detector_finds_boxes_and_each_kind_of_model_names_the_other_s_call(model, sweep):
    detector = lidar_vl_core.load("demo_detector")
    boxes = detector.detect(sweep[:, :3], sweep[:, 3])
    assert len(boxes)
    assert (np.diff(boxes.score) <= 0).all()
    assert set(boxes.class_id.tolist()) <= set(range(len(detector.classes)))
    with pytest.raises(BadModelPackage, match=r"found a detector. Call detect\(\)"):
        detector.segment(sweep)
    with pytest.raises(BadModelPackage, match=r"Call segment\(\)"):
        model.detect(sweep)


def test_the_example_runs_as_written(tmp_path):
    subprocess.run([sys.executable, str(EXAMPLE)], cwd=tmp_path, check=True, timeout=120)
    assert {path.name for path in tmp_path.iterdir()} == {"labelled.ply", "labelled.png"}
    assert len(EXAMPLE.read_text().splitlines()) < 80


def test_the_example_of_boxes_runs_as_written(tmp_path):
    example = EXAMPLE.with_name("detect_boxes.py")
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, check=True, timeout=120, capture_output=True, text=True
    )
    assert {path.name for path in tmp_path.iterdir()} == {"boxes.json", "boxes.png"}
    assert "car " in done.stdout


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, lidar_vl_core; print(sorted({'numpy', 'numba', 'onnx', 'pydantic'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
