"""Lines in a picture: every visible point of a line is on it, and nothing else is."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.line_segments import project_segments, segments_in_front

PINHOLE = CameraModel(640, 480, np.array([[320.0, 0, 320], [0, 320, 240], [0, 0, 1]]))
LENS = CameraModel(640, 480, np.array([[320.0, 0, 320], [0, 320, 240], [0, 0, 1]]), "plumb_bob", (-0.2, 0.03, 0, 0))

metres = st.floats(-30, 30).map(lambda value: round(value, 2))
segments = st.lists(st.tuples(*[metres] * 6), max_size=4).map(lambda rows: np.array(rows).reshape(-1, 2, 3))


def _distance_px(uv_px: np.ndarray, pieces_px: np.ndarray) -> np.ndarray:
    """(N,) of points to the nearest of some pieces (K, 2, 2), infinite where there is none."""
    start, step = pieces_px[:, 0], pieces_px[:, 1] - pieces_px[:, 0]
    length2 = np.maximum((step**2).sum(axis=1), 1e-12)
    share = (((uv_px[:, None] - start) * step).sum(axis=2) / length2).clip(0, 1)
    return np.linalg.norm(uv_px[:, None] - start - share[..., None] * step, axis=2).min(axis=1, initial=np.inf)


def _check(camera: CameraModel, segments_cam_m: np.ndarray, tolerance_px: float) -> None:
    pieces_px, row = project_segments(camera, segments_cam_m)
    assert ((pieces_px >= -0.5 - 1e-6) & (pieces_px <= np.array([camera.width, camera.height]) - 0.5 + 1e-6)).all()
    share = np.linspace(0, 1, 101)[:, None]
    for number, (start, end) in enumerate(segments_cam_m):
        along_m = start + share * (end - start)
        uv_px, depth_m, visible = camera.project(along_m)
        visible &= depth_m > 0.1
        assert (_distance_px(uv_px[visible], pieces_px[row == number]) < tolerance_px).all()


@given(segments)
def test_every_visible_point_of_a_line_is_on_its_piece(segments_cam_m: np.ndarray) -> None:
    to_origin_m = np.linalg.norm(np.cross(segments_cam_m[:, 0], segments_cam_m[:, 1]), axis=1)
    _check(PINHOLE, segments_cam_m[to_origin_m > 0.0], 1e-3)  # a line through the camera is a point


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 4, *[st.floats(4, 9)] * 2), max_size=4))
def test_a_line_bends_with_the_lens(ends: list) -> None:
    rows = [[(x0, y0, z0), (x1, y1, z1)] for x0, y0, x1, y1, z0, z1 in ends if abs(x0 - x1) > 0.5]
    _check(LENS, np.array(rows).reshape(-1, 2, 3), 1.5)


@given(segments)
def test_what_is_in_front_lies_on_the_line_and_at_least_ten_centimetres_ahead(segments_cam_m: np.ndarray) -> None:
    in_front, row = segments_in_front(segments_cam_m)
    assert (in_front[..., 2] >= 0.1 - 1e-9).all()
    assert np.array_equal(row, np.flatnonzero((segments_cam_m[..., 2] > 0.1).any(axis=1)))
    ends, step = segments_cam_m[row], segments_cam_m[row, 1] - segments_cam_m[row, 0]
    off = np.cross(in_front - ends[:, :1], step[:, None])
    assert np.allclose(off, 0.0, atol=1e-6 * max(1.0, float(np.abs(step).max(initial=0.0)) ** 2))


def test_a_line_behind_the_camera_and_one_beside_the_picture_are_not_seen() -> None:
    behind, beside = [(0, 0, -5), (1, 0, -5)], [(50, 0, 5), (60, 0, 5)]
    pieces_px, row = project_segments(PINHOLE, np.array([behind, beside], float))
    assert (pieces_px.shape, row.shape) == ((0, 2, 2), (0,))


def test_a_line_that_passes_the_camera_is_cut_and_not_mirrored() -> None:
    passing = np.array([[(1.0, 1.0, 10.0), (1.0, 1.0, -10.0)]])
    pieces_px, row = project_segments(PINHOLE, passing)
    assert row.tolist() == [0]
    np.testing.assert_allclose(pieces_px[0, 0], [352.0, 272.0])
    assert (pieces_px[0, 1] > pieces_px[0, 0]).all()  # to the lower right, out of the picture at 479.5
    assert np.isclose(pieces_px[0, 1, 1], 479.5)
