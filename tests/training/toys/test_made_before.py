"""When a toy is made anew: another configuration, a file that is gone, a damaged report."""

import json

import pytest

from offline_training.toys.made_before import was_made

ASKED = {"steps": 3}


@pytest.mark.parametrize(
    ("content", "made"),
    [
        (json.dumps({"config": {"steps": 3}, "mean_iou": 0.5}), True),
        (json.dumps({"config": {"steps": 4}}), False),
        (json.dumps(["config"]), False),
        ('{"config": {"st', False),
    ],
)
def test_a_toy_was_made_where_its_report_says_the_same_configuration(tmp_path, content, made):
    (tmp_path / "weights").touch()
    (tmp_path / "quality.json").write_text(content)
    assert was_made(tmp_path / "quality.json", (tmp_path / "weights",), ASKED) is made


def test_a_toy_without_its_weights_or_report_was_not_made(tmp_path):
    report = tmp_path / "quality.json"
    assert not was_made(report, (), ASKED)
    report.write_text(json.dumps({"config": ASKED}))
    assert not was_made(report, (tmp_path / "weights",), ASKED)
