"""Headless .bin files: how many columns they have is told by their numbers, or asked for, and never by their size."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lidar_vl_core.clouds.cloud_files import read_cloud, read_cloud_file
from lidar_vl_core.foundation.errors import BadCloudFile

KITTI = ["x", "y", "z", "intensity"]


def sweep(rings=16, columns=60, by_column=False, seed=0):
    """Columns of a street: ground, walls on both sides; ring by ring, or firing by firing."""
    rng = np.random.default_rng(seed)
    ring, turn = np.meshgrid(np.arange(rings), np.arange(columns), indexing="ij")
    if by_column:
        ring, turn = ring.T, turn.T
    ring, azimuth = ring.ravel(), turn.ravel() * 2 * np.pi / columns
    elevation = np.deg2rad(-24 + 26 * ring / rings)
    with np.errstate(divide="ignore"):
        ground_m = np.where(elevation < 0, -1.8 / np.sin(elevation), np.inf)
    wall_m = 9 / np.maximum(np.abs(np.sin(azimuth)), 0.15)
    range_m = np.minimum(ground_m, wall_m) + rng.normal(0, 0.02, len(ring))
    level_m = range_m * np.cos(elevation)
    return {
        "x": level_m * np.cos(azimuth),
        "y": level_m * np.sin(azimuth),
        "z": range_m * np.sin(elevation),
        "intensity": np.where(ground_m < wall_m, 0.1, 0.4) + rng.uniform(0, 0.1, len(ring)),
        "ring": ring,
        "time": azimuth / 63,
        "velocity": rng.normal(0, 3, len(ring)),
    }


def write(path, columns, names, points=None):
    values = np.stack([columns[name] for name in names], axis=1).astype("<f4")[:points]
    values.tofile(path)
    return values


@pytest.mark.parametrize("points", [100, 400, 960])  # each divides by 16 and by 20 bytes, most by 12 and 24 as well
@pytest.mark.parametrize("by_column", [False, True])
@pytest.mark.parametrize(
    "names", ["x y z", "x y z intensity", "x y z intensity ring", "x y z intensity ring time", "x y z intensity time"]
)
def test_the_numbers_tell_the_columns(tmp_path, names, by_column, points):
    written = write(tmp_path / "a.bin", sweep(by_column=by_column), names.split(), points)
    read = read_cloud_file(tmp_path / "a.bin")
    assert_array_equal(read.cloud.xyz_m, written[:, :3])
    told = f"read as {points} points of x, y, z"
    assert any(told in remark for remark in read.remarks) == (names.split() != KITTI)
    if "intensity" in names:
        assert_array_equal(read.cloud.intensity, written[:, 3])
    if "ring" in names:
        assert_array_equal(read.cloud.extra["ring"], written[:, 4])


@pytest.mark.parametrize("scale", [1, 255, 65535])
def test_neither_the_order_nor_the_scale_of_intensity_changes_the_columns(tmp_path, scale):
    columns = {name: values[np.random.default_rng(1).permutation(960)] for name, values in sweep().items()}
    columns["intensity"] = np.floor(columns["intensity"] * scale) if scale > 1 else columns["intensity"]
    write(tmp_path / "a.bin", columns, ["x", "y", "z", "intensity", "ring"])
    assert len(read_cloud_file(tmp_path / "a.bin").cloud) == 960


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_cut_file_is_not_read_with_the_columns_that_its_size_divides_by(tmp_path, lost):
    write(tmp_path / "a.bin", sweep(), KITTI).ravel()[:-lost].tofile(tmp_path / "a.bin")
    with pytest.raises(BadCloudFile, match=r"\(4 float32 columns\), found .* The file is truncated, or .* --columns"):
        read_cloud(tmp_path / "a.bin")


STREET = sweep()
REFUSED = {
    "random numbers": (np.random.default_rng(0).uniform(0, 1, 1600), "too few or too uniform to tell"),
    "three points": (np.stack([STREET[name] for name in KITTI], 1)[:3], "too few or too uniform to tell"),
    "seven columns": (np.stack(list(STREET.values()), 1), "what looks like 7"),
    "float64": (np.stack([STREET[name] for name in KITTI], 1).astype("<f8").view("<f4"), "such as float64"),
    "velocity before intensity": (
        np.stack([STREET[name] for name in ["x", "y", "z", "velocity", "intensity"]], 1),
        "negative numbers, or times",
    ),
    "time before intensity": (
        np.column_stack([*(STREET[name] for name in "xyz"), np.linspace(0, 0.1, 960), STREET["intensity"]]),
        "negative numbers, or times",
    ),
    "ring before intensity": (
        np.stack([sweep(by_column=True)[name] for name in ["x", "y", "z", "ring", "intensity"]], 1),
        "what looks like the ring before it",
    ),
    "colours": (
        np.column_stack([*(STREET[name] for name in "xyz"), np.random.default_rng(0).integers(0, 256, (960, 3))]),
        "what may be colours as well",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_numbers_do_not_tell_is_refused_with_the_option_to_use(tmp_path, name):
    numbers, told = REFUSED[name]
    numbers.astype("<f4", copy=False).tofile(tmp_path / "a.bin")
    with pytest.raises(BadCloudFile, match=told):
        read_cloud(tmp_path / "a.bin")
    if name != "float64":
        with pytest.raises(BadCloudFile, match="--columns"):
            read_cloud(tmp_path / "a.bin")


def test_columns_that_were_named_are_taken_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, (12, 6)).astype("<f4")
    values.tofile(tmp_path / "a.bin")
    cloud = read_cloud(tmp_path / "a.bin", columns=["t", "z", "y", "x", "_", "remission"])
    assert_array_equal(cloud.xyz_m, values[:, [3, 2, 1]])
    assert_array_equal(cloud.intensity, values[:, 5])
    assert list(cloud.extra) == ["t"]
    coloured = read_cloud_file(tmp_path / "a.bin", columns=["x", "y", "z", "r", "g", "b"]).cloud
    assert_array_equal(coloured.extra["rgb"], np.rint(values[:, 3:] * 255))


@pytest.mark.parametrize(
    ("named", "told"),
    [("x,y,z", True), ("x,y,z,intensity", True), ("x,y,z,intensity,ring", False), ("x,y,z,i,_", False)],
)
def test_named_columns_that_the_numbers_contradict_are_told(tmp_path, named, told):
    count = len(STREET["x"]) // 60 * 60  # a file of 3, 4 and 5 columns
    np.stack([STREET[name][:count] for name in (*KITTI, "ring")], 1).astype("<f4").tofile(tmp_path / "a.bin")
    remarks = read_cloud_file(tmp_path / "a.bin", columns=named.split(",")).remarks
    doubt = f"--columns names {len(named.split(','))}, but the numbers look like points of 5."
    assert (doubt in remarks) == told


@pytest.mark.parametrize(
    ("name", "columns", "told"),
    [
        ("a.bin", ["x", "y", "intensity"], "expected different names, x, y and z among them"),
        ("a.bin", ["x", "y", "z", "z"], "expected different names"),
        ("a.bin", ["x", "y", "z", ""], "expected different names"),
        ("a.bin", ["x", "y", "z", "intensity", "ring"], "expected points of 20 bytes"),
        ("a.ply", ["x", "y", "z"], "names its own"),
    ],
)
def test_columns_that_fit_no_file_are_refused(tmp_path, name, columns, told):
    np.zeros(16, "<f4").tofile(tmp_path / name)
    with pytest.raises(BadCloudFile, match=told):
        read_cloud(tmp_path / name, columns=columns)


@pytest.mark.parametrize("name", ["sweep.pcd.bin", "SWEEP.PCD.BIN"])
def test_the_name_of_nuscenes_says_five_columns_where_the_numbers_say_nothing(tmp_path, name):
    written = np.random.default_rng(0).uniform(0, 1, (80, 5)).astype("<f4")
    written.tofile(tmp_path / name)
    assert_array_equal(read_cloud(tmp_path / name).extra["ring"], written[:, 4])
    write(tmp_path / name, sweep(), KITTI, 100)
    with pytest.raises(BadCloudFile, match="expected 5 columns, as nuScenes has, found numbers that look like 4"):
        read_cloud(tmp_path / name)


@pytest.mark.parametrize("every", [2, 3, 4, 5, 7])
def test_returns_lost_in_a_pattern_do_not_make_other_columns(tmp_path, every):
    rng = np.random.default_rng(every)
    points = rng.uniform(0.1, 1.0, (900, 4)).astype(np.float32) * np.float32([40, 20, 2, 1])
    points[::every, :3] = 0.0
    path = tmp_path / "sweep.bin"
    points.tofile(path)
    assert len(read_cloud(path)) == 900
