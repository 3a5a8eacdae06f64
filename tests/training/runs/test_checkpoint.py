"""Checkpoints: what goes in comes out; the former one is kept; another configuration is refused by its keys."""

import json

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.runs.checkpoint import Checkpoint, clean_checkpoint_folder, load_checkpoint, save_checkpoint


def checkpoint(step: int, **config: object) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    tensors = {
        "network.weight": torch.randn(8, 8, generator=generator),
        "network.count": torch.tensor(step),
        "optimizer.0.step": torch.tensor(float(step)),
    }
    return Checkpoint(step, tensors, {"learning_rate": 0.1, "seed": 1, **config}, {"best_score": 0.25})


def equal(a: Checkpoint, b: Checkpoint) -> bool:
    same_tensors = a.tensors.keys() == b.tensors.keys() and all(
        torch.equal(a.tensors[name], b.tensors[name]) for name in a.tensors
    )
    return same_tensors and (a.step, a.config, a.state) == (b.step, b.config, b.state)


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    save_checkpoint(tmp_path, checkpoint(7))
    assert equal(load_checkpoint(tmp_path), checkpoint(7))
    assert equal(load_checkpoint(tmp_path / "last.json"), checkpoint(7))


def test_last_previous_and_best_are_kept_and_nothing_else(tmp_path):
    for step in range(1, 6):
        save_checkpoint(tmp_path, checkpoint(step), is_best=step == 2)
    steps = {name: load_checkpoint(tmp_path / f"{name}.json").step for name in ("last", "previous", "best")}
    assert steps == {"last": 5, "previous": 4, "best": 2}
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_saving_the_same_state_twice_keeps_the_former_one(tmp_path):
    for step in (1, 2, 2):
        save_checkpoint(tmp_path, checkpoint(step))
    assert load_checkpoint(tmp_path / "previous.json").step == 1


def test_another_configuration_is_refused_with_the_keys_that_differ(tmp_path):
    save_checkpoint(tmp_path, checkpoint(3))
    with pytest.raises(BadCheckpoint, match=r"learning_rate: 0\.1 there, 0\.2 here") as error:
        load_checkpoint(tmp_path, {"learning_rate": 0.2, "seed": 1})
    assert "seed" not in str(error.value)
    assert load_checkpoint(tmp_path, {"learning_rate": 0.2, "seed": 1}, may_differ=("learning_rate",)).step == 3


def test_what_a_killed_writer_left_is_removed_and_the_rest_is_not(tmp_path):
    save_checkpoint(tmp_path, checkpoint(1))
    (tmp_path / ".last.json.abc.tmp").write_bytes(b"half")
    (tmp_path / "step-00000002-aaaaaaaaaaaa.safetensors").write_bytes(b"never described")
    (tmp_path / "notes.txt").write_text("mine")
    assert clean_checkpoint_folder(tmp_path) == 2
    assert load_checkpoint(tmp_path).step == 1
    assert (tmp_path / "notes.txt").exists()


def test_cleaning_a_folder_that_does_not_exist_is_fine(tmp_path):
    assert clean_checkpoint_folder(tmp_path / "new") == 0


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(BadCheckpoint, match=r"last\.json"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", "null", '{"format": 2}', "\x00" * 50, "[" * 100_000])
def test_a_description_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "last.json").write_text(content)
    with pytest.raises(BadCheckpoint, match=r"last\.json"):
        load_checkpoint(tmp_path)


def test_a_description_that_names_a_file_elsewhere_is_refused(tmp_path):
    save_checkpoint(tmp_path / "run", checkpoint(1))
    path = tmp_path / "run" / "last.json"
    described = json.loads(path.read_text())
    described["tensors"] = "../" + described["tensors"]
    path.write_text(json.dumps(described))
    with pytest.raises(BadCheckpoint, match="altered"):
        load_checkpoint(path)
