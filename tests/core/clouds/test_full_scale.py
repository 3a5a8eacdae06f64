"""The full scale of intensities is that of nearly all values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from lidar_vl_core.clouds.intensity import full_scale, scaled_intensity, usual_largest

_dark, _bright = np.linspace(1, 20, 100), np.linspace(1, 240, 100)


@pytest.mark.parametrize(
    ("values", "largest"),
    [
        (np.linspace(0, 1, 100), 1.0),
        (np.where(np.arange(100) == 5, 1.2, np.linspace(0, 1, 100)), 1.0),
        (_bright, 255.0),
        (np.where(np.arange(100) == 0, 3000.0, _bright), 255.0),
        (np.round(_dark).astype(np.uint16), 255.0),
        (np.where(np.arange(100) < 99, 1.0, 90.0), 255.0),
        (np.where(np.arange(100) < 97, 0.0, _bright), 255.0),
        (np.where(np.arange(100) == 3, np.inf, np.where(np.arange(100) == 4, np.nan, _bright)), 255.0),
        (np.arange(100, dtype=np.uint8) // 99, 255.0),
        (np.linspace(0, 4000, 100), 65535.0),
        (np.linspace(0, 90000, 100), 65535.0),
        (np.zeros(100), None),
        (np.zeros(0, np.float32), None),
        (-_bright, None),
    ],
)
def test_the_full_scale_is_that_of_nearly_all_values(values, largest):
    assert full_scale(values) == largest
    assert full_scale(values.astype(np.float32)) == (largest if values.dtype != np.uint8 else 1.0)


@given(
    arrays(
        st.sampled_from([np.float32, np.float64, np.float16, np.uint8, np.int16, np.uint16, np.int32]),
        st.integers(0, 60),
        elements=st.sampled_from([0, 1, 2, 3, 100, 127]),
    ),
    st.lists(st.sampled_from([-1.0, 0.3, 1.0, 1.5, 254.5, 255.0, 256.0, 7e4, np.inf, -np.inf, np.nan]), max_size=30),
)
def test_the_counted_full_scale_is_that_of_the_95th_percentile(counted, told):
    for values in (counted, np.array(told), np.concatenate([counted.astype(np.float32), np.float32(told)])):
        usual = usual_largest(values)
        scale = next((scale for scale in (1.0, 255.0) if usual <= scale), 65535.0)
        finite = values[np.isfinite(values)]
        counts = values.dtype == np.uint8 or (finite.max(initial=0) > 1 and (finite == np.floor(finite)).all())
        expected = None if usual == 0 else 255.0 if scale == 1.0 and counts else scale
        assert full_scale(values) == expected


def test_what_is_beyond_the_scale_is_full_white():
    assert_allclose(
        scaled_intensity(np.array([-3.0, 0, 51, 255, 3000, np.nan, np.inf]), 255.0), [0, 0, 0.2, 1, 1, 0, 0]
    )
