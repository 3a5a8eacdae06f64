"""Field names as drivers and programs write them."""

import pytest

from lidar_vl_core.clouds.formats.fields import colour_names, intensity_name, position_names


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("x y z", ("x", "y", "z")),
        ("Z Y X", ("X", "Y", "Z")),
        ("scalar_x X y z", ("scalar_x", "y", "z")),
        ("X scalar_x x y z", ("x", "y", "z")),
        ("x y", None),
    ],
)
def test_coordinates_are_found_as_they_are_written(names, found):
    assert position_names(names.split()) == found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("x y z intensity", "intensity"),
        ("x y z INTENSITY ring", "INTENSITY"),
        ("x y z scalar_Intensity", "scalar_Intensity"),
        ("x y z Scalar_Remission", "Scalar_Remission"),
        ("x y z i", "i"),
        ("x y z Reflectance", "Reflectance"),
        ("remissions", "remissions"),
        ("x y z intensity t reflectivity ring ambient range", "reflectivity"),
        ("scalar_Intensity intensity", "intensity"),
        ("x y z ring t ambient scalar_Scalar_field", None),
    ],
)
def test_one_field_is_the_intensity_and_the_calibrated_one_goes_first(names, found):
    assert intensity_name(names.split()) == found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("x y z red green blue", ("red", "green", "blue")),
        ("B x G y R z", ("R", "G", "B")),
        ("diffuse_red diffuse_green diffuse_blue", ("diffuse_red", "diffuse_green", "diffuse_blue")),
        ("scalar_R scalar_G scalar_B rgb", ("scalar_R", "scalar_G", "scalar_B")),
        ("x y z RGBA", ("RGBA",)),
        ("x y z r ring", ()),
    ],
)
def test_colours_are_three_fields_or_a_packed_one(names, found):
    assert colour_names(names.split()) == found
