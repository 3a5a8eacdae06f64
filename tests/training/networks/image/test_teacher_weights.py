"""Weights of image teachers: read from files of every origin, and refused where they do not fit, are damaged, too large or code."""

import os
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.base.torch_files import load_as_data
from offline_training.networks.image.resnet50 import load_resnet50
from offline_training.networks.image.weight_file import read_weight_file


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "nesting", "prefix"),
    [
        ("moco_v2_800ep_pretrain.pth.tar", "state_dict", "module.encoder_q."),
        ("dino_run.pth", "teacher", "backbone."),
        ("dino_resnet50.pth", None, ""),
        ("olivine.pt", "state_dict", "model_images.encoder."),
        ("imagenet.safetensors", None, ""),
    ],
)
def test_weights_of_every_origin_are_read_from_a_local_file(resnet, tmp_path, name, nesting, prefix):
    tensors = {f"{prefix}{key}": value.clone() for key, value in resnet.state_dict().items()}
    tensors |= {f"{prefix}fc.weight": torch.zeros(8, 2048), f"{prefix}fc.bias": torch.zeros(8)}
    if prefix:
        tensors["other.weight"] = torch.zeros(1)  # queues, decoders, 3D networks
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({nesting: tensors, "epoch": 800, "arch": "resnet50"} if nesting else tensors, path)
    loaded = load_resnet50(path, dilated=False).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in resnet.state_dict().items())


def test_weights_without_the_counters_of_batch_norm_are_read(resnet, tmp_path):
    tensors = {key: value for key, value in resnet.state_dict().items() if "num_batches" not in key}
    torch.save(tensors, tmp_path / "old.pth")
    load_resnet50(tmp_path / "old.pth", dilated=True)


def test_missing_unexpected_and_misshapen_tensors_are_named(resnet, tmp_path):
    tensors = dict(resnet.state_dict())
    del tensors["layer4.2.conv3.weight"]
    tensors["layer5.weight"] = torch.zeros(1)
    tensors["bn1.bias"] = torch.zeros(3)
    torch.save(tensors, tmp_path / "wrong.pth")
    with pytest.raises(BadCheckpoint) as error:
        load_resnet50(tmp_path / "wrong.pth", dilated=True)
    for part in ("1 missing: layer4.2.conv3.weight", "1 unexpected: layer5.weight", "bn1.bias (3,) for (64,)"):
        assert part in str(error.value)


class _RunsCode:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path):
    torch.save({"state_dict": {"conv1.weight": _RunsCode(tmp_path / "ran")}}, tmp_path / "hostile.pth")
    with pytest.raises(BadCheckpoint, match=r"would run code when loaded .*safetensors"):
        read_weight_file(tmp_path / "hostile.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pth", None, "found none"),
        ("cut.pth", b"PK\x03\x04 and no more", "damaged"),
        ("cut.safetensors", b"\x00", "expected safetensors"),
    ],
)
def test_absent_and_damaged_files_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadCheckpoint, match=message):
        read_weight_file(tmp_path / name)


def _safetensors(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + body


def test_weights_of_a_size_that_no_memory_can_map_are_refused(tmp_path):
    header = b'{"a": {"dtype": "U8", "shape": [%d], "data_offsets": [0, %d]}}' % (1 << 46, 1 << 46)
    with (tmp_path / "wide.safetensors").open("wb") as file:
        file.write(_safetensors(header))
        with suppress(OSError):  # of file systems whose files are smaller
            file.truncate(file.tell() + (1 << 46))
    with pytest.raises(BadCheckpoint, match=r"wide.safetensors: expected safetensors, found: "):
        read_weight_file(tmp_path / "wide.safetensors")


def test_an_endless_list_of_tensors_is_refused_unread(tmp_path):
    (tmp_path / "long.safetensors").write_bytes(_safetensors(b"{" + b" " * 10_000_000 + b"}"))
    with pytest.raises(BadCheckpoint, match=r"a list of tensors of 10000002 bytes"):
        read_weight_file(tmp_path / "long.safetensors")


def test_an_archive_that_unpacks_to_more_than_it_is_long_is_refused_unread(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(10)}}, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain:
        members = {member.filename: plain.read(member) for member in plain.infolist()}
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, bytes(1 << 26) if name.endswith("data/0") else content)
    with pytest.raises(BadCheckpoint, match=r"bomb.pth: expected a file of torch.save .* damaged or would run code"):
        read_weight_file(tmp_path / "bomb.pth")
    with pytest.raises(ValueError, match=r"an archive of \d+ members that unpacks to 6\d+ bytes"):
        load_as_data(tmp_path / "bomb.pth")


@pytest.mark.parametrize("content", [b"hello", b"", b"\x80\x02\x96" + bytes(8) + b"."])
def test_a_damaged_file_is_told_without_the_words_of_the_library(tmp_path, content, recwarn):
    (tmp_path / "odd.pth").write_bytes(content)
    with pytest.raises(
        BadCheckpoint, match=r"found one that is damaged or would run code when loaded\. Code in weights"
    ):
        read_weight_file(tmp_path / "odd.pth")
    assert not recwarn.list


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(BadCheckpoint, match="expected named tensors, found epoch"):
        read_weight_file(tmp_path / "empty.pth")
