"""A training goes on after a kill or a signal to the same losses, and refuses to go on with another one."""

import math
import signal

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.finetuning.evaluate import load_network
from offline_training.finetuning.finetune import finetune
from offline_training.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.training.finetuning.rooms import config
from tests.training.finetuning.training_process import child_run
from tests.training.training_log import losses

pytestmark = pytest.mark.usefixtures("rooms_for_training")


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_to_the_same_losses_bit_by_bit(tmp_path):
    finetune(config(tmp_path / "whole", max_steps=60))
    child = child_run(tmp_path / "cut", max_steps=60)
    child.kill()
    child.wait()
    done = load_checkpoint(tmp_path / "cut" / "checkpoints").step
    assert 0 < done < 60
    finetune(config(tmp_path / "cut", max_steps=60, workers=1))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    whole, cut = (load_checkpoint(tmp_path / name / "checkpoints") for name in ("whole", "cut"))
    assert all(torch.equal(whole.tensors[name], cut.tensors[name]) for name in whole.tensors)


def test_another_configuration_does_not_go_on_with_a_run(tmp_path):
    finetune(config(tmp_path, max_steps=2))
    with pytest.raises(BadCheckpoint, match=r"learning_rate: 0\.01 there, 0\.02 here"):
        finetune(config(tmp_path, max_steps=2, learning_rate=0.02))
    with pytest.raises(BadCheckpoint, match="Choose another `out`"):
        finetune(config(tmp_path, max_steps=2), resume="never")


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_threads_and_processes_to_the_same_weights(tmp_path):
    for name, threads, workers in (("same", 1, 0), ("other", 2, 1)):
        finetune(config(tmp_path / name, max_steps=1, threads=1, workers=0))
        finetune(config(tmp_path / name, max_steps=2, threads=threads, workers=workers))
    same, other = (load_checkpoint(tmp_path / name / "checkpoints") for name in ("same", "other"))
    assert other.step == 2
    apart = [(other.tensors[name].double() - tensor.double()).abs().flatten() for name, tensor in same.tensors.items()]
    # A step moves a weight by 0.01, also one whose gradient is rounding alone: few are, so all together tell.
    assert float(torch.cat(apart).mean()) < 1e-5


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(tmp_path):
    """Checkpoints hold the configuration; keys that came later are missing in it, also inside the data sources."""
    finetune(config(tmp_path, max_steps=2))
    written = load_checkpoint(tmp_path / "checkpoints")
    old = {key: value for key, value in written.config.items() if key not in ("optimizer", "probe", "augment")}
    old["train"] = [{key: source[key] for key in ("kind", "folder")} for source in written.config["train"]]
    save_checkpoint(tmp_path / "checkpoints", Checkpoint(2, written.tensors, old, written.state))
    assert load_checkpoint(finetune(config(tmp_path, max_steps=2))).step == 2
    with pytest.raises(BadCheckpoint, match="optimizer: 'adamw' there, 'sgd' here"):
        finetune(config(tmp_path, max_steps=2, optimizer="sgd"))


def test_a_run_whose_checkpoint_lists_the_keys_of_all_data_sets_goes_on_and_is_evaluated(tmp_path):
    """As checkpoints did before a data set had its own keys alone."""
    finetune(config(tmp_path, max_steps=2))
    written = load_checkpoint(tmp_path / "checkpoints")
    of_others = {"split": None, "version": "v1.0-trainval", "streets": 1, "rooms": 1, "depth_noise": True}
    old = {**written.config, "train": [{**source, **of_others} for source in written.config["train"]]}
    save_checkpoint(tmp_path / "checkpoints", Checkpoint(2, written.tensors, old, written.state))
    path = finetune(config(tmp_path, max_steps=2))
    assert load_network(path)[1] == config(tmp_path, max_steps=2)


@pytest.mark.slow
def test_a_run_begins_with_the_trained_weights_of_another(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    finetune(config(first, max_steps=30))
    finetune(config(second, max_steps=1, start_from=str(first / "checkpoints")))
    assert losses(second)[0] < 0.6 * losses(first)[0]
    with pytest.raises(BadCheckpoint, match="of the configured shape"):
        finetune(config(tmp_path / "third", max_steps=1, stem=32, start_from=str(first / "checkpoints")))


@pytest.mark.slow
def test_a_termination_signal_ends_the_run_with_a_checkpoint_and_the_run_goes_on(tmp_path):
    child = child_run(tmp_path, max_steps=100_000, checkpoint_every=100_000)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == 143
    saved = load_checkpoint(tmp_path / "checkpoints")
    assert saved.step >= 3
    assert saved.step == len(losses(tmp_path))
    assert all(math.isfinite(loss) for loss in losses(tmp_path).values())
