"""Point-pixel pairs against a slow reference, and the occlusion test against scenes whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.pairing import DepthImages, ZBuffer, point_pixel_pairs
from lidar_vl_core.foundation.errors import BadCalibration
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.recordings import recording

CAMERA = CameraModel(64, 48, np.array([[40.0, 0, 31.5], [0, 40.0, 23.5], [0, 0, 1]]))
# LiDAR x forward, y left, z up -> optical x right, y down, z forward.
OPTICAL = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
FORWARD = RigidTransform(OPTICAL, np.zeros(3))
TO_THE_LEFT = RigidTransform(OPTICAL @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), np.array([0.1, 0.2, -0.3]))
VIEWS = [(CAMERA, FORWARD), (CAMERA, TO_THE_LEFT)]


def clouds() -> st.SearchStrategy:
    number = st.one_of(st.floats(-20, 20, allow_nan=False, width=32), st.sampled_from([np.nan, np.inf, -np.inf]))
    return st.lists(st.tuples(number, number, number), max_size=40).map(
        lambda rows: np.array(rows, np.float32).reshape(-1, 3)
    )


def slow_pairs(xyz_m, views, min_depth_m, border_px, occlusion) -> list[tuple[int, int, int, int]]:
    """One point, one camera at a time; every point of a neighbouring cell is asked whether it hides this one."""
    pairs = []
    for camera_index, (camera, T_cam_lidar) in enumerate(views):
        seen = []
        for point_index, point in enumerate(xyz_m):
            if not np.isfinite(point).all():
                continue
            x, y, z = T_cam_lidar.rotation @ point.astype(float) + T_cam_lidar.translation_m
            if z <= min_depth_m:
                continue
            u, v = camera.K[0, 0] * x / z + camera.K[0, 2], camera.K[1, 1] * y / z + camera.K[1, 2]
            if border_px < u < camera.width - 1 - border_px and border_px < v < camera.height - 1 - border_px:
                seen.append((point_index, round(u), round(v), z))
        pairs += [
            (point_index, camera_index, u, v)
            for point_index, u, v, z in seen
            if not any(_hides(nearer, (u, v, z), camera, occlusion) for nearer in seen)
        ]
    return pairs


def _hides(nearer, point, camera, occlusion) -> bool:
    if occlusion is None:
        return False
    (_, u_near, v_near, z_near), (u, v, z) = nearer, point
    cell = occlusion.cell_px
    if abs(u_near // cell - u // cell) > 1 or abs(v_near // cell - v // cell) > 1:
        return False
    grazing = 1.5 * cell / (camera.K[0, 0] * occlusion.surface_distance_m)
    return z > z_near * (1 + occlusion.relative_margin) and 1 / z_near - 1 / z > grazing


@settings(max_examples=60)
@given(
    clouds(),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.sampled_from([0, 1, 10]),
    st.sampled_from([None, ZBuffer(4), ZBuffer(1, 0.0, 5.0), ZBuffer(16, 0.2, 0.5)]),
)
def test_pairs_equal_the_slow_reference(xyz_m, min_depth_m, border_px, occlusion):
    pairs = point_pixel_pairs(xyz_m, VIEWS, min_depth_m, border_px, occlusion)
    columns = (pairs.point_index, pairs.camera_index, *pairs.pixel_uv.T)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == slow_pairs(
        xyz_m, VIEWS, min_depth_m, border_px, occlusion
    )


LENSES = [
    ("pinhole", ()),
    ("plumb_bob", (-0.35, 0.15, 0.001, -0.0005, -0.03)),
    ("plumb_bob", (-0.28, 0.09, 0.0, 0.0)),
    ("rational_polynomial", (0.9, 0.4, 0.002, -0.001, 0.05, 1.2, 0.6, 0.1)),
    ("equidistant", (-0.02, 0.005, -0.003, 0.0006)),
]


@pytest.mark.parametrize(("model", "coefficients"), LENSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pairs_are_those_of_the_camera_model_whatever_its_lens(model, coefficients, dtype):
    camera = CameraModel(640, 480, np.array([[300.0, 2.0, 320.5], [0, 310.0, 239.5], [0, 0, 1]]), model, coefficients)
    xyz_m = np.random.default_rng(1).normal(0, 20, (20_000, 3)).astype(dtype)
    pairs = point_pixel_pairs(xyz_m, [(camera, TO_THE_LEFT)])
    uv_px, depth_m, visible = camera.project(TO_THE_LEFT.apply(xyz_m.astype(np.float64)))
    u, v = uv_px.T
    with np.errstate(invalid="ignore"):
        inside = visible & (depth_m > 1.0) & (u > 0) & (u < 639) & (v > 0) & (v < 479)
    assert pairs.point_index.tolist() == np.flatnonzero(inside).tolist()
    np.testing.assert_array_equal(pairs.pixel_uv, np.rint(uv_px[inside]))
    np.testing.assert_allclose(pairs.depth_m, depth_m[inside], rtol=1e-6)
    assert len(pairs) > 500


@given(clouds(), st.randoms())
def test_pairs_permute_with_the_points(xyz_m, random):
    order = list(range(len(xyz_m)))
    random.shuffle(order)
    before, after = (point_pixel_pairs(cloud, VIEWS, occlusion=ZBuffer(4)) for cloud in (xyz_m, xyz_m[order]))

    def as_set(pairs, index_of):
        return {
            (index_of[i], c, *uv)
            for i, c, uv in zip(pairs.point_index, pairs.camera_index, pairs.pixel_uv.tolist(), strict=True)
        }

    assert as_set(after, order) == as_set(before, list(range(len(xyz_m))))


@given(clouds())
def test_the_occlusion_test_only_takes_pairs_away_and_keeps_the_nearest(xyz_m):
    every, kept = (point_pixel_pairs(xyz_m, VIEWS[:1], occlusion=o) for o in (None, ZBuffer(4)))
    assert set(kept.point_index) <= set(every.point_index)
    if len(every):
        assert every.point_index[every.depth_m.argmin()] in kept.point_index


def test_types_and_order_are_what_training_relies_on():
    xyz_m = np.random.default_rng(0).uniform(-10, 10, (500, 3)).astype(np.float32)
    pairs = point_pixel_pairs(xyz_m, VIEWS)
    assert (pairs.point_index.dtype, pairs.camera_index.dtype) == (np.int64, np.int64)
    assert (pairs.pixel_uv.dtype, pairs.depth_m.dtype) == (np.int32, np.float32)
    assert (np.lexsort((pairs.point_index, pairs.camera_index)) == np.arange(len(pairs))).all()


@pytest.mark.parametrize("views", [[], VIEWS])
def test_no_points_or_no_cameras_give_no_pairs(views):
    for xyz_m in (np.empty((0, 3), np.float32), np.full((5, 3), np.nan, np.float32)):
        pairs = point_pixel_pairs(xyz_m, views, occlusion=ZBuffer())
        assert (len(pairs), pairs.pixel_uv.shape) == (0, (0, 2))


def test_a_wall_behind_a_box_is_hidden_and_the_wall_beside_it_is_not():
    y, z = np.meshgrid(np.linspace(-4, 4, 160), np.linspace(-3, 3, 120))
    wall = np.stack([np.full(y.size, 10.0), y.ravel(), z.ravel()], axis=1)
    box = np.stack([np.full(y.size, 4.0), y.ravel() / 4, z.ravel() / 4], axis=1)
    pairs = point_pixel_pairs(np.vstack([wall, box]).astype(np.float32), VIEWS[:1], occlusion=ZBuffer(2))
    seen = np.zeros(2 * len(wall), bool)
    seen[pairs.point_index] = True
    behind = (np.abs(wall[:, 1]) < 2.4) & (np.abs(wall[:, 2]) < 1.8)  # the box's outline, 2.5 times as far
    beside = (
        ~((np.abs(wall[:, 1]) < 3.6) & (np.abs(wall[:, 2]) < 3.0))
        & (np.abs(wall[:, 1]) < 3.8)
        & (np.abs(wall[:, 2]) < 2.8)
    )
    assert not seen[: len(wall)][behind].any()
    assert seen[: len(wall)][beside].all()
    assert seen[len(wall) :].all()


def test_an_empty_road_does_not_hide_itself():
    """Rings of a spinning LiDAR 1.8 m over a flat road, seen by a camera beside it at 1.5 m."""
    down_rad = np.radians(np.linspace(2, 25, 40))
    around_rad = np.radians(np.linspace(-40, 40, 400))
    distance_m, around_rad = np.meshgrid(1.8 / np.tan(down_rad), around_rad)
    road = np.stack(
        [distance_m * np.cos(around_rad), distance_m * np.sin(around_rad), np.full_like(distance_m, -1.8)], -1
    )
    camera = CameraModel(1600, 900, np.array([[1266.0, 0, 816], [0, 1266, 491], [0, 0, 1]]))
    T_cam_lidar = RigidTransform(OPTICAL, -OPTICAL @ np.array([0.7, 0.0, -0.3]))
    for cell_px in (4, 8, 12):
        every, kept = (
            point_pixel_pairs(road.reshape(-1, 3), [(camera, T_cam_lidar)], occlusion=occlusion)
            for occlusion in (None, ZBuffer(cell_px))
        )
        assert len(kept) == len(every) > 1000


def test_a_depth_image_keeps_what_it_agrees_with_and_nothing_where_it_is_blind():
    depth_m = np.full((48, 64), 10.0, np.float32)
    depth_m[:, :16], depth_m[:, 16:24] = 0.0, np.nan
    columns = np.array([8, 20, 40, 41, 42, 43])
    ranges_m = np.array([10.0, 10.0, 10.0, 10.4, 10.6, 9.4])
    xyz_m = FORWARD.inverse().apply(CAMERA.unproject(np.stack([columns, np.full(6, 20)], 1), ranges_m))
    pairs = point_pixel_pairs(xyz_m, VIEWS[:1], occlusion=DepthImages([depth_m], relative_margin=0.05))
    assert pairs.point_index.tolist() == [2, 3]


def test_depth_images_of_another_size_or_number_are_refused():
    for images in ([], [np.ones((48, 64))], [np.ones((48, 64)), np.ones((24, 32))]):
        with pytest.raises(BadCalibration, match="depth images"):
            point_pixel_pairs(np.ones((1, 3)), VIEWS, occlusion=DepthImages(images))


def test_a_z_buffer_without_cells_is_refused():
    for wrong in ({"cell_px": 0}, {"relative_margin": -0.1}, {"surface_distance_m": 0.0}, {"relative_margin": np.nan}):
        with pytest.raises(BadCalibration, match="ZBuffer"):
            ZBuffer(**wrong)


def _rgbd(folder, name):
    from PIL import Image

    depth_m = np.asarray(Image.open(folder / f"{name}.depth.png")).astype(np.float32) / 1000
    depth_m[depth_m > 60] = 0.0  # 65535 = nothing measured
    return depth_m, RigidTransform.from_matrix(np.loadtxt(folder / f"{name}.pose.txt"))


def test_on_depth_frames_the_occlusion_test_removes_wrong_pairs_and_keeps_right_ones(test_data):
    folder = recording(test_data, "rgbd_7scenes")
    names = sorted(path.name.removesuffix(".color.jpg") for path in folder.glob("*.color.jpg"))
    height, width = _rgbd(folder, names[0])[0].shape
    camera = CameraModel(width, height, np.loadtxt(folder / "camera-intrinsics.txt"))
    cell_px = 4 if width >= 640 else 2
    rng = np.random.default_rng(0)
    counts = {"none": np.zeros(2), "sweep": np.zeros(2), "depth": np.zeros(2)}  # wrong, right
    for first, second in zip(names[:-8:6], names[8::6], strict=False):
        depth_m, T_world_first = _rgbd(folder, first)
        there_m, T_world_second = _rgbd(folder, second)
        row, column = (values[:: cell_px**2 // 2] for values in (rng.permutation(np.argwhere(depth_m > 0)).T))
        xyz_m = camera.unproject(np.stack([column, row], 1), depth_m[row, column]).astype(np.float32)
        view = [(camera, T_world_second.inverse() @ T_world_first)]
        for name, occlusion in (("none", None), ("sweep", ZBuffer(cell_px)), ("depth", DepthImages([there_m]))):
            pairs = point_pixel_pairs(xyz_m, view, min_depth_m=0.3, occlusion=occlusion)
            measured_m = there_m[pairs.pixel_uv[:, 1], pairs.pixel_uv[:, 0]]
            wrong = (pairs.depth_m > 1.05 * measured_m + 0.05)[measured_m > 0]
            counts[name] += (wrong.sum(), (~wrong).sum())
    wrong, right = np.array([counts["none"], counts["sweep"], counts["depth"]]).T
    assert wrong[1] < 0.6 * wrong[0]  # what hides the rest was not in the first frame
    kept = 0.93 if width >= 640 else 0.9  # within a cell of a small picture a surface falls off farther
    assert right[1] > kept * right[0]
    assert wrong[2] < 0.01 * wrong[0]
    assert right[2] > 0.9 * right[0]


def test_on_a_nuscenes_frame_pairs_follow_the_papers_convention(test_data):
    import json

    folder = recording(test_data, "nuscenes_*")
    frame = json.loads((folder / "frame.json").read_text())
    points = np.fromfile(folder / frame["lidar"]["file"], np.float32).reshape(-1, 5)[:, :3]
    for shot in frame["cameras"].values():
        camera = CameraModel(shot["width"], shot["height"], np.array(shot["K"]))
        pairs = point_pixel_pairs(points, [(camera, RigidTransform.from_matrix(np.array(shot["lidar2cam"])))])
        homogeneous = np.hstack([points, np.ones((len(points), 1))]) @ np.array(shot["lidar2cam"]).T
        uvw = homogeneous[:, :3] @ np.array(shot["K"]).T
        uv, depth = uvw[:, :2] / uvw[:, 2:], homogeneous[:, 2]
        right, bottom = shot["width"] - 1, shot["height"] - 1
        kept = (depth > 1.0) & (uv[:, 0] > 0) & (uv[:, 0] < right) & (uv[:, 1] > 0) & (uv[:, 1] < bottom)
        assert np.flatnonzero(kept).tolist() == pairs.point_index.tolist()
        assert np.abs(np.round(uv[kept]) - pairs.pixel_uv).max() <= 1  # a rounding tie may fall either way
        assert len(pairs) > 0.07 * len(points)
