"""Submissions of boxes: the servers' files for every sample, without anybody's boxes, in their columns, names and numbers."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lidar_vl_core.boxes.kitti_objects import read_kitti_objects
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.detection.nuscenes_frame import ATTRIBUTES
from lidar_vl_core.evaluation.detection.nuscenes_results import read_nuscenes_results
from lidar_vl_core.foundation.config import validated
from offline_training.cli.main import main
from offline_training.finetuning.detection.config import DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import build_detector
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from tests.training.finetuning.detection.parking import settings
from tests.written.box_data_sets import KITTI_CAR, write_kitti_object, write_nuscenes_boxes

SCANS = ("000000", "000001", "000004")
ALL_BOXES = {"least_score": 0.0, "iou_threshold": 1.0, "most_boxes": 600}
KITTI = {"classes": "kitti3", "network": "second"}
NUSCENES = {
    "classes": "nuscenes10", "network": "centerpoint", "velocity": True, "sweeps": 3,
    "point_cloud_range": [-32.0, -32.0, -5.0, 32.0, 32.0, 3.0],
}  # fmt: skip


def checkpoint(folder: Path, **changes: object) -> Path:
    """Random weights that find boxes everywhere."""
    chosen = settings(folder, selection=ALL_BOXES, **changes)
    if chosen["network"] != "centerpoint":
        del chosen["shared_channels"]
    run = validated(DetectFinetuneConfig, chosen, "test")
    torch.manual_seed(0)
    tensors = {f"network.{name}": tensor for name, tensor in build_detector(run).state_dict().items()}
    return save_checkpoint(folder, Checkpoint(0, tensors, run.model_dump(mode="json"), {}))


def submit(folder: Path, benchmark: str, source: dict, run: dict, *more: str) -> tuple[int, Path]:
    (folder / "sets.yaml").write_text(yaml.safe_dump({"task": "detection", "validation": [source]}))
    out = folder / "answers"
    words = ["submit", str(checkpoint(folder / "run", **run)), "--config", str(folder / "sets.yaml")]
    return main([*words, "--benchmark", benchmark, "--out", str(out), *more]), out


def kitti_test_set(folder: Path) -> dict:
    """testing/ as it is unpacked: scans, calibrations and pictures, no boxes."""
    write_kitti_object(folder, {scan: [KITTI_CAR] for scan in SCANS}, {"test": SCANS})
    (folder / "training").rename(folder / "testing")
    shutil.rmtree(folder / "testing" / "label_2")
    return {"kind": "kitti_object", "folder": str(folder), "split": "test"}


def nuscenes_test_set(folder: Path) -> dict:
    """Tables without boxes."""
    write_nuscenes_boxes(folder, {}, [])
    for table in ("sample_annotation", "instance", "category"):
        (folder / "v1.0-mini" / f"{table}.json").unlink()
    return {"kind": "nuscenes", "folder": str(folder), "version": "v1.0-mini"}


def test_kittis_server_finds_a_file_of_sixteen_columns_for_every_scan(tmp_path, capsys):
    source = kitti_test_set(tmp_path / "data")
    (tmp_path / "data" / "testing" / "velodyne" / "000004.bin").write_bytes(
        np.array([[-9.0, 0.0, 0.0, 0.5]], np.float32).tobytes()  # behind the camera: nothing to find
    )
    code, out = submit(tmp_path, "kitti_object", source, KITTI)
    assert code == 0
    told = capsys.readouterr().out
    assert f"submission: {out}.zip, 3 samples" in told
    assert "the server wants exactly the 7518 samples" in told
    with zipfile.ZipFile(f"{out}.zip") as packed:
        assert sorted(packed.namelist()) == [f"{scan}.txt" for scan in SCANS]
        assert packed.read("000000.txt") == (out / "000000.txt").read_bytes()
    objects = read_kitti_objects(out / "000000.txt")
    assert len(objects) > 10
    assert set(objects.kind) <= set(class_table("kitti3").names)
    assert ((objects.score >= 0) & (objects.score <= 1)).all()
    assert (objects.bbox_px >= 0).all()
    assert (objects.bbox_px <= (639, 359, 639, 359)).all()
    rows = [line.split() for line in (out / "000000.txt").read_text().splitlines()]
    assert {len(row) for row in rows} == {16}
    assert {tuple(row[1:3]) for row in rows} == {("-1.00", "-1")}


def test_nuscenes_server_finds_every_key_frame_with_at_most_500_boxes_in_the_map(tmp_path, capsys):
    code, out = submit(
        tmp_path, "nuscenes_detection", nuscenes_test_set(tmp_path / "data"), NUSCENES, "--uses", "lidar", "map"
    )
    assert code == 0
    assert "3 samples\nnote: the server wants exactly the 81" in capsys.readouterr().out
    with zipfile.ZipFile(f"{out}.zip") as packed:
        assert packed.namelist() == ["results_nusc.json"]
    content = json.loads((out / "results_nusc.json").read_text())
    uses = {f"use_{name}": name in ("lidar", "map") for name in ("camera", "lidar", "radar", "map", "external")}
    assert content["meta"] == uses
    assert list(content["results"]) == ["key-0", "key-1", "key-2"]
    for token, rows in content["results"].items():
        assert len(rows) == 500
        for row in rows:
            assert row["sample_token"] == token
            assert row["attribute_name"] in (*ATTRIBUTES[row["detection_name"]], "")
            assert [len(row[key]) for key in ("translation", "size", "rotation", "velocity")] == [3, 3, 4, 2]
    results = read_nuscenes_results(out / "results_nusc.json", class_table("nuscenes10"))
    middle_m = results["key-2"].boxes.boxes[:, :2].mean(axis=0)
    assert np.abs(middle_m - (110.0, 0.0)).max() < 10.0  # where the vehicle stands then


WRONG = {
    "classes of another benchmark": ("kitti_object", NUSCENES, {}, "network of the classes kitti3"),
    "a part of the scans": ("kitti_object", KITTI, {"frames": ["000000"]}, "label_skip 1, 1 frames"),
    "a fraction of the labels": ("kitti_object", KITTI, {"label_skip": 2}, "label_skip 2"),
    "another data set": ("nuscenes_detection", NUSCENES, {}, "whole data sets of kind nuscenes"),
    "a benchmark of points": ("semantic_kitti", KITTI, {}, "expected a network that labels points, found a detector"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_no_server_would_take_is_refused_in_one_line_and_writes_nothing(case, tmp_path, capsys):
    benchmark, run, changes, told = WRONG[case]
    code, out = submit(tmp_path, benchmark, kitti_test_set(tmp_path / "data") | changes, run)
    error = capsys.readouterr().err
    assert (code, out.exists(), Path(f"{out}.zip").exists()) == (2, False, False)
    assert told in error
    assert len(error.splitlines()) == 1


def test_a_damaged_scan_in_the_middle_leaves_nothing_behind(tmp_path, capsys):
    source = kitti_test_set(tmp_path / "data")
    (tmp_path / "data" / "testing" / "calib" / "000001.txt").unlink()
    code, out = submit(tmp_path, "kitti_object", source, KITTI)
    assert (code, out.exists(), Path(f"{out}.zip").exists()) == (2, False, False)
    assert "testing/000001: expected its calibration" in capsys.readouterr().err
