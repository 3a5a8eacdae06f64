"""The downstream data sets as samples, each from a folder in its own format."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.datasets.data_sources import data_set_spec, open_source
from offline_training.datasets.lidar.rellis3d import Rellis3d
from offline_training.datasets.lidar.scribble_kitti import ScribbleKitti
from offline_training.datasets.lidar.synlidar import SynLidarSource
from tests.recordings import recording
from tests.training.datasets.lidar.label_data_sets import KINDS, opened, write_scribbles, written
from tests.written.lidar_data_sets import ring_of_points, write_kitti_like, write_rellis, write_scan


@pytest.mark.parametrize("kind", KINDS)
def test_a_scan_comes_with_its_points_its_intensity_and_its_classes(kind, tmp_path):
    table, _, raw, names = KINDS[kind]
    sample = opened(kind, written(kind, tmp_path))[0]
    expected = ring_of_points(len(raw))
    assert_allclose(sample.cloud.xyz_m, expected[:, :3])
    assert_allclose(sample.cloud.intensity, expected[:, 3], atol=1e-6)
    assert [None if k == 255 else table.names[k] for k in sample.class_id] == names


@pytest.mark.parametrize("kind", ["semantic_poss", "daps3d"])
def test_where_nobody_tells_the_unit_of_the_intensity_one_scale_holds_for_all_scans(kind, tmp_path):
    scans = sorted(written(kind, tmp_path).rglob("*.bin"))
    rows = [np.fromfile(path, np.float32).reshape(-1, 4) for path in scans]
    for path, scan, brightest in zip(scans, rows, (200.0, 1.0), strict=False):
        scan[:, 3] = np.linspace(0.5, 1.0, len(scan)) * brightest
        scan.tofile(path)
    data_set = opened(kind, tmp_path)
    assert_allclose([data_set[k].cloud.intensity.max() for k in (1, 0)], np.array([1, 200]) / 255, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_beams_that_met_nothing_have_no_class(kind, tmp_path):
    for path in written(kind, tmp_path).rglob("*.bin"):
        rows = np.fromfile(path, np.float32)
        rows.reshape(len(KINDS[kind][2]), -1)[2:, :3] = 0.0
        rows.tofile(path)
    sample = opened(kind, tmp_path)[0]
    assert (sample.class_id[2:] == 255).all()
    assert len(labelled_scan(sample)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_scan_is_named_and_one_without_labels_has_none(kind, tmp_path):
    data_set = opened(kind, written(kind, tmp_path))
    name, labels, points = data_set[0].name, sorted(tmp_path.rglob("*.label")), sorted(tmp_path.rglob("*.bin"))
    for path in labels:
        path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(BadDataset, match=f"^{name}: .*belongs to another scan or is truncated"):
        data_set[0]
    for path in labels:
        path.unlink()
    assert data_set[0].class_id is None
    for path in points:
        path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(BadDataset, match=f"^{name}: .*truncated"):
        data_set[0]


@pytest.mark.parametrize("kind", KINDS)
def test_an_absent_data_set_draws_its_layout_in_one_line(kind, tmp_path):
    for folder in (tmp_path / "nothing", tmp_path):
        with pytest.raises(BadDataset, match=re.escape(data_set_spec(kind).layout.line().split(", ")[0])) as told:
            opened(kind, folder)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", KINDS)
def test_raw_ids_that_a_data_set_does_not_have_are_refused_by_number(kind, tmp_path):
    KINDS[kind][1](tmp_path, [3, 200])
    with pytest.raises(BadDataset, match="200"):
        opened(kind, tmp_path)[0]


def test_rellis_can_be_read_in_the_classes_of_its_own_benchmark(tmp_path):
    write_rellis(tmp_path, [3, 1, 34], {"train": ["00000/000000"]})
    assert Rellis3d(tmp_path, classes=class_table("rellis3d14"))[0].class_id.tolist() == [0, 255, 13]


def test_synlidar_is_found_below_a_folder_sequences_and_in_kittis_classes(tmp_path):
    write_kitti_like(tmp_path / "sequences" / "03", [4, 13, 19])
    source = SynLidarSource(folder=str(tmp_path))
    names = [
        class_table("semantic_kitti19").names[k]
        for k in open_source(source, class_table("semantic_kitti19"))[0].class_id
        if k != 255
    ]
    assert names == ["other-vehicle", "person"]


def test_scribbles_train_and_full_labels_validate(tmp_path):
    write_scribbles(tmp_path, [10])
    full = np.full(1, 40, np.uint32)
    (tmp_path / "sequences" / "00" / "labels").mkdir()
    full.tofile(tmp_path / "sequences" / "00" / "labels" / "000000.label")
    car, road = class_table("semantic_kitti19").id_of("car"), class_table("semantic_kitti19").id_of("road")
    assert ScribbleKitti(tmp_path)[0].class_id.tolist() == [car]
    full.tofile(tmp_path / "sequences" / "08" / "labels" / "000000.label")
    assert ScribbleKitti(tmp_path, ["08"])[0].class_id.tolist() == [road]


def test_full_labels_never_pass_for_scribbles(tmp_path):
    write_kitti_like(tmp_path / "sequences" / "00", [10])
    with pytest.raises(BadDataset, match="sequences/00/scribbles"):
        ScribbleKitti(tmp_path)


def test_kitti_scans_without_pictures_need_no_calibration_and_have_no_pose(tmp_path, test_data):
    from offline_training.datasets.lidar.semantic_kitti import SemanticKitti

    folder = recording(test_data, "tiny_fixtures/semantickitti")
    sample = SemanticKitti(folder)[0]
    assert (len(sample.cloud), sample.views) == (50, ())
    with pytest.raises(BadDataset, match=r"calib\.txt"):
        SemanticKitti(folder).T_world_lidar(0)
    write_scan(tmp_path / "sequences" / "00" / "velodyne" / "000000.bin", None, [10])
    (tmp_path / "sequences" / "00" / "image_2").mkdir()
    assert SemanticKitti(tmp_path)[0].views == ()
    (tmp_path / "sequences" / "00" / "image_2" / "000000.png").write_bytes(b"")
    with pytest.raises(BadDataset, match=r"calib\.txt"):
        SemanticKitti(tmp_path)
