"""CameraInfo as drivers fill it in: which camera it describes for the raw image and for the rectified one."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.cameras.calibrations import Calibrations
from lidar_vl_core.cameras.camera_info import camera_of
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.foundation.errors import BadCalibration

K = np.array([[800.0, 0.0, 630.5], [0.0, 810.0, 355.25], [0.0, 0.0, 1.0]])
P = [700.0, 0, 640, 0, 0, 700, 360, 0, 0, 0, 1, 0]
SHIFTED = [700.0, 0, 640, -84.0, *P[4:]]
TURNED = [0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1]
BARREL = (-0.3, 0.1, 0.001, -0.002, 0.01)
POINTS_M = np.array([[0.751, 1.589, 9.757], [-1.649, -0.799, 10.736], [-0.192, -0.788, 4.784]])


def camera_info(**changes: object) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    good = {"width": 1280, "height": 720, "distortion_model": "plumb_bob", "d": [], "k": K.ravel().tolist()}
    rectification = {"r": np.eye(3).ravel().tolist(), "p": P}
    header = SimpleNamespace(frame_id="camera", stamp=SimpleNamespace(sec=1, nanosec=0))
    rest = {"header": header, "binning_x": 0, "binning_y": 0, "roi": roi}
    return SimpleNamespace(**(good | rectification | rest | changes))


@pytest.mark.parametrize(
    ("name", "D", "model", "kept"),
    [
        *[(name, [], "pinhole", ()) for name in ("plumb_bob", "rational_polynomial", "", "none", "None", "pinhole")],
        *[(name, [0.0] * 5, "pinhole", ()) for name in ("", " ", "NONE", "Pinhole")],
        *[
            (name, BARREL, "plumb_bob", BARREL)
            for name in ("plumb_bob", "PLUMB_BOB", "Plumb_Bob", "plumb bob", "radtan", "radial-tangential")
        ],
        ("plumb_bob", BARREL[:4], "plumb_bob", BARREL[:4]),
        *[("plumb_bob", (*BARREL, *[0.0] * more), "plumb_bob", BARREL) for more in (3, 7, 9)],
        ("plumb_bob", (*BARREL, 0.2, 0, 0), "rational_polynomial", (*BARREL, 0.2, 0, 0)),
        ("rational_polynomial", BARREL[:4], "rational_polynomial", (*BARREL[:4], 0, 0, 0, 0)),
        ("RATIONAL_POLYNOMIAL", BARREL, "rational_polynomial", (*BARREL, 0, 0, 0)),
        *[
            (
                "rational_polynomial",
                (*BARREL, 0.3, 0.2, 0.1, *[0.0] * more),
                "rational_polynomial",
                (*BARREL, 0.3, 0.2, 0.1),
            )
            for more in (0, 4, 6)
        ],
        *[
            (name, (0.1, 0, 0.2, 0, *[0.0] * more), "equidistant", (0.1, 0, 0.2, 0))
            for name in ("equidistant", "fisheye", "equi", "kannala_brandt", "KANNALA_BRANDT4", "Kannala-Brandt")
            for more in (0, 1, 8)
        ],
    ],
)
def test_a_lens_is_known_by_the_names_drivers_give_it_and_zeros_behind_it_say_nothing(name, D, model, kept):
    camera = camera_of(camera_info(distortion_model=name, d=list(D)))
    assert (camera.model, camera.D) == (model, kept)


@pytest.mark.parametrize("D", [BARREL[:4], BARREL])
def test_a_rational_lens_of_few_coefficients_is_the_plumb_bob_it_says(D):
    rational, plumb_bob = (
        camera_of(camera_info(distortion_model=name, d=D)) for name in ("rational_polynomial", "radtan")
    )
    assert_allclose(rational.project(POINTS_M)[0], plumb_bob.project(POINTS_M)[0], atol=1e-9)


@pytest.mark.parametrize(
    ("name", "D", "reason"),
    [
        ("thin_prism_fisheye", BARREL, "expected one of pinhole, plumb_bob.*found 'thin_prism_fisheye'"),
        ("ftheta", BARREL, "found 'ftheta'"),
        ("", BARREL, "no coefficients beside the distortion model ''"),
        ("pinhole", BARREL, "no coefficients beside"),
        ("equidistant", (0.1, 0, 0, 0, 0.1), "expected 4 coefficients for equidistant, and zeros beyond"),
        ("equidistant", (), "expected 4 coefficients"),
        ("plumb_bob", (0.1, 0.2, 0.3), "4 to 5 coefficients"),
        ("rational_polynomial", (*BARREL, 0, 0, 0, 0, 0, 0, 1e-4), "4 to 8 coefficients"),
        ("plumb_bob", (*BARREL[:4], np.nan), "within"),
        ("plumb_bob", (*BARREL, np.nan), "D: expected"),
    ],
)
def test_a_lens_that_is_not_known_is_refused_by_name(name, D, reason):
    with pytest.raises(BadCalibration, match=reason):
        camera_of(camera_info(distortion_model=name, d=list(D)))


def test_region_of_interest_and_binning_are_applied_in_this_order():
    roi = SimpleNamespace(x_offset=200, y_offset=100, width=800, height=400, do_rectify=False)
    delivered = camera_of(camera_info(roi=roi, binning_x=2, binning_y=4))
    assert (delivered.width, delivered.height) == (400, 100)
    uv_px, _, _ = CameraModel(1280, 720, K).project(POINTS_M)
    delivered_uv_px, _, _ = delivered.project(POINTS_M)
    assert_allclose(delivered_uv_px + 0.5, (uv_px + 0.5 - (200, 100)) / (2, 4), atol=1e-9)


def test_a_rectified_image_has_the_camera_of_p_and_no_distortion():
    info = camera_info(width=640, height=480, d=BARREL, k=[500.0, 0, 320, 0, 500, 240, 0, 0, 1])
    info.p = [400.0, 0, 310, 0, 0, 400, 230, 0, 0, 0, 1, 0]
    raw, rectified = camera_of(info), camera_of(info, rectified=True)
    assert (raw.model, raw.K[0, 0]) == ("plumb_bob", 500.0)
    assert (rectified.model, rectified.D) == ("pinhole", ())
    uv_px, _, visible = rectified.project(np.array([[1.0, 0.5, 5.0]]))
    assert_allclose(uv_px, [[390.0, 270.0]])
    assert visible.all()


def test_the_region_of_interest_cuts_the_rectified_image_too():
    roi = SimpleNamespace(x_offset=200, y_offset=100, width=800, height=400, do_rectify=True)
    rectified = camera_of(camera_info(d=BARREL, roi=roi, binning_x=2, binning_y=2), rectified=True)
    assert (rectified.width, rectified.height) == (400, 200)
    uv_px, _, _ = rectified.project(np.array([[0.0, 0.0, 5.0]]))
    assert_allclose(uv_px + 0.5, [[(640.5 - 200) / 2, (360.5 - 100) / 2]])


@pytest.mark.parametrize(
    "rectification",
    [
        {"p": SHIFTED},
        {"p": [*P[:7], -84.0, *P[8:]]},
        {"r": TURNED},
        {"r": [1, -0.001, 0, 0.001, 1, 0, 0, 0, 1]},
        {"r": [np.nan] * 9},
        {"p": [*P[:3], np.nan, *P[4:]]},
        {"p": []},
        {"p": [0.0] * 12},
        {"p": [0.0] * 12, "distortion_model": "equidistant", "d": [0.0] * 4},
    ],
    ids=[
        *("second of a pair", "lower of a pair", "turned", "turned by a pixel", "R of NaN", "shift of NaN", "no P"),
        *("P of zeros", "P of zeros of a fisheye"),
    ],
)
def test_a_rectified_image_whose_camera_is_not_told_is_refused_with_the_reason(rectification):
    with pytest.raises(BadCalibration, match=r"rectified image|P: expected 12"):
        camera_of(camera_info(**{"d": BARREL} | rectification), rectified=True)


@pytest.mark.parametrize("rectification", [{"r": TURNED}, {"p": SHIFTED}, {"p": [0.0] * 12, "r": [0.0] * 9}])
def test_the_raw_image_knows_nothing_of_the_rectification(rectification):
    camera = camera_of(camera_info(**{"d": BARREL} | rectification))
    assert (camera.model, camera.D) == ("plumb_bob", BARREL)
    assert_allclose(camera.K, K)


@pytest.mark.parametrize("R", [np.eye(3), np.zeros((3, 3)), np.array([[1, -1e-5, 0], [1e-5, 1, 0], [0, 0, 1]])])
def test_r_that_is_not_set_or_turns_by_less_than_a_pixel_is_none(R):
    camera = camera_of(camera_info(d=BARREL, r=R.ravel().tolist()), rectified=True)
    assert camera.K[0, 0] == 700.0


@pytest.mark.parametrize("D", [[], [0.0] * 5])
def test_without_p_and_without_distortion_raw_and_rectified_images_are_one(D):
    camera = camera_of(camera_info(d=D, p=[0.0] * 12), rectified=True)
    assert_allclose(camera.K, K)


def test_the_capitals_of_ros_1_are_read():
    info = vars(camera_info(d=list(BARREL)))
    camera = camera_of(
        SimpleNamespace(**{name.upper() if name in "dkrp" else name: value for name, value in info.items()})
    )
    assert (camera.D, camera.K[0, 0]) == (BARREL, 800.0)


def test_a_calibration_that_only_changes_its_rectification_is_another_one():
    calibrations = Calibrations(rectified=True)
    for second, focal_px in ((1, 700.0), (2, 700.0), (3, 650.0)):
        info = camera_info(d=BARREL, p=[focal_px, *P[1:]])
        info.header.stamp.sec = second
        calibrations.add(info)
    seen = [calibrations.at(second * 10**9).K[0, 0] for second in (1, 2, 3)]
    assert seen == [700.0, 700.0, 650.0]


def test_calibrations_that_come_out_of_order_hold_from_their_stamps_on():
    calibrations = Calibrations()
    for second, focal_px in ((5, 700.0), (1, 600.0), (3, 650.0), (2, 600.0)):
        info = camera_info(k=[focal_px, *K.ravel()[1:]])
        info.header.stamp.sec = second
        calibrations.add(info)
    seen = [calibrations.at(second * 10**9).K[0, 0] for second in (0, 1, 2, 4, 5, 9)]
    assert seen == [600.0, 600.0, 600.0, 650.0, 700.0, 700.0]


def test_a_list_that_no_camera_has_is_refused_before_it_is_kept():
    with pytest.raises(BadCalibration, match="D: expected at most 100 numbers, found 10000000"):
        Calibrations().add(camera_info(d=np.zeros(10_000_000)))
