"""Submissions pass what the servers' validators check: names, counts, sizes, values, and the folders in the zip."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadDataset, BadRequest
from offline_training.cli.main import main
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.evaluation.submission import with_every_point_answered
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import build_network, load_network, predict
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from tests.written.lidar_data_sets import write_nuscenes, write_scan

NUSCENES_16 = class_table("nuscenes16")

TEST_SEQUENCES = tuple(str(number) for number in range(11, 22))


def checkpoint(folder: Path, classes: str) -> Path:
    """A tiny network whose grid ends at 16 m, so that many points of a scan lie outside."""
    settings = {
        "out": str(folder), "train": [], "classes": classes, "stem": 16, "planes": [16] * 8, "blocks": [1] * 8,
        "voxel_size": [1.0, 1.0, 1.0], "point_cloud_range": [-16.0, -16.0, -4.0, 16.0, 16.0, 4.0], "device": "cpu",
    }  # fmt: skip
    config = validated(FinetuneConfig, settings, "test")
    torch.manual_seed(0)
    weights = {f"network.{name}": tensor for name, tensor in build_network(config).state_dict().items()}
    return save_checkpoint(folder, Checkpoint(1, weights, config.model_dump(mode="json"), {}))


def submit(tmp_path: Path, classes: str, benchmark: str, source: dict, *more: str) -> tuple[int, Path]:
    config = {"out": "unused", "train": [], "classes": classes, "validation": [source]}
    (tmp_path / "sets.yaml").write_text(yaml.safe_dump(config))
    path, out = checkpoint(tmp_path / "run", classes), tmp_path / "answers"
    words = [
        "submit",
        str(path),
        "--config",
        str(tmp_path / "sets.yaml"),
        "--benchmark",
        benchmark,
        "--out",
        str(out),
        *more,
    ]
    return main(words), out


def kitti(folder: Path, sequences: tuple[str, ...]) -> Path:
    for number, sequence in enumerate(sequences):
        for frame in ("000000", "000001"):
            write_scan(folder / "sequences" / sequence / "velodyne" / f"{frame}.bin", None, [0] * (300 + number))
    return folder


@pytest.fixture(scope="module")
def kitti_answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitti")
    data = kitti(folder / "data", TEST_SEQUENCES)
    code, out = submit(
        folder, "semantic_kitti19", "semantic_kitti", {"kind": "semantic_kitti", "folder": str(data), "split": "test"}
    )
    assert code == 0
    return data, out


def test_semantic_kittis_validator_finds_its_folders_and_a_label_for_every_point(kitti_answers):
    data, out = kitti_answers
    with zipfile.ZipFile(out.with_name("answers.zip")) as packed:
        entries = {entry.filename: entry.file_size for entry in packed.infolist()}
    assert "sequences/" in entries
    for sequence in TEST_SEQUENCES:
        assert f"sequences/{sequence}/" in entries
        assert f"sequences/{sequence}/predictions/" in entries
        for scan in sorted((data / "sequences" / sequence / "velodyne").glob("*.bin")):
            labels = entries[f"sequences/{sequence}/predictions/{scan.stem}.label"]
            assert labels / 4 == scan.stat().st_size / 16
    assert sum(not name.endswith("/") for name in entries) == 2 * len(TEST_SEQUENCES)


def test_a_kitti_label_is_the_raw_id_of_what_the_network_says(kitti_answers, tmp_path):
    from offline_training.datasets.lidar.semantic_kitti import SemanticKitti

    data, out = kitti_answers
    network, config = load_network(out.parent / "run")
    for sample in (SemanticKitti(data)[0], SemanticKitti(data)[21]):
        sequence, frame = sample.name.split("/")
        raw = np.fromfile(out / "sequences" / sequence / "predictions" / f"{frame}.label", np.uint32)
        class_id = label_map("semantic_kitti", class_table("semantic_kitti19")).apply(raw)
        answered = predict(network, config, labelled_scan(sample))
        inside = answered != IGNORE_ID
        assert 0 < inside.sum() < len(inside)
        assert class_id[inside].tolist() == answered[inside].tolist()
        assert (class_id != IGNORE_ID).all()


@pytest.mark.parametrize(("version", "with_labels", "split", "folder"), [
    ("v1.0-test", False, None, "test"), ("v1.0-trainval", True, None, "val"), ("v1.0-mini", True, "mini_val", "mini_val"),
])  # fmt: skip
def test_nuscenes_validator_finds_a_file_for_every_key_frame(version, with_labels, split, folder, tmp_path):
    scenes = {"scene-0103": 2, "scene-0916": 1}
    data = write_nuscenes(tmp_path / "data", version, scenes, points=500, with_labels=with_labels)
    source = {"kind": "nuscenes", "folder": str(data), "version": version, **({"split": split} if split else {})}
    code, out = submit(tmp_path, "nuscenes16", "nuscenes_lidarseg", source, "--uses", "lidar", "external")
    assert code == 0
    meta = json.loads((out / folder / "submission.json").read_text())["meta"]
    assert meta == {
        "use_camera": False, "use_lidar": True, "use_radar": False, "use_map": False, "use_external": True,
    }  # fmt: skip
    tokens = {f"{scene}-{number}-LIDAR_TOP" for scene, count in scenes.items() for number in range(count)}
    files = {path.name: np.fromfile(path, np.uint8) for path in (out / "lidarseg" / folder).iterdir()}
    assert set(files) == {f"{token}_lidarseg.bin" for token in tokens}
    for labels in files.values():
        assert len(labels) == 500
        assert ((labels >= 1) & (labels <= len(NUSCENES_16))).all()


def _sample(xyz_m: list[list[float]]) -> Sample:
    points = np.array(xyz_m, np.float32)
    return Sample("a/0", PointCloud(points, np.zeros(len(points), np.float32), 0, "lidar"), None, NUSCENES_16)


def test_a_point_without_an_answer_takes_the_nearest_ones_and_one_without_a_place_its_neighbours():
    nan = float("nan")
    sample = _sample([[nan, 0, 0], [0, 0, 0], [9, 0, 0], [nan, nan, 0], [100, 0, 0], [1, 0, 0]])
    given = np.array([255, 3, 7, 255, 255, 255], np.uint8)
    assert with_every_point_answered(sample, given).tolist() == [3, 3, 7, 7, 7, 3]
    assert given.tolist() == [255, 3, 7, 255, 255, 255]


def test_answers_that_are_there_stay_and_a_scan_without_any_is_refused():
    sample = _sample([[0, 0, 0], [1, 0, 0]])
    assert with_every_point_answered(sample, np.array([4, 9], np.uint8)).tolist() == [4, 9]
    with pytest.raises(BadDataset, match="a/0"):
        with_every_point_answered(sample, np.full(2, 255, np.uint8))


WRONG = {
    "classes of another benchmark": ("nuscenes16", "semantic_kitti", {"kind": "semantic_kitti"}, "semantic_kitti19"),
    "another data set": ("semantic_kitti19", "semantic_kitti", {"kind": "semantic_stf"}, "kind semantic_kitti"),
    "a fraction of the labels": ("semantic_kitti19", "semantic_kitti", {"kind": "semantic_kitti", "label_skip": 10}, "whole"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_no_server_would_take_is_refused_before_anything_is_written(case, tmp_path, capsys):
    classes, benchmark, source, told = WRONG[case]
    data = kitti(tmp_path / "data", ("11",))
    code, out = submit(tmp_path, classes, benchmark, source | {"folder": str(data)})
    assert (code, out.exists()) == (2, False)
    assert told in capsys.readouterr().err


def test_a_folder_with_files_is_not_written_into(tmp_path, capsys):
    data = kitti(tmp_path / "data", ("11",))
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "old").write_text("")
    code, _ = submit(tmp_path, "semantic_kitti19", "semantic_kitti", {"kind": "semantic_kitti", "folder": str(data)})
    assert code == 2
    assert "new or an empty folder" in capsys.readouterr().err


def test_an_unknown_benchmark_is_refused(tmp_path):
    from offline_training.evaluation.submission import submission

    with pytest.raises(BadRequest, match="nuscenes_lidarseg or semantic_kitti"):
        submission(tmp_path, (), "waymo", tmp_path / "out")


def test_how_many_samples_the_server_wants_is_told_where_others_were_predicted(tmp_path, capsys):
    data = write_nuscenes(tmp_path / "data", "v1.0-trainval", {"scene-0103": 1, "scene-0061": 1}, points=100)
    code, out = submit(tmp_path, "nuscenes16", "nuscenes_lidarseg", {"kind": "nuscenes", "folder": str(data)})
    assert code == 0
    told = capsys.readouterr().out
    assert f"submission: {out}.zip, 2 samples\nnote: the server wants exactly the 6019 samples of its split" in told
