"""Masks of the own vehicle: what is black in a picture, and files that are no masks."""

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.cameras.own_vehicle_mask import read_mask
from lidar_vl_core.foundation.errors import BadConfig


@pytest.mark.parametrize("name", ["mask.png", "mask.jpg"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_black_is_the_own_vehicle(tmp_path, name, mode):
    picture = np.full((48, 64), 255, np.uint8)
    picture[32:] = 0
    Image.fromarray(picture).convert(mode).save(tmp_path / name)
    np.testing.assert_array_equal(read_mask(tmp_path / name), picture > 0)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "No such file"), (b"", "expected"), (b"\x89PNG broken", "expected"), (b"P5 2 2 255 aaaa", "expected")],
)
def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path, content, expected):
    path = tmp_path / "mask.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadConfig, match=f"mask .*mask.png: .*{expected}"):
        read_mask(path)


def test_a_mask_that_is_black_all_over_is_refused(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "mask.png")
    with pytest.raises(BadConfig, match="Invert the mask"):
        read_mask(tmp_path / "mask.png")
