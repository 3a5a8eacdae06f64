"""The shipped recordings are what their makers make."""

import numpy as np
import pytest

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from tests.data.make_recordings import make_recordings
from tests.data.makers.nuscenes import write_range_images
from tests.recordings import SHIPPED


def test_range_images_made_again_are_those_that_are_shipped(tmp_path):
    write_range_images(tmp_path / "made")
    shipped = sorted((SHIPPED / "rangeimage_labelled" / "nuscenes_street").iterdir())
    assert [path.name for path in shipped] == [path.name for path in sorted((tmp_path / "made").iterdir())]
    for path in shipped:
        made = np.load(tmp_path / "made" / path.name)
        for name, there in np.load(path).items():
            assert (np.abs(made[name] - there.astype(float)) < 0.01).mean() > 0.99  # rays differ by processor at edges


@pytest.mark.slow
def test_all_are_made_with_the_same_names(tmp_path):
    make_recordings(tmp_path)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    kept = {
        path.relative_to(SHIPPED)
        for path in SHIPPED.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert made == {path for path in kept if path.name != "README.md"}
