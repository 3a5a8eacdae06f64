"""`lidar-vl detect`: boxes of one cloud file as a list and a picture; wrong requests end in one line and write nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.boxes.box_list import write_box_list
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.commands.cli import main
from lidar_vl_core.foundation.errors import BadRequest
from tests.written.tiny_detectors import CENTERS, write_tiny_detector
from tests.written.tiny_package import write_tiny_package

CLASSES = ClassTable("two", ("car", "person"), np.array([[255, 0, 0], [0, 255, 0]], np.uint8))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_detector(tmp_path_factory.mktemp("packages") / "detector", CENTERS).path


@pytest.fixture(scope="module")
def cloud_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clouds") / "000000.bin"
    rng = np.random.default_rng(6)
    middle = rng.uniform((1, -6, -1, 0), (12, 6, 1, 1), (9, 4))
    points = middle[rng.integers(0, 9, 900)] + rng.normal(0, (0.3, 0.3, 0.3, 0), (900, 4))
    points.astype(np.float32).tofile(path)
    return path


def test_boxes_of_a_cloud_file_are_listed_and_drawn(package, cloud_file, tmp_path, capsys):
    out, picture = tmp_path / "boxes.json", tmp_path / "seen.png"
    assert main(["detect", str(cloud_file), "--model", str(package), "--out", str(out), "--image", str(picture)]) == 0
    told = json.loads(out.read_text())
    assert told["class_table"] == "three"
    assert len(told["boxes"]) > 2
    assert set(told["boxes"][0]) >= {"class", "score", "x_m", "yaw_rad", "velocity_x_mps"}
    scores = [box["score"] for box in told["boxes"]]
    assert scores == sorted(scores, reverse=True)
    assert Image.open(picture).width == 900
    assert f"{len(scores)} boxes in 900 points" in capsys.readouterr().out


def test_a_class_has_the_least_score_that_is_asked_for(package, cloud_file, tmp_path):
    out = tmp_path / "boxes.csv"
    scores = ["--score", "car=1", "--score", "bicycle=1.0"]
    assert main(["detect", str(cloud_file), "--model", str(package), "--out", str(out), *scores]) == 0
    assert {row["class"] for row in csv.DictReader(out.open())} == {"person"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--out", "boxes.txt"], "expected a name ending in .json or .csv"),
        (["--out", "boxes.json", "--score", "car"], "expected a class and a number from 0 to 1"),
        (["--out", "boxes.json", "--score", "car=2"], "expected a class and a number from 0 to 1"),
        (["--out", "boxes.json", "--score", "tram=0.5"], "no class 'tram'"),
        (
            ["--out", "boxes.json", "--score", "car=0.1", "--score", "car=0.9"],
            "expected each class once, found car twice",
        ),
        (["--out", "boxes.json", "--image", "seen.jpg"], "expected a name ending in .png"),
        (["--out", "boxes.json", "--engine", "tensorrt"], "engine tensorrt"),
    ],
)
def test_a_wrong_request_ends_in_one_line_and_writes_nothing(
    options, told, package, cloud_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["detect", str(cloud_file), "--model", str(package), *options]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_each_command_refuses_the_packages_of_the_other(package, cloud_file, tmp_path, capsys):
    tiny = write_tiny_package(tmp_path / "tiny")
    assert main(["detect", str(cloud_file), "--model", str(tiny), "--out", str(tmp_path / "b.json")]) == 2
    assert "expected a package of task detection, found segmentation" in capsys.readouterr().err
    assert main(["segment", str(cloud_file), "--model", str(package), "--out", str(tmp_path / "c.npz")]) == 2
    assert "Use `lidar-vl detect` with it" in capsys.readouterr().err


def test_earlier_results_are_kept_unless_they_may_go(package, cloud_file, tmp_path, capsys):
    out = tmp_path / "boxes.json"
    out.write_text("mine")
    command = ["detect", str(cloud_file), "--model", str(package), "--out", str(out)]
    assert main(command) == 2
    assert out.read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0
    assert out.read_text() != "mine"
    assert "Give --overwrite" in capsys.readouterr().err


def test_a_list_has_all_numbers_and_says_what_is_not_known(tmp_path):
    boxes = Boxes3d.of(
        np.array([[1, 2, 3, 4, 2, 1.5, 0.25], [5e5, 6, 7, 1, 1, 2, -1]]),
        np.array([1, 0]),
        np.array([0.75, 0.5]),
        np.array([[np.nan, np.nan], [1.5, -2]]),
        "map",
    )
    write_box_list(tmp_path / "a.json", boxes, CLASSES, 17)
    told = json.loads((tmp_path / "a.json").read_text())
    assert (told["frame_id"], told["stamp_ns"]) == ("map", 17)
    assert list(told["boxes"][0].values()) == ["person", 0.75, 1, 2, 3, 4, 2, 1.5, 0.25, None, None]
    assert list(told["boxes"][1].values()) == ["car", 0.5, 5e5, 6, 7, 1, 1, 2, -1, 1.5, -2]
    write_box_list(tmp_path / "a.csv", boxes, CLASSES, 17)
    rows = list(csv.reader((tmp_path / "a.csv").open()))
    assert rows[1] == ["person", "0.75", "1.0", "2.0", "3.0", "4.0", "2.0", "1.5", "0.25", "", ""]
    write_box_list(tmp_path / "none.csv", boxes.taken(np.zeros(2, bool)), CLASSES, 17)
    assert len((tmp_path / "none.csv").read_text().splitlines()) == 1
    with pytest.raises(BadRequest, match=r"ending in \.json or \.csv"):
        write_box_list(tmp_path / "a.xml", boxes, CLASSES, 17)
