"""Labels on disk: found by the content of their picture, and what is asked for in vain is told."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.cameras.image import stored_bytes
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadImage, BadLabels, BadRequest
from offline_training.weak_labels.pictures.id_picture import encode_ids
from offline_training.weak_labels.store.label_store import NO_SEGMENT, LabelStore
from offline_training.weak_labels.store.store_section import content_sha256
from tests.training.weak_labels.store.stored_labels import (
    SIZE,
    constant_labels,
    opened_store,
    picture_view,
    written_store,
)


def test_labels_come_back_by_the_picture_alone(tmp_path):
    written_store(tmp_path, picture_view(name="front"))
    same_picture = picture_view(name="somewhere else")
    store = LabelStore(tmp_path)
    labels = store.read(same_picture)
    assert (labels.class_id == 1).all()
    assert (labels.score == 200).all()
    assert (labels.instance_id == 300).all()
    assert store.class_names == ("dark", "bright")
    assert store.identity["revision"] == "1"


def test_label_pictures_show_the_classes_in_their_colours(tmp_path):
    written_store(tmp_path)
    (path,) = tmp_path.glob("labels-*/class_id/*/*.png")
    with Image.open(path) as picture:
        assert picture.mode == "P"
        assert picture.convert("RGB").getpixel((0, 0)) == (1, 2, 3)


def test_superpixels_live_beside_labels_and_either_can_be_alone(tmp_path):
    view, segments = picture_view(), np.arange(24, dtype=np.uint16).reshape(SIZE)
    segments[0, 0] = NO_SEGMENT
    store = LabelStore(tmp_path, superpixel_identity={"model": "slic"})
    with store.writing():
        store.write_superpixels(content_sha256(view), segments)
    assert (LabelStore(tmp_path).read_superpixels(view) == segments).all()
    with pytest.raises(BadRequest, match="expected labels"):
        LabelStore(tmp_path).read_class_id(view)
    written_store(tmp_path)
    assert (LabelStore(tmp_path).read_superpixels(view) == segments).all()
    assert (LabelStore(tmp_path).read_class_id(view) == 1).all()


def test_a_picture_without_labels_is_told_with_the_command_that_makes_them(tmp_path):
    with pytest.raises(BadRequest, match="lidar-vl-train weak-label"):
        LabelStore(tmp_path).read_class_id(picture_view())
    written_store(tmp_path)
    with pytest.raises(BadLabels, match=r"camera left \(left.jpg\).*lidar-vl-train weak-label"):
        LabelStore(tmp_path).read_class_id(picture_view(b"another", name="left"))
    with pytest.raises(BadRequest, match="superpixels"):
        LabelStore(tmp_path).read_superpixels(picture_view())


def test_other_prompts_or_thresholds_leave_the_first_labels_untouched(tmp_path):
    view = picture_view()
    written_store(tmp_path)
    other = opened_store(tmp_path, thresholds=[0.3])
    assert not other.has(content_sha256(view), SIZE)
    with other.writing():
        pass
    with pytest.raises(BadLabels):
        LabelStore(tmp_path).read_class_id(view)  # what was asked for last has no such label yet
    back = opened_store(tmp_path)
    assert back.has(content_sha256(view), SIZE)
    with back.writing():
        pass
    assert (LabelStore(tmp_path).read_class_id(view) == 1).all()


def test_ids_of_no_class_are_refused_when_written_and_when_read(tmp_path):
    store = written_store(tmp_path)
    with pytest.raises(BadLabels, match=r"0\.\.1"):
        store.write("ab" * 32, constant_labels(2))
    (path,) = tmp_path.glob("labels-*/class_id/*/*.png")
    path.write_bytes(encode_ids(np.full(SIZE, 7, np.uint8)))
    with pytest.raises(BadLabels, match="found 7"):
        store.read_class_id(picture_view())


def test_pictures_are_known_by_their_bytes_else_by_their_pixels():
    assert (
        content_sha256(picture_view(b"a"))
        == content_sha256(picture_view(b"a", name="b"))
        != content_sha256(picture_view(b"c"))
    )
    pixels = [
        CameraView(
            "x", picture_view().camera, picture_view().T_cam_lidar, 0, lambda k=k: np.full((4, 6, 3), k, np.uint8)
        )
        for k in (1, 1, 2)
    ]
    first, same, other = map(content_sha256, pixels)
    assert first == same != other


def test_a_message_is_known_by_its_picture_whenever_it_was_sent():
    def image(**changes):
        layout = {
            "encoding": "rgb8",
            "width": 2,
            "height": 1,
            "step": 6,
            "is_bigendian": 0,
            "data": np.arange(6, dtype=np.uint8),
        }
        return SimpleNamespace(**{**layout, **changes})

    first = stored_bytes(image(header="stamp 1"))
    assert stored_bytes(image(header="stamp 2")) == first
    for other in (image(encoding="bgr8"), image(width=1, height=2, step=3), image(data=np.zeros(6, np.uint8))):
        assert stored_bytes(other) != first
    jpeg = SimpleNamespace(format="jpeg", data=b"\xff\xd8\xff rest")
    assert stored_bytes(jpeg) == b"\xff\xd8\xff rest"
    with pytest.raises(BadImage):
        stored_bytes(SimpleNamespace(format="jpeg", data=None))
