"""The log of a run: what stands on disk before and after its first number."""

from offline_training.runs.log import RunLog


def test_a_run_that_ends_before_its_first_number_leaves_no_folder_for_tensorboard(tmp_path):
    RunLog(tmp_path, 0).close()
    assert not (tmp_path / "tensorboard").exists()
    log = RunLog(tmp_path, 0)
    log.write_step(0, loss=1.0)
    log.close()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
