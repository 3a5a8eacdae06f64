"""Files beside the clouds that somebody made to hang, to fill the memory or to break a reader: one typed line each."""

import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.boxes.kitti_objects import read_kitti_objects
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.detection.nuscenes_results import read_nuscenes_results
from lidar_vl_core.foundation.errors import BadDataset, BadLabels, LidarVlError
from lidar_vl_core.foundation.files import read_json, read_small_text
from lidar_vl_core.foundation.plain_arrays import load_plain_array
from offline_training.datasets.augment.object_database import open_object_database
from offline_training.datasets.base import sample_files
from offline_training.datasets.base.sample_files import image_size, read_rgb, read_values
from offline_training.datasets.lidar.files.box_lines import read_box_lines
from offline_training.datasets.lidar.files.nuscenes_records import table_records
from offline_training.datasets.rgbd.files.rgbd_frames import read_matrix
from offline_training.datasets.rgbd.files.rgbd_view import read_depth_m
from offline_training.finetuning.tasks import SEGMENTATION, checkpoint_task
from offline_training.weak_labels.model_weights.model_folder import ModelFolder
from offline_training.weak_labels.pictures.id_picture import decode_ids
from offline_training.weak_labels.store.store_section import open_section

DIGITS = "9" * 5000
DEEP = "[" * 100_000
CAMERA = CameraModel(8, 8, np.array([[8.0, 0, 4], [0, 8.0, 4], [0, 0, 1]]))
OBJECT = "Car 0.00 0 1.0 1 2 3 4 1.5 1.6 3.9 1 1.7 20 0.1"
BOX = "1 2 3 4 2 1.5 0.1 car"


def png(width, height, content=b"\0", kind=2):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


def _told_or_read(refused, read, *arguments):
    """What an error of this kind says, or "" and what was read."""
    try:
        return "", read(*arguments)
    except refused as error:
        return str(error), None


PICTURES = {
    "giant": png(60_000, 60_000),
    "larger than any camera": png(8_001, 8_000),
    "wide as can be": png(2**31 - 1, 1),
    "without rows": png(8, 0),
    "cut": png(8, 8)[:-30],
    "empty": b"",
    "a text bomb": png(8, 8)[:-12] + struct.pack(">I", 2**31 - 1) + b"zTXt",
    "a tiff of nothing": b"II*\0" + b"\xff" * 40,
}


@pytest.mark.parametrize("content", PICTURES.values(), ids=PICTURES)
def test_a_hostile_picture_is_refused_before_it_is_decoded(content, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for read in (lambda: read_rgb(path, "scan 3", CAMERA), lambda: read_depth_m(path, "scan 3", 1000.0)):
        with pytest.raises(BadDataset, match=r"^scan 3: expected .*a\.png"):
            read()
    with pytest.raises(BadLabels, match=r"^a\.png: expected"):
        decode_ids(content, "a.png")


def test_the_size_alone_is_not_believed_either(tmp_path):
    (tmp_path / "a.png").write_bytes(PICTURES["giant"])
    with pytest.raises(BadDataset, match="expected a readable image"):
        image_size(tmp_path / "a.png", "scan 3")


def test_a_picture_of_another_size_than_the_camera_is_refused_undecoded(tmp_path):
    (tmp_path / "a.png").write_bytes(png(7_000, 7_000))
    with pytest.raises(BadDataset, match=r"expected 8x8 pixels in .*a\.png, found 7000x7000"):
        read_rgb(tmp_path / "a.png", "scan 3", CAMERA)


HOSTILE_WORDS = [DIGITS, "1e999999", "nan", "-inf", "\x00", "٣", "x" * 100_000, "", "0x10", "1_0", "-1", "1e300"]


@pytest.mark.parametrize("columns", [15, 16])
@pytest.mark.parametrize("word", HOSTILE_WORDS, ids=range(len(HOSTILE_WORDS)))
def test_a_kitti_label_with_a_hostile_word_anywhere_is_read_or_refused(word, columns, tmp_path):
    words = [*OBJECT.split(), "0.5"][:columns]
    for place in range(columns):
        path = tmp_path / f"{place}.txt"
        path.write_text(" ".join([*words[:place], word, *words[place + 1 :]]))
        told, read = _told_or_read(BadLabels, read_kitti_objects, path)
        if told:
            assert f"{place}.txt" in told
            assert len(told) < 800 + len(str(path))
            assert "\n" not in told
        else:
            assert np.isfinite(read.bbox_px).all()
            assert (np.abs(read.occluded) < 256).all()


def test_one_long_name_does_not_take_room_in_every_row(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join([OBJECT] * 2000 + [OBJECT.replace("Car", "C" * 1_000_000)]))
    with pytest.raises(BadLabels, match="line 2001: type: expected one of"):
        read_kitti_objects(tmp_path / "a.txt")


@pytest.mark.parametrize("word", HOSTILE_WORDS, ids=range(len(HOSTILE_WORDS)))
def test_a_line_of_a_box_with_a_hostile_word_anywhere_is_read_or_refused(word, tmp_path):
    for place in range(8):
        path = tmp_path / f"{place}.txt"
        path.write_text(" ".join([*BOX.split()[:place], word, *BOX.split()[place + 1 :]]))
        told, boxes = _told_or_read(BadDataset, read_box_lines, path, class_table("nuscenes10"), "lidar")
        if told:
            assert f"{place}.txt, line 1" in told
            assert len(told) < 1000 + len(str(path))
        else:
            assert np.isfinite(boxes.boxes).all()


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadDataset, match=r"a\.txt: expected lines of boxes"):
        read_box_lines(tmp_path / "a.txt", class_table("nuscenes10"), "lidar")
    with pytest.raises(BadLabels, match=r"a\.txt: expected a label file of KITTI"):
        read_kitti_objects(tmp_path / "a.txt")


@pytest.mark.parametrize(
    "text", [DEEP, '{"a":' * 50_000, DIGITS, "[1, 2", "", "\x00", '"\ud800'.encode("utf-8", "surrogatepass")]
)
def test_hostile_json_is_a_value_error(text, tmp_path):
    (tmp_path / "a.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"\S"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("database.json", lambda folder: open_object_database(folder, class_table("kitti3"))),
        ("config.json", lambda folder: ModelFolder(folder).model_type),
        ("labels.json", lambda folder: open_section(folder, "labels", None, to_read=True)),
        ("last.json", checkpoint_task),
    ],
)
def test_json_of_a_run_or_a_model_may_be_endless_lists(name, read, tmp_path):
    (tmp_path / name).write_text(DEEP)
    (tmp_path / "model.safetensors").write_bytes(b"")
    if read is checkpoint_task:  # whoever loads the checkpoint says what is wrong
        assert read(tmp_path) == SEGMENTATION
        return
    with pytest.raises(LidarVlError, match=str(tmp_path)):
        read(tmp_path)


@pytest.mark.parametrize("read", [read_json, read_small_text])
def test_a_small_file_that_is_large_is_refused(read, tmp_path):
    with (tmp_path / "a").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="more than"):
        read(tmp_path / "a")


@pytest.mark.parametrize(
    "text", [f"[{DEEP}", f'[{{"a": {DIGITS}}}]', '[{"a": ' + '{"b":' * 50_000, "[3]", '[{"a": "', "[1e999"]
)
def test_a_hostile_table_is_refused(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadDataset, match=r"a\.json: expected"):
        list(table_records(tmp_path / "a.json"))


def test_a_record_without_end_is_not_read_again_and_again(tmp_path):
    (tmp_path / "a.json").write_text('[{"a": "' + "x" * 30_000_000)
    with pytest.raises(BadDataset, match="expected a whole JSON list"):
        list(table_records(tmp_path / "a.json"))


ROW = {
    "sample_token": "t", "translation": [1, 2, 0], "size": [2, 4, 1.5], "rotation": [1, 0, 0, 0], "velocity": [0, 0],
    "detection_name": "car", "detection_score": 0.5, "attribute_name": "",
}  # fmt: skip
HOSTILE_VALUES = [
    10**400,
    float("nan"),
    float("inf"),
    1e308,
    "1" * 5000,
    None,
    [],
    {},
    [[0] * 9],
    [10**400] * 3,
    [True] * 3,
]


@pytest.mark.parametrize("key", ROW)
@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=range(len(HOSTILE_VALUES)))
def test_results_with_a_hostile_value_are_refused(key, value, tmp_path):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"meta": {}, "results": {"t": [ROW | {key: value}]}}))
    with pytest.raises(LidarVlError, match=r"r\.json: sample t: ") as told:
        read_nuscenes_results(path, class_table("nuscenes10"))
    assert len(str(told.value)) < 1500


@pytest.mark.parametrize("text", [DEEP, DIGITS, '{"results": ' * 50_000, '{"results": {"t": ' + DIGITS + "}}"])
def test_results_that_are_no_results_are_refused(text, tmp_path):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(BadLabels, match=r"r\.json: expected"):
        read_nuscenes_results(tmp_path / "r.json", class_table("nuscenes10"))


def test_labels_of_any_length_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_files, "_MAX_BYTES", 100)
    (tmp_path / "a.label").write_bytes(bytes(104))
    with pytest.raises(BadDataset, match="scan 3: expected at most 100 bytes"):
        read_values(tmp_path / "a.label", np.uint32, "scan 3")


@given(st.binary(max_size=60), st.integers(0, 200))
@settings(deadline=None, max_examples=60)
def test_an_array_with_overwritten_bytes_is_read_or_refused(tmp_path_factory, noise, at):
    path = tmp_path_factory.getbasetemp() / "noisy.npy"
    np.save(path, np.eye(4))
    content = bytearray(path.read_bytes())
    content[at : at + len(noise)] = noise
    path.write_bytes(content)
    assert "\n" not in _told_or_read(ValueError, load_plain_array, path, 1000)[0]
    assert "\n" not in _told_or_read(BadDataset, read_matrix, path)[0]
