"""Decoded pictures on disk: equal to fresh ones, by content and size, up to a bound, and made anew where a file is damaged."""

from dataclasses import replace

import numpy as np
import pytest

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.pretraining.views.picture_cache import PictureCache, decoded

_RGB = np.random.default_rng(0).integers(0, 255, (24, 40, 3)).astype(np.uint8)


class _Picture:
    """Bytes that are decoded to a picture, counted."""

    def __init__(self, content: bytes = b"one") -> None:
        self.content, self.loads = content, 0

    def load(self) -> np.ndarray:
        self.loads += 1
        return _RGB if self.content == b"one" else 255 - _RGB

    def read(self) -> bytes:
        return self.content


def _view(picture):
    camera = CameraModel(40, 24, np.array([[30.0, 0, 20], [0, 30.0, 12], [0, 0, 1]]))
    return CameraView("front", camera, RigidTransform.identity(), 0, picture.load, picture.read)


def test_a_kept_picture_is_the_decoded_one_and_is_not_decoded_again(tmp_path):
    picture = _Picture()
    for size in ((24, 40), (12, 20)):
        fresh = decoded(_view(picture), size)
        before = picture.loads
        for cache in (PictureCache(tmp_path), PictureCache(tmp_path)):  # of two processes
            np.testing.assert_array_equal(cache(_view(picture), size), fresh)
        assert picture.loads == before + 1


def test_another_content_under_the_same_name_is_another_picture(tmp_path):
    cache = PictureCache(tmp_path)
    one, other = cache(_view(_Picture()), (24, 40)), cache(_view(_Picture(b"two")), (24, 40))
    np.testing.assert_array_equal(other, 255 - one)


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_a_damaged_copy_is_made_anew(tmp_path, damage):
    picture, cache = _Picture(), PictureCache(tmp_path)
    cache(_view(picture), (12, 20))
    (path,) = tmp_path.glob("*/*.npy")
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)
    np.testing.assert_array_equal(cache(_view(picture), (12, 20)), decoded(_view(picture), (12, 20)))
    before = picture.loads
    cache(_view(picture), (12, 20))
    assert picture.loads == before


def test_a_full_folder_takes_no_more(tmp_path):
    cache = PictureCache(tmp_path, max_bytes=2 * (12 * 20 * 3 + 128))  # a header each
    for content in (b"one", b"two", b"three"):
        cache(_view(_Picture(content)), (12, 20))
    assert len(list(tmp_path.glob("*/*.npy"))) == 2


def test_a_view_without_a_stored_picture_is_decoded_each_time(tmp_path):
    picture = _Picture()
    view = replace(_view(picture), read_bytes=None)
    for _ in range(2):
        PictureCache(tmp_path)(view, (12, 20))
    assert picture.loads == 2
    assert not list(tmp_path.iterdir())
