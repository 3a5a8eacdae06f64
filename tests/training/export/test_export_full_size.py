"""Networks of the recipes' own size are exported as they are; python -m tests.bench.training.detector_parity has fifty clouds."""

import pytest

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.cloud_files import read_cloud
from offline_training.export import parity as parity_of_export
from offline_training.export.export_detection import export_detector
from tests.recordings import FOLDERS, SHIPPED, recording
from tests.training.export.full_size import at_once, full_size
from tests.training.export.trial_card import CARD

DRIVES = FOLDERS.get("real", SHIPPED)
AHEAD = (0.0, -6.4, -3.0, 12.8, 6.4, 1.0)  # of KITTI's grid as much as a map of 32 x 32 cells takes
AROUND = (-12.8, -12.8, -5.0, 12.8, 12.8, 3.0)


@pytest.mark.parametrize(("recipe", "point_cloud_range"), [("second_kitti", AHEAD), ("centerpoint_nuscenes", AROUND)])
def test_a_network_of_full_width_is_exported_with_its_boxes(recipe, point_cloud_range, tmp_path, monkeypatch):
    monkeypatch.setattr(parity_of_export, "MIN_JUDGED_BOXES", 0.0)  # random weights: many a box hangs on rounding
    clouds = [at_once(read_cloud(recording(DRIVES, "semantickitti/sequences/*/velodyne/*.bin")))]
    detector, preparer, config = full_size(recipe, clouds, point_cloud_range=point_cloud_range)
    assert sum(parameter.numel() for parameter in detector.parameters()) > 5_000_000
    _, parity = export_detector(detector, preparer, class_table(config.classes), tmp_path / "package", clouds, CARD)
    for one in parity:
        assert one.boxes * one.judged_boxes > 5
        assert (one.clouds, one.same_boxes) == (1, 1.0)
        assert one.is_near
