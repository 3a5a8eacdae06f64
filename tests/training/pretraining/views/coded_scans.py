"""Paired scans in which every number says where it is from: any pair can be held against the scan before a change."""

import numpy as np
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from offline_training.pretraining.views.paired_scan import PairedScan

_BLUE_STEP = 40  # the blue of picture k is k * this


def coded_picture(number: int, height: int, width: int) -> np.ndarray:
    """Red says the column, green the row, blue the picture."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[..., 0] = np.round(np.linspace(0, 255, width))
    picture[..., 1] = np.round(np.linspace(0, 255, height))[:, None]
    picture[..., 2] = number * _BLUE_STEP
    return picture


def coded_scan(seed: int, shapes: list[tuple[int, int]], points: int, pairs: int) -> PairedScan:
    """Intensity names the point; class, segment and weak class follow from point and picture; superpixels name the pixel."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(points * len(shapes))[:pairs] if points and shapes else np.zeros(0, np.int64)
    image_index, point_index = (chosen // max(points, 1)).astype(np.int64), (chosen % max(points, 1)).astype(np.int64)
    sides = np.array(shapes, np.int64).reshape(-1, 2)[image_index]
    pixel_uv = (rng.random((len(chosen), 2)) * sides[:, ::-1]).astype(np.int32)
    number = np.arange(points)
    return PairedScan(
        xyz_m=rng.normal(0, (20, 20, 2), (points, 3)).astype(np.float32),
        intensity=(number / 1024).astype(np.float32),
        images=tuple(coded_picture(k, *shape) for k, shape in enumerate(shapes)),
        superpixels=tuple(np.arange(h * w, dtype=np.int32).reshape(h, w) for h, w in shapes),
        point_index=point_index,
        image_index=image_index,
        pixel_uv=pixel_uv,
        weak_class=weak_class_of(point_index, image_index),
        class_id=(number % 17).astype(np.uint8),
        segment=(number % 5 - 1).astype(np.int32),
    )


def weak_class_of(point, image):
    return ((point * 7 + image * 3) % 256).astype(np.uint8)


def require_true_pairs(before: PairedScan, after: PairedScan, largest_scale: float) -> None:
    """Every pair of `after` is a pair of `before`, on the pixel that shows what its pixel showed.

    largest_scale: pixels of the original picture per pixel of the new one, at most; 0 = nothing was resampled.
    """
    point = np.round(after.intensity[after.point_index] * 1024).astype(np.int64)
    u, v = after.pixel_uv.T
    seen = np.array([after.images[k][row, column] for k, column, row in zip(after.image_index, u, v, strict=True)])
    seen = seen.reshape(-1, 3).astype(np.float64)
    image = np.round(seen[:, 2] / _BLUE_STEP).astype(np.int64)
    uv_of = {
        (p, k): uv
        for p, k, uv in zip(before.point_index.tolist(), before.image_index.tolist(), before.pixel_uv, strict=True)
    }
    keys = list(zip(point.tolist(), image.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    old_uv = np.array([uv_of[key] for key in keys]).reshape(-1, 2)
    sides = np.array([before.images[k].shape[1::-1] for k in image]).reshape(-1, 2)
    shown_uv = seen[:, :2] / 255 * (sides - 1)
    # Half a new pixel from rounding, half where the filter is cut off at the border, and the rounding of 8-bit colours.
    resampling = max(largest_scale, 1.0) if largest_scale else 0.0
    assert (np.abs(shown_uv - old_uv) <= resampling + 1.01 * (sides - 1) / 255 + 1e-6).all()
    assert_array_equal(after.weak_class, weak_class_of(point, image))
    if after.superpixels is not None:
        old_pixel = np.array(
            [after.superpixels[k][row, column] for k, column, row in zip(after.image_index, u, v, strict=True)]
        )
        old_pixel = old_pixel.astype(np.int64).reshape(-1)
        superpixel_uv = np.stack([old_pixel % sides[:, 0], old_pixel // sides[:, 0]], axis=1)
        assert (np.abs(superpixel_uv - old_uv) <= 0.5 * largest_scale + 0.5 + 1e-6).all()
    number = np.round(after.intensity * 1024).astype(np.int64)
    assert_array_equal(after.class_id, before.class_id[number])
    assert_array_equal(after.segment, before.segment[number])
    assert_allclose(np.hypot(*after.xyz_m.T[:2]), np.hypot(*before.xyz_m[number].T[:2]), rtol=1e-4, atol=1e-4)
    assert_array_equal(after.xyz_m[:, 2], before.xyz_m[number, 2])


@st.composite
def scans(draw):
    shapes = draw(st.lists(st.tuples(st.integers(9, 60), st.integers(16, 110)), min_size=1, max_size=4))
    points = draw(st.sampled_from([0, 1, 2, 30, 400]))
    pairs = draw(st.sampled_from([0, 1, 30, 500]))
    return coded_scan(draw(st.integers(0, 10**6)), shapes, points, pairs)
