"""The table of differences: every key is one of its configuration, and its values are those of recipes and defaults."""

from functools import cache
from pathlib import Path

import pytest

import offline_training
from offline_training.reproduction.differences import COMPARISONS, difference_tables

CONFIGS = Path(offline_training.__file__).parent / "configs"


@cache
def rows() -> dict[str, list[str]]:
    """Cells of the rows with a key, by comparison and key."""
    cells, title = {}, ""
    for line in difference_tables().splitlines():
        title = line.removeprefix("## ") if line.startswith("## ") else title
        if line.startswith("|") and "`" in line and not line.startswith("| what | "):
            found = [cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")]
            cells[f"{title}: {found[1].strip('`')}"] = found[2:]
    return cells


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("OLIVINE, pre-training: augment.cuboid_sides", ["one_share", "not stated", "independent"]),
        ("OLIVINE, pre-training: augment.cuboid_undone", ["any_image", "not stated", "image_that_loses"]),
        ("OLIVINE, pre-training: augment.pixel_rule", ["rounded", "not stated", "centre"]),
        ("OLIVINE, pre-training: kl_average", ["classes", "points", "classes"]),
        ("OLIVINE, pre-training: vmf_average_over_ranks", ["yes", "not stated", "no"]),
        ("SLidR and OLIVINE, fine-tuning on nuScenes: last_batch", ["left_out", "not stated", "filled"]),
        ("SLidR and OLIVINE, fine-tuning on nuScenes: score_of_no_class", ["yes", "not stated", "no"]),
        ("ScaLR, pre-training: teacher_features", ["before_norm", "not compared", "last"]),
        ("ScaLR, pre-training: augment.scale", ["0.9, 1.1", "not compared", "1, 1"]),
        ("3DSS-VLG, ScanNet: specialise.epochs", ["150", "80", "80"]),
        ("3DSS-VLG, ScanNet: specialise.first_decay", ["19", "unset", "unset"]),
        ("3DSS-VLG, ScanNet: guide.test_passes", ["5", "not stated", "1"]),
    ],
)
def test_a_row_says_code_paper_and_default(row, values):
    assert rows()[row] == values


def test_every_row_is_a_difference_and_every_recipe_is_there():
    for comparison in COMPARISONS:
        assert (CONFIGS / comparison.code).is_file()
        for one in comparison.differences:
            code, paper, ours = rows()[f"{comparison.title}: {one.key}"]
            assert len({code, paper, ours} - {"not stated", "not compared"}) > 1, one.key
