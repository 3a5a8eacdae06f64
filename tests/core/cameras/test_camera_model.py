"""Projection of every camera model: against OpenCV's numbers, against its own inverse, and at the edge of its validity."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCalibration
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.recordings import recording

K = np.array([[800.0, 0.0, 630.5], [0.0, 810.0, 355.25], [0.0, 0.0, 1.0]])

# Made with OpenCV 4.13 (projectPoints, fisheye.projectPoints) from these points and this K.
POINTS_M = np.array(
    [
        [0.751, 1.589, 9.757], [-1.649, -0.799, 10.736], [-2.968, 1.285, 9.971], [-0.192, -0.788, 4.784],
        [-1.471, -0.22, 7.045], [0.321, 1.982, 9.927], [0.733, 1.956, 4.153], [-2.039, 0.45, 2.439],
    ]
)  # fmt: skip
OPENCV_UV = {
    ("plumb_bob", (-0.28, 0.09, 0.0007, -0.0012)): [
        [691.494224, 486.002664], [508.55609, 295.455434], [398.833259, 456.819594], [598.625698, 222.92829],
        [465.395215, 330.280331], [656.042376, 515.20034], [762.30115, 712.155455], [64.400357, 482.006213],
    ],
    ("plumb_bob", (-0.35, 0.15, 0.001, -0.0005, -0.03)): [
        [691.389015, 485.746235], [508.848707, 295.598065], [400.576952, 456.106617], [598.709799, 223.217871],
        [465.973849, 330.375004], [655.998021, 514.789771], [760.490793, 706.942866], [86.175803, 477.410197],
    ],
    ("rational_polynomial", (0.6, -0.1, 0.0004, -0.0006, 0.02, 0.95, 0.05, -0.01)): [
        [691.37535, 485.706752], [508.828521, 295.575149], [400.529246, 456.072706], [598.700105, 223.173172],
        [465.947613, 330.349908], [655.989628, 514.737878], [760.510944, 706.929046], [87.124164, 476.828973],
    ],
    ("equidistant", (-0.02, 0.004, -0.003, 0.0006)): [
        [691.384527, 485.682534], [508.865575, 295.577029], [400.675052, 455.99684], [598.713226, 223.161053],
        [466.018381, 330.342943], [656.004328, 514.693761], [760.778953, 707.243115], [82.560813, 477.689819],
    ],
}  # fmt: skip


def camera(model: str = "pinhole", D: tuple[float, ...] = ()) -> CameraModel:
    return CameraModel(1280, 720, K, model, D)


@st.composite
def cameras(draw: st.DrawFn) -> CameraModel:
    """Lenses as they are built: a wide range of distortion, weaker in the higher orders."""
    model = draw(st.sampled_from(["pinhole", "plumb_bob", "rational_polynomial", "equidistant"]))
    limits = {
        "pinhole": (),
        "plumb_bob": (0.4, 0.2, 0.003, 0.003, 0.05),
        "rational_polynomial": (0.5, 0.2, 0.002, 0.002, 0.05, 0.5, 0.2, 0.05),
        "equidistant": (0.1, 0.03, 0.01, 0.003),
    }[model]
    return camera(model, tuple(draw(st.floats(-limit, limit, allow_nan=False)) for limit in limits))


def points() -> st.SearchStrategy:
    number = st.floats(-30, 30, allow_nan=False)
    return st.lists(st.tuples(number, number, number), min_size=1, max_size=30).map(np.array)


def slow_projection(model: str, D: tuple[float, ...], point: np.ndarray) -> tuple[float, float]:
    """OpenCV's published formulas for one point in front of the camera, written out."""
    x, y = point[0] / point[2], point[1] / point[2]
    if model == "equidistant":
        radius = np.hypot(x, y)
        angle = np.arctan(radius)
        k1, k2, k3, k4 = D
        distorted = angle * (1 + k1 * angle**2 + k2 * angle**4 + k3 * angle**6 + k4 * angle**8)
        scale = distorted / radius if radius else 1.0
        x, y = x * scale, y * scale
    elif D:
        k1, k2, p1, p2, k3, k4, k5, k6 = (*D, *([0.0] * (8 - len(D))))
        r2 = x * x + y * y
        radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        )
    return K[0, 0] * x + K[0, 2], K[1, 1] * y + K[1, 2]


@pytest.mark.parametrize("lens", OPENCV_UV, ids=lambda lens: f"{lens[0]}-{len(lens[1])}")
def test_pixels_equal_opencvs(lens):
    uv_px, depth_m, visible = camera(*lens).project(POINTS_M)
    assert_allclose(uv_px, OPENCV_UV[lens], atol=1e-6)
    assert_allclose(depth_m, POINTS_M[:, 2])
    assert visible.all()


@given(cameras(), points())
def test_visible_points_are_where_the_published_formulas_put_them(some_camera, xyz_cam_m):
    uv_px, _, visible = some_camera.project(xyz_cam_m)
    expected = [slow_projection(some_camera.model, some_camera.D, point) for point in xyz_cam_m[visible]]
    assert_allclose(uv_px[visible], np.array(expected).reshape(-1, 2), atol=1e-6)


@given(cameras(), points())
def test_only_points_in_front_and_in_the_image_are_visible(some_camera, xyz_cam_m):
    uv_px, depth_m, visible = some_camera.project(xyz_cam_m)
    assert (depth_m[visible] > 0).all()
    pixel = np.rint(uv_px[visible])
    assert ((pixel >= 0) & (pixel < (1280, 720))).all()


@given(cameras(), st.floats(0, 1279), st.floats(0, 719), st.floats(0.1, 100))
def test_projection_undoes_unprojection_wherever_a_ray_meets_the_pixel(some_camera, u, v, depth_m):
    xyz_m = some_camera.unproject(np.array([[u, v]]), np.array([depth_m]))
    if np.isfinite(xyz_m).all():
        uv_px, depth_again_m, visible = some_camera.project(xyz_m)
        assert_allclose(uv_px, [[u, v]], atol=1e-4)
        assert_allclose(depth_again_m, [depth_m])
        assert visible.all()


@given(cameras(), points())
def test_unprojection_undoes_projection_of_visible_points(some_camera, xyz_cam_m):
    uv_px, depth_m, visible = some_camera.project(xyz_cam_m)
    if some_camera.model in ("plumb_bob", "rational_polynomial"):
        # At the very edge of validity the image stands still, and the inverse loses its digits.
        radius = np.linalg.norm(xyz_cam_m[:, :2], axis=1) / np.maximum(depth_m, 1e-9)
        visible &= radius < 0.95 * some_camera.distortion.largest_radius
        if max(abs(p) for p in some_camera.D[2:4]) > 0:
            visible &= radius < 0.7  # beyond, the tangential part alone may fold, which only Newton's end can tell
    again_m = some_camera.unproject(uv_px[visible], depth_m[visible])
    assert_allclose(again_m, xyz_cam_m[visible], rtol=1e-5, atol=1e-5)


def test_points_where_a_barrel_lens_folds_back_are_not_visible():
    wide = camera("plumb_bob", (-0.35, 0.1, 0.0, 0.0, -0.01))
    limit = wide.distortion.largest_radius
    angle = np.linspace(0, 2 * np.pi, 50)[:, None] * [1, 1]
    for radius, expected in ((0.9 * limit, True), (1.1 * limit, False), (3 * limit, False)):
        xyz_m = np.hstack([radius * np.hstack([np.cos(angle[:, :1]), np.sin(angle[:, :1])]), np.ones((50, 1))])
        uv_px, _, visible = wide.project(xyz_m * 10)
        on_image = (np.abs(uv_px - (639.5, 359.5)) < (640, 360)).all(axis=1)
        assert (visible == (on_image & expected)).all()


@given(cameras())
def test_the_distorted_radius_grows_up_to_the_largest_radius_and_no_further(some_camera):
    if some_camera.model == "pinhole":
        return
    radial = list(some_camera.D)
    if some_camera.model != "equidistant":
        radial[2:4] = 0.0, 0.0
        # A pole of the fraction that its numerator cancels, or nearly, is taken for an end all the same: the radius grows
        # beyond it.
        assume(not any(radial[5:8]) or not np.allclose((*radial[:2], radial[4]), radial[5:8], rtol=0, atol=1e-6))
    lens = camera(some_camera.model, tuple(radial)).distortion
    end = min(lens.largest_radius, 20.0)
    radius = np.linspace(0, end, 2_000)
    distorted, _ = lens.distort(radius, np.zeros_like(radius))
    assert (np.diff(distorted) > -1e-9).all()
    if end < 20.0:
        beyond, _ = lens.distort(np.array([end, end * 1.01]), np.zeros(2))
        assert beyond[1] < beyond[0]


def test_a_point_without_a_place_is_not_visible_and_makes_no_warning():
    xyz_m = np.array(
        [[0, 0, 0], [1, 1, 0], [0, 0, -5], [np.nan, 0, 1], [0, np.inf, 1], [1e30, 0, 1e-30], [0, 0, np.inf]]
    )
    for model, D in [("pinhole", ()), *OPENCV_UV]:
        assert not camera(model, D).project(xyz_m)[2].any()


def test_no_points_project_to_no_pixels():
    uv_px, depth_m, visible = camera().project(np.empty((0, 3)))
    assert (uv_px.shape, depth_m.shape, visible.shape) == ((0, 2), (0,), (0,))


def test_image_borders_are_half_a_pixel_outside_the_first_and_last_pixel_centres():
    uv = np.array([[-0.5, 0], [-0.51, 0], [1279.49, 0], [1279.5, 0], [0, 719.49], [0, 719.5]])
    _, _, visible = camera().project(camera().unproject(uv + 1e-9, np.full(6, 4.0)))
    assert visible.tolist() == [True, False, True, False, True, False]


@given(cameras(), points(), st.sampled_from([(640, 360), (320, 180), (2560, 1440), (500, 500)]))
def test_a_resized_image_shows_the_same_points_at_the_same_relative_place(some_camera, xyz_cam_m, size):
    uv_px, _, visible = some_camera.project(xyz_cam_m)
    scaled_uv_px, _, scaled_visible = some_camera.scaled(*size).project(xyz_cam_m)
    relative, scaled_relative = (uv_px + 0.5) / (1280, 720), (scaled_uv_px + 0.5) / size
    inside = visible & (np.abs(relative - 0.5) < 0.499).all(axis=1)
    assert scaled_visible[inside].all()
    assert_allclose(scaled_relative[inside], relative[inside], atol=1e-9)


def test_a_cropped_image_shows_the_same_points_shifted():
    uv_px, _, _ = camera().project(POINTS_M)
    cropped_uv_px, _, _ = camera().cropped(100, 50, 300, 200).project(POINTS_M)
    assert_allclose(cropped_uv_px, uv_px - (100, 50), atol=1e-9)


def test_a_lens_that_no_camera_has_is_refused():
    with pytest.raises(BadCalibration, match="4 or 5"):
        camera("plumb_bob", (0.1,))


def _read_pcd_points(path) -> PointCloud:
    from lidar_vl_core.clouds.cloud_files import read_cloud

    return read_cloud(path)


def test_a_lens_with_distortion_sees_the_points_its_calibration_was_made_for(test_data):
    from PIL import Image

    folder = recording(test_data, "calib*/1")
    with Image.open(folder / "calib.jpg") as picture:
        width, height = picture.size
    rows = dict(line.split(":", 1) for line in (folder / "calib.txt").read_text().splitlines() if ":" in line)
    numbers = {name: np.array(text.split(), float) for name, text in rows.items()}
    lens = CameraModel(width, height, numbers["K"].reshape(3, 3), "plumb_bob", tuple(numbers["D"]))
    T_cam_lidar = RigidTransform.from_matrix(numbers["T"].reshape(3, 4))
    _, _, visible = lens.project(T_cam_lidar.apply(_read_pcd_points(folder / "calib.pcd").xyz_m))
    stated = (
        1000 if folder.parent.name == "calibrated_lens" else 12_664
    )  # made so; what its description counted with OpenCV
    assert visible.sum() == pytest.approx(stated, rel=0.01)


@pytest.mark.parametrize(("place", "value"), [((0, 0), 1e308), ((1, 1), 1e-320), ((0, 2), 1e300), ((0, 1), -1e12)])
def test_numbers_that_no_lens_has_are_refused(place, value):
    K = np.array([[800.0, 0, 640], [0, 800, 360], [0, 0, 1]])
    K[place] = value
    with pytest.raises(BadCalibration, match="nothing beyond 1e"):
        CameraModel(1280, 720, K)
