"""Scores of voxels become a class and a probability for each point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lidar_vl_core.tasks.point_labels import label_points


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 12), st.integers(1, 20)),
        elements=st.one_of(
            st.floats(-90, 90, width=32),
            st.sampled_from(np.array([np.nan, np.inf, -np.inf, 3e38, -3e38], np.float32).tolist()),
        ),
    )
)
@settings(deadline=None)
def test_probability_is_the_softmax_of_the_first_best_class(logits):
    point_to_voxel = np.array([-1, *range(len(logits)), 0], np.int32)
    class_id, probability = label_points(logits, point_to_voxel)
    assert class_id[0] == 255
    assert probability[0] == 0
    for row, chosen, sure in zip(logits, class_id[1:-1], probability[1:-1], strict=True):
        if np.isfinite(row).all():
            odds = np.exp(row.astype(np.float64) - row.max())
            assert chosen == row.argmax()
            assert sure == pytest.approx(1 / odds.sum(), rel=1e-5)
        else:
            assert (chosen, sure) == (255, 0)
    assert (class_id[-1], probability[-1]) == (class_id[1], probability[1])
