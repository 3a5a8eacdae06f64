"""The log of a run: what stands on disk before and after its first number."""

import pytest

from lidar_vl_core.foundation.errors import BadRequest
from offline_training.runs.log import RunLog


def test_a_run_that_ends_before_its_first_number_leaves_no_folder_for_tensorboard(tmp_path):
    RunLog(tmp_path, 0).close()
    assert not (tmp_path / "tensorboard").exists()
    log = RunLog(tmp_path, 0)
    log.write_step(0, loss=1.0)
    log.close()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


@pytest.mark.parametrize(
    "content",
    ['3\n[1]\nnull\n"x"\n', '{"step": "a"}\n{"validated_after": null}\n{"step": [', "\xff\xfe\x00", "[" * 5000],
    ids=["no mappings", "no steps", "no text", "depth"],
)
def test_lines_that_are_not_the_logs_are_gone_after_a_resume(content, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(content.encode("latin-1") + b'\n{"step": 4, "loss": 1.0}\n{"validated_after": 5}\n{"step": 5}\n')
    RunLog(tmp_path, 5).close()
    assert path.read_text() == '{"step": 4, "loss": 1.0}\n{"validated_after": 5}\n'


def test_a_log_that_cannot_be_written_is_told_with_what_stays(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(
        BadRequest, match=r"the log could not be written: .* the same command resumes from the last checkpoint"
    ):
        RunLog(tmp_path, 0)
    (tmp_path / "metrics.jsonl").rmdir()
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(BadRequest, match="the log could not be written"):
        RunLog(tmp_path, 0).write_step(0, loss=1.0)
