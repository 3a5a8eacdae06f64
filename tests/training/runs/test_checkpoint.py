"""Checkpoints: what goes in comes out; the former one is kept; another configuration is refused by its keys."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.runs import checkpoint as checkpoint_module
from offline_training.runs.backbone_config import DeviceConfig
from offline_training.runs.checkpoint import Checkpoint, clean_checkpoint_folder, load_checkpoint, save_checkpoint
from offline_training.runs.resume import checkpoint_to_resume


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


_WRITER = """
import sys
from pathlib import Path
import torch
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
number = int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for step in range(60):
    save_checkpoint(Path(sys.argv[1]), Checkpoint(step, {"w": torch.full((64,), float(number))}, {}, {"number": number}))
"""


@pytest.mark.slow
def test_whoever_reads_while_two_processes_write_finds_a_whole_checkpoint_each_time(tmp_path):
    save_checkpoint(tmp_path, checkpoint(0), is_best=True)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in range(2)
    ]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    reads = 0
    while any(writer.poll() is None for writer in writers):
        for name in ("last", "best"):
            load_checkpoint(tmp_path / f"{name}.json")
        reads += 1
    assert [writer.wait() for writer in writers] == [0, 0]
    assert reads > 10
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_a_reader_whose_checkpoint_is_replaced_between_its_name_and_its_tensors_takes_the_newer(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, checkpoint(1))
    right = checkpoint_module._read_description

    def replaced_meanwhile(path: Path) -> dict:
        described = right(path)
        if described["step"] == 1:
            monkeypatch.setattr(checkpoint_module, "_read_description", right)
            for step in (2, 3):
                save_checkpoint(tmp_path, checkpoint(step))
        return described

    monkeypatch.setattr(checkpoint_module, "_read_description", replaced_meanwhile)
    assert load_checkpoint(tmp_path).step == 3


@pytest.mark.parametrize("key", ["step", "config", "state", "tensors"])
def test_a_description_with_a_value_of_another_kind_is_refused_though_its_hash_fits(key, tmp_path):
    path = save_checkpoint(tmp_path, checkpoint(3))
    described = json.loads(path.read_text()) | {key: ["x"]}
    described.pop("sha256")
    described["sha256"] = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(described))
    with pytest.raises(BadCheckpoint, match=f"{key}: expected a value of another kind"):
        load_checkpoint(path)


@pytest.mark.parametrize("resume", ["auto", "never"])
def test_a_run_that_has_lost_its_newest_checkpoint_does_not_begin_anew_over_the_others(resume, tmp_path):
    save_checkpoint(tmp_path, checkpoint(1))
    save_checkpoint(tmp_path, checkpoint(2)).unlink()
    with pytest.raises(
        BadCheckpoint, match=r"expected last\.json beside previous\.json, found none\. Copy previous\.json"
    ):
        checkpoint_to_resume(tmp_path, DeviceConfig(), resume, ())
