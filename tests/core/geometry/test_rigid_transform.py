"""Laws of rigid transforms, and what is refused as one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform, interpolate


def _numbers(limit: float) -> st.SearchStrategy:
    return st.floats(-limit, limit, allow_nan=False, width=64)


@st.composite
def rigid_transforms(draw: st.DrawFn) -> RigidTransform:
    quaternion = draw(arrays(np.float64, 4, elements=_numbers(1.0)).filter(lambda q: np.linalg.norm(q) > 0.1))
    return RigidTransform.from_quaternion(
        quaternion / np.linalg.norm(quaternion), draw(arrays(np.float64, 3, elements=_numbers(1e4)))
    )


def points() -> st.SearchStrategy:
    return arrays(np.float64, st.tuples(st.integers(0, 20), st.just(3)), elements=_numbers(1e3))


def rotation_about_z(angle_rad: float) -> np.ndarray:
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


@given(rigid_transforms(), points())
def test_inverse_undoes_apply(T_b_a, xyz_a_m):
    assert_allclose(T_b_a.inverse().apply(T_b_a.apply(xyz_a_m)), xyz_a_m, atol=1e-7)


@given(rigid_transforms())
def test_inverting_twice_gives_the_transform_back(T_b_a):
    assert_allclose(T_b_a.inverse().inverse().matrix(), T_b_a.matrix(), atol=1e-9)


@given(rigid_transforms(), rigid_transforms(), rigid_transforms(), points())
def test_composition_is_associative_and_means_one_after_the_other(T_d_c, T_c_b, T_b_a, xyz_a_m):
    assert_allclose(((T_d_c @ T_c_b) @ T_b_a).matrix(), (T_d_c @ (T_c_b @ T_b_a)).matrix(), atol=1e-8)
    assert_allclose((T_c_b @ T_b_a).apply(xyz_a_m), T_c_b.apply(T_b_a.apply(xyz_a_m)), atol=1e-7)


@given(rigid_transforms(), points())
def test_distances_are_kept(T_b_a, xyz_a_m):
    moved = T_b_a.apply(xyz_a_m)
    assert_allclose(
        np.linalg.norm(np.diff(moved, axis=0), axis=1), np.linalg.norm(np.diff(xyz_a_m, axis=0), axis=1), atol=1e-7
    )


@given(rigid_transforms(), points())
def test_apply_equals_the_product_with_the_homogeneous_matrix(T_b_a, xyz_a_m):
    homogeneous = np.hstack([xyz_a_m, np.ones((len(xyz_a_m), 1))])
    assert_allclose(T_b_a.apply(xyz_a_m), (homogeneous @ T_b_a.matrix().T)[:, :3], atol=1e-7)


@given(rigid_transforms())
def test_quaternion_and_matrix_say_the_same_rotation(T_b_a):
    again = RigidTransform.from_quaternion(T_b_a.quaternion(), T_b_a.translation_m)
    assert_allclose(again.matrix(), T_b_a.matrix(), atol=1e-9)
    assert_allclose(RigidTransform.from_matrix(T_b_a.matrix()).matrix(), T_b_a.matrix(), atol=1e-9)


def test_a_quaternion_in_ros_order_turns_x_into_y_for_ninety_degrees_about_z():
    half = np.sqrt(0.5)
    T = RigidTransform.from_quaternion((0.0, 0.0, half, half), (1.0, 2.0, 3.0))
    assert_allclose(T.apply(np.array([[1.0, 0.0, 0.0]])), [[1.0, 3.0, 3.0]], atol=1e-12)


def test_float32_clouds_stay_float32_and_keep_millimetres_far_from_the_origin():
    far_m = np.array([600_000.0, 5_000_000.0, 100.0])  # a UTM position
    there, back = RigidTransform(rotation_about_z(0.3), far_m), RigidTransform(rotation_about_z(0.31), far_m)
    xyz_m = np.random.default_rng(0).uniform(-50, 50, (100, 3)).astype(np.float32)
    moved = (back.inverse() @ there).apply(xyz_m)
    assert moved.dtype == np.float32
    assert_allclose(moved, xyz_m @ rotation_about_z(-0.01).T, atol=1e-4)


def test_non_finite_points_stay_non_finite_without_a_warning():
    xyz_m = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [1, 2, 3]], np.float32)
    moved = RigidTransform(rotation_about_z(1.0), np.ones(3)).apply(xyz_m)
    assert not np.isfinite(moved[:2]).all(axis=1).any()
    assert np.isfinite(moved[2]).all()


def test_arguments_are_not_changed():
    xyz_m = np.ones((4, 3))
    RigidTransform(rotation_about_z(0.5), np.ones(3)).apply(xyz_m)
    assert (xyz_m == 1.0).all()


@given(rigid_transforms(), rigid_transforms(), st.floats(0.0, 1.0))
def test_interpolation_meets_its_ends_and_walks_straight(a, b, fraction):
    assert_allclose(interpolate(a, b, 0.0).matrix(), a.matrix(), atol=1e-6)
    assert_allclose(interpolate(a, b, 1.0).matrix(), b.matrix(), atol=1e-6)
    walked = interpolate(a, b, fraction).translation_m - a.translation_m
    assert_allclose(walked, fraction * (b.translation_m - a.translation_m), atol=1e-8)


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("turn_rad", [0.0, 1e-9, 1e-4, 0.7, 3.0])
def test_interpolated_rotation_turns_at_a_constant_rate(fraction, turn_rad):
    a = RigidTransform(rotation_about_z(0.4), np.zeros(3))
    b = RigidTransform(rotation_about_z(0.4 + turn_rad), np.zeros(3))
    assert_allclose(interpolate(a, b, fraction).rotation, rotation_about_z(0.4 + fraction * turn_rad), atol=1e-9)


@pytest.mark.parametrize("fraction", [-0.01, 1.01, np.nan, np.inf])
def test_nothing_is_extrapolated(fraction):
    with pytest.raises(BadTransform, match=r"0\.\.1"):
        interpolate(RigidTransform.identity(), RigidTransform.identity(), fraction)


def test_a_quaternion_that_is_off_by_rounding_is_normalised():
    T = RigidTransform.from_quaternion((0.0, 0.0, 0.0, 1.0009), (0, 0, 0))
    assert_allclose(T.rotation, np.eye(3), atol=1e-12)


def test_a_calibration_matrix_with_rounded_digits_becomes_the_nearest_rotation():
    rounded = np.eye(4)
    rounded[:3, :3] = rotation_about_z(0.3).round(4)
    T = RigidTransform.from_matrix(rounded)
    assert_allclose(T.rotation @ T.rotation.T, np.eye(3), atol=1e-12)
    assert_allclose(T.rotation, rotation_about_z(0.3), atol=1e-4)


@pytest.mark.parametrize(
    ("case", "quaternion", "translation"),
    [
        ("zeros, as an unset message has", (0, 0, 0, 0), (0, 0, 0)),
        ("too long", (0, 0, 0, 1.01), (0, 0, 0)),
        ("NaN", (0, 0, np.nan, 1), (0, 0, 0)),
        ("Inf", (0, 0, np.inf, 1), (0, 0, 0)),
        ("three numbers", (0, 0, 1), (0, 0, 0)),
        ("NaN translation", (0, 0, 0, 1), (0, np.nan, 0)),
        ("Inf translation", (0, 0, 0, 1), (0, np.inf, 0)),
        ("two metres only", (0, 0, 0, 1), (0, 0)),
    ],
)
def test_what_is_no_quaternion_is_refused(case, quaternion, translation):
    with pytest.raises(BadTransform, match="expected"):
        RigidTransform.from_quaternion(quaternion, translation)


def _matrix(rotation: np.ndarray, last_row: tuple = (0, 0, 0, 1)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[3] = rotation, last_row
    return matrix


@pytest.mark.parametrize(
    ("case", "matrix"),
    [
        ("scaled", _matrix(1.01 * np.eye(3))),
        ("sheared", _matrix(np.array([[1, 0.01, 0], [0, 1, 0], [0, 0, 1]]))),
        ("mirrored", _matrix(np.diag([1.0, 1.0, -1.0]))),
        ("zeros", np.zeros((4, 4))),
        ("projective", _matrix(np.eye(3), (0, 0, 0.1, 1))),
        ("NaN", _matrix(np.full((3, 3), np.nan))),
        ("3x3", np.eye(3)),
        ("transposed", np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 2, 3, 1.0]])),
    ],
)
def test_what_is_not_rigid_is_refused(case, matrix):
    with pytest.raises(BadTransform, match="expected"):
        RigidTransform.from_matrix(matrix)
