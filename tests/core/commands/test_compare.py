"""Two packages over one recording."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.recordings.compare import RESULT_FILES, compare
from lidar_vl_core.commands.recordings.reading import Reading
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from tests.written.labelled_bags import write_labelled_bag
from tests.written.tiny_detectors import write_tiny_detector
from tests.written.tiny_package import write_tiny_package

CLOUD = "sensor_msgs/msg/PointCloud2"


def clouds() -> list[PointCloud]:
    made = []
    for k in range(3):
        rng = np.random.default_rng(k)
        xyz_m = rng.uniform((-20, -20, -2), (20, 20, 2), (300, 3)).astype(np.float32)
        xyz_m[0] = np.nan
        made.append(PointCloud(xyz_m, rng.uniform(0, 1, 300).astype(np.float32), 10**18 + k * 10**8, "lidar"))
    return made


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bags") / "street.mcap"
    return write_labelled_bag(path, clouds(), [np.arange(300) % 16] * 3)


@pytest.fixture(scope="module")
def pair(tiny_package: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelPackage, ModelPackage]:
    other = write_tiny_package(tmp_path_factory.mktemp("other") / "tiny", seed=11)
    return load_model_package(tiny_package), load_model_package(other)


def test_agreement_is_that_of_both_segmenters(
    street: Path, pair: tuple[ModelPackage, ModelPackage], tmp_path: Path
) -> None:
    found = compare(street, pair, tmp_path / "out", Reading(label_field="class_id", label_table="nuscenes16"))
    segmenters = [Segmenter(package) for package in pair]
    same = [
        np.mean(np.equal(*(segmenter.segment(cloud).class_id for segmenter in segmenters))[cloud.has_return()])
        for cloud in clouds()
    ]
    assert [frame["same"] for frame in found["per_frame"]] == pytest.approx(same)
    assert found["labels"]["same"] == pytest.approx(np.mean(same))
    assert found["labels"]["points"] == 3 * 299
    assert {side: set(found[side]) >= {"mean_iou", "latency_ms", "engine"} for side in "ab"} == {"a": True, "b": True}
    assert json.loads((tmp_path / "out/comparison.json").read_text()) == found
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(RESULT_FILES)


def test_a_package_agrees_with_itself_and_no_point_is_red(
    street: Path, pair: tuple[ModelPackage, ModelPackage], tmp_path: Path
) -> None:
    found = compare(street, (pair[0], pair[0]), tmp_path / "out")
    assert (found["labels"]["same"], found["labels"]["differences"]) == (1.0, [])
    picture = np.asarray(Image.open(tmp_path / "out/most_different.png"))
    red = (picture[:-40, -560:, 0] > 180) & (picture[:-40, -560:, 1] < 90)
    assert not red.any()


def test_detectors_are_compared_by_their_boxes(street: Path, tmp_path: Path) -> None:
    detector = write_tiny_detector(tmp_path / "detector")
    found = compare(street, (detector, detector), tmp_path / "out")
    assert all(counts["only_a"] == counts["only_b"] == 0 for counts in found["boxes"].values())
    assert "labels" not in found


def test_packages_of_two_tasks_or_class_tables_are_refused(
    street: Path, pair: tuple[ModelPackage, ModelPackage], tmp_path: Path
) -> None:
    detector = write_tiny_detector(tmp_path / "detector")
    with pytest.raises(BadRequest, match="two packages of one task"):
        compare(street, (pair[0], detector), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_prints_both_and_writes_what_it_says(
    street: Path, tiny_package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(tiny_package), str(tiny_package), str(street), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "same class: 100.00 % of 897 points" in printed
    assert "A: tiny" in printed
    assert str(tmp_path / "out/most_different.png") in printed


@pytest.mark.parametrize(
    ("limit", "code"), [("mean_iou=0", 0), ("mean_iou=0.99", 1), ("iou.cart=0.5", 2), ("p95=80", 2)]
)
def test_a_replay_fails_where_a_limit_does_not_hold(
    street: Path, tiny_package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: str, code: int
) -> None:
    out = tmp_path / "out"
    truth = ["--label-field", "class_id", "--label-table", "nuscenes16"]
    command = ["replay", str(street), "--model", str(tiny_package), *truth, "--out", str(out), "--fail-below", limit]
    assert main(command) == code
    assert (out / "metrics.json").exists() == (code != 2), "results are written even where they are not good enough"
    if code == 1:
        assert "mean_iou: expected at least 0.99, found 0." in capsys.readouterr().err
