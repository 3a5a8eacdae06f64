"""The committed studies: what the papers printed stands where it belongs."""

import pytest

from offline_training.reproduction.studies import load_study


@pytest.mark.parametrize(
    ("study", "row", "column", "published"),
    [
        ("table1", "OLIVINE (SEEM)", "1 %", 50.58),
        ("table1", "Random", "linear probe", 8.1),
        ("table2", "SLidR", "10 %", 56.3),
        ("table3", "Seal", "SynLiDAR 10 %", 49.26),
        ("table4", "OLIVINE", "SECOND mean", 68.3),
        ("table4", "SLidR", "PV-RCNN Ped", 57.3),
        ("table4", "SLidR", "10 %", 61.4),
        ("table5", "WCD + SCR", "linear probe", 44.76),
        ("table6", "ground-truth labels", "SemanticKITTI 1 %", 51.56),
        ("table7", "OLIVINE", "10 %", 66.43),
        ("table8", "OLIVINE", "mCE", 90.85),
        ("table9", "SLidR", "memory", 10.7),
        ("vlg-table1", "3DSS-VLG, ScanNet", "ScanNet val", 49.7),
        ("vlg-table1", "MIT", "S3DIS Area 5", 27.7),
        ("vlg-table3", "2D average", "mIoU", 37.7),
        ("vlg-table3", "ESGS", "mIoU", 38.2),
        ("vlg-table3", "scene lists + ESS + ESGS", "mIoU", 45.3),
        ("vlg-table4", "S3DIS -> ScanNet", "ScanNet val mAcc", 23.0),
        ("vlg-table4", "ScanNet -> S3DIS", "S3DIS Area 5 mIoU", 33.3),
        ("vlg-table5", "MinkUNet14A", "mIoU", 44.5),
        ("vlg-nuscenes", "OpenScene, OpenSeg, ensemble", "mAcc", 61.8),
    ],
)
def test_published_numbers_stand_where_they_belong(study, row, column, published):
    assert load_study(study).row(row).published[column] == published
