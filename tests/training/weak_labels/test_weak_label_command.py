"""The command weak-label, on recorded pictures of several data sets."""

import json
import shutil
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.config import load_config, load_yaml, parse_overrides, validated
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.cli.main import main
from offline_training.datasets.lidar.pandaset import PandaSet
from offline_training.datasets.lidar.ros_bag import RosBag
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti
from offline_training.weak_labels import job_parts
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.weak_labels.config import LabelerConfig, WeakLabelConfig
from offline_training.weak_labels.store.label_store import LabelStore
from offline_training.weak_labels.store.store_section import content_sha256
from offline_training.weak_labels.weak_label import report_lines, weak_label
from tests.recordings import recording
from tests.written.lidar_data_sets import write_kitti_like

NUSCENES_16 = class_table("nuscenes16")


@dataclass(frozen=True)
class Recordings:
    """Two data sets with a weak label map for each picture."""

    pandaset: Path
    pandaset_labels: Path
    kitti: Path
    kitti_labels: Path


@pytest.fixture(scope="module")
def real(test_data):
    return Recordings(
        recording(test_data, "pandaset_*"), recording(test_data, "weak_labels_espnet/pandaset_*"),
        recording(test_data, "semantickitti"), recording(test_data, "weak_labels_espnet/semantickitti"),
    )  # fmt: skip


def _pandaset_config(real, out, **changes):
    return validated(
        WeakLabelConfig,
        {
            "out": str(out),
            "source": [{"kind": "pandaset", "folder": str(real.pandaset), "frames": ["00"]}],
            "labeler": {
                "kind": "precomputed",
                "folder": str(real.pandaset_labels),
                "values": "cityscapes",
                "ignored_values": [19],
            },
            "preview_pictures": 2,
            **changes,
        },
        "test",
    )


def test_ready_labels_of_a_real_frame_become_weak_classes_of_its_views(real, tmp_path):
    config = _pandaset_config(real, tmp_path / "out")
    report = weak_label(config)
    assert (report.made, report.present) == (6, 0)
    store = LabelStore(tmp_path / "out")
    assert store.class_names == NUSCENES_16.names
    view = next(view for view in PandaSet(real.pandaset, ["00"])[0].views if view.name == "front_camera")
    class_id = store.read_class_id(view)
    ready = np.array(Image.open(real.pandaset_labels / "camera/front_camera/00.png"))
    for value, name in ((13, "car"), (0, "driveable_surface"), (8, "vegetation")):
        assert ((class_id == NUSCENES_16.id_of(name)) == (ready == value)).all()
    assert ((class_id == 255) == np.isin(ready, [10, 12, 16, 19])).all()
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert statistics["made"] == 6
    assert sum(statistics["share_of_pixels"].values()) == pytest.approx(1)
    with Image.open(tmp_path / "out/preview.png") as sheet:
        assert sheet.size[0] == 2 * 480
    assert "6 labelled" in report_lines(report, config)[0]


def test_the_command_labels_semantic_kitti_and_prints_shares(real, tmp_path, capsys):
    labels = real.kitti_labels
    config = tmp_path / "config.yaml"
    config.write_text(
        f"out: {tmp_path / 'out'}\nontology: cityscapes\n"
        f"source: [{{kind: semantic_kitti, folder: {real.kitti}, frames: ['000000']}}]\n"
        f"labeler: {{kind: precomputed, folder: {labels}, values: cityscapes, ignored_values: [19]}}\n"
    )
    assert main(["weak-label", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "1 labelled" in shown
    assert "vegetation" in shown


COMMAND_FAULTS = {
    "nothing to make": {"labeler": None},
    "unknown kind": {"labeler": {"kind": "oracle"}},
    "an option of another kind": {"labeler": {"kind": "closed_set", "folder": "x"}},
    "unknown key": {"treshold": 0.5},
    "unknown ontology": {"ontology": "coco"},
    "no masks named": {"superpixels": "sam"},
    "a folder that is not there": {"labeler": {"kind": "precomputed", "folder": "/nowhere", "values": "cityscapes"}},
    "values without a map": {"ontology": "seem_nuscenes"},
    "uncovered of another id": {"uncovered": 7},
}


@pytest.mark.parametrize("case", COMMAND_FAULTS)
def test_a_configuration_with_a_fault_is_one_line_and_exit_code_2(case, real, tmp_path, capsys):
    base = _pandaset_config(real, tmp_path / "out").model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "c.yaml").write_text(json.dumps({**base, **COMMAND_FAULTS[case]}))
    assert main(["weak-label", "--config", str(tmp_path / "c.yaml")]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("lidar-vl-train: ")
    assert shown.count("\n") == 1


def test_pictures_without_labels_fail_the_command_after_the_others_are_done(real, tmp_path):
    some = tmp_path / "some" / "camera" / "front_camera"
    some.mkdir(parents=True)
    view = next(v for v in PandaSet(real.pandaset, ["00"]).views(0) if v.name == "front_camera")
    Image.fromarray(np.zeros((view.camera.height, view.camera.width), np.uint8)).save(some / "00.png")
    labeler = {"kind": "precomputed", "folder": str(tmp_path / "some"), "values": "cityscapes"}
    with pytest.raises(BadDataset, match="5 images failed, 1 have labels"):
        weak_label(_pandaset_config(real, tmp_path / "out", labeler=labeler))
    assert set(LabelStore(tmp_path / "out").read_class_id(view).ravel().tolist()) == {10}


def test_every_labeler_that_can_be_opened_can_be_named_in_a_configuration():
    kinds = {get_args(each.model_fields["kind"].annotation)[0] for each in get_args(get_args(LabelerConfig)[0])}
    assert kinds == set(job_parts._LABELERS)


def test_the_shipped_configurations_are_whole():
    import offline_training

    files = sorted((Path(offline_training.__file__).parent / "configs" / "weak_labels").glob("*.yaml"))
    assert files
    for file in files:
        config = load_config(WeakLabelConfig, file, parse_overrides(["threads=1"]))
        load_ontology(config.ontology)
        assert load_yaml(file)["out"].startswith("out/")


def test_data_sets_give_views_without_their_clouds_and_say_where_pictures_lie(real):
    for dataset, folder in (
        (PandaSet(real.pandaset, ["00"]), real.pandaset),
        (SemanticKitti(real.kitti, ["00"], ["000000"]), real.kitti),
    ):
        views = dataset.views(0)
        assert [view.name for view in views] == [view.name for view in dataset[0].views]
        for view in views:
            assert view.read_bytes() == (folder / view.file).read_bytes()
            with Image.open(BytesIO(view.read_bytes())) as picture:
                assert picture.size == (view.camera.width, view.camera.height)


def test_pictures_of_an_own_bag_are_labelled_by_camera_and_time(test_data, tmp_path):
    bag = recording(test_data, "bags/*_mcap")
    views = [view for frame in ("0", "1") for view in RosBag(bag, [int(frame)])[0].views]
    assert views
    for view in views:
        path = tmp_path / "ready" / view.name / f"{view.stamp_ns}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((view.camera.height, view.camera.width), 13, np.uint8)).save(path)
    labeler = {
        "kind": "precomputed", "folder": str(tmp_path / "ready"), "template": "{camera}/{stamp_ns}.png",
        "values": "cityscapes",
    }  # fmt: skip
    source = [{"kind": "ros_bag", "folder": str(bag), "frames": ["0", "1"]}]
    config = validated(WeakLabelConfig, {"out": str(tmp_path / "out"), "source": source, "labeler": labeler}, "test")
    report = weak_label(config)
    assert report.made == len({content_sha256(view) for view in views})
    store = LabelStore(tmp_path / "out")
    again = RosBag(bag, [1])[0].views  # read a second time from the bag
    assert all((store.read_class_id(view) == NUSCENES_16.id_of("car")).all() for view in again)


def test_an_image_whose_header_cannot_be_read_is_named_after_the_others_are_done(real, tmp_path, capsys):
    sequence = tmp_path / "kitti" / "sequences" / "00"
    shutil.copytree(real.kitti / "sequences" / "00", sequence)
    picture, scan = next(sequence.glob("image_2/*.png")), next(sequence.glob("velodyne/*.bin"))
    for name in ("000001", "000002"):
        (sequence / "velodyne" / f"{name}.bin").write_bytes(scan.read_bytes())
    (sequence / "image_2" / "000001.png").write_bytes(b"no header")
    with Image.open(picture) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(sequence / "image_2" / "000002.png")
    source = f"[{{kind: semantic_kitti, folder: {tmp_path / 'kitti'}, frames: ['000000', '000001', '000002']}}]"
    (tmp_path / "c.yaml").write_text(f"out: {tmp_path / 'out'}\nsource: {source}\nsuperpixels: slic\n")
    assert main(["weak-label", "--config", str(tmp_path / "c.yaml")]) == 2
    told = capsys.readouterr().err
    assert "1 images failed, 2 have labels: " in told
    assert "000001.png, found: cannot identify image file" in told
    assert "Unpack the data set again.. Repair these" not in told
    assert "Repair these and run the command again" in told


def test_a_data_set_without_images_is_refused_and_leaves_no_store(tmp_path, capsys):
    folder = write_kitti_like(tmp_path / "kitti" / "sequences" / "00", [10] * 20).parents[1]
    content = {
        "out": str(tmp_path / "store"),
        "source": [{"kind": "semantic_kitti", "folder": str(folder)}],
        "superpixels": "slic",
    }
    (tmp_path / "c.yaml").write_text(json.dumps(content))
    assert main(["weak-label", "--config", str(tmp_path / "c.yaml")]) == 2
    assert "semantic_kitti kitti: expected images with the scans, found none in 2 of 2 scans" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
