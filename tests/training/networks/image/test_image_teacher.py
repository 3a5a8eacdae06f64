"""Image teachers: equal to the reference networks, frozen, and strict about their weights."""

import os
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadImage, BadRequest
from offline_training.networks.base.torch_files import load_as_data
from offline_training.networks.image.espnet import ESPNet
from offline_training.networks.image.image_teacher import ImageTeacher, build_image_teacher
from offline_training.networks.image.resnet50 import ResNet50, load_resnet50
from offline_training.networks.image.weight_file import read_weight_file
from tests.recordings import recording
from tests.training.torchvision_on_cpu import ensure_torchvision

_BODY = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


@pytest.fixture(scope="module")
def resnet() -> ResNet50:
    """Random weights and running statistics, as a trained network has."""
    torch.manual_seed(1)
    network = ResNet50(dilated=True).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return network


@pytest.mark.slow
@pytest.mark.parametrize("dilated", [True, False])
def test_resnet50_equals_torchvision_with_the_same_weights(resnet, dilated):
    ensure_torchvision()
    from torchvision.models import resnet50

    reference = resnet50(replace_stride_with_dilation=[dilated] * 3).eval()
    reference.load_state_dict(resnet.state_dict(), strict=False)
    network = ResNet50(dilated).eval()
    network.load_state_dict(resnet.state_dict())
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = torch.nn.Sequential(*(getattr(reference, name) for name in _BODY))(images)
        found = network(images)
    assert found.shape == (1, 2048, 64 // network.stride, 96 // network.stride)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


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


@pytest.mark.parametrize(
    ("kind", "stride", "channels"), [("resnet50_dilated", 4, 2048), ("resnet50", 32, 2048), ("espnet", 4, 407)]
)
def test_every_kind_gives_maps_of_its_stride_without_gradients(kind, stride, channels):
    teacher = build_image_teacher(kind, None, allow_random_weights=True)
    features = teacher(torch.rand(1, 3, 32, 64))
    assert (teacher.out_channels, teacher.stride) == (channels, stride)
    assert features.shape == (1, channels, 32 // stride, 64 // stride)
    assert not features.requires_grad
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_a_teacher_refuses_train_mode_and_stays_as_it_was():
    teacher = build_image_teacher("espnet", None, allow_random_weights=True)
    with pytest.raises(BadRequest, match="keep it outside the module that is trained"):
        teacher.train()
    with pytest.raises(BadRequest, match="stay in eval mode"):
        torch.nn.Sequential(teacher).train()
    assert teacher.eval() is teacher
    assert not any(module.training for module in teacher.modules())


def test_pictures_are_normalised_inside(resnet):
    teacher = ImageTeacher(build_image_teacher("resnet50", None, True).network, 2048, 32)
    teacher.network[1].load_state_dict(resnet.state_dict())
    images = torch.rand(1, 3, 32, 32)
    normalised = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    torch.testing.assert_close(teacher(images), teacher.network[1](normalised))


def test_espnet_teaches_with_weights_of_a_file(tmp_path):
    torch.manual_seed(0)
    save_file(ESPNet().state_dict(), tmp_path / "espnet.safetensors")
    assert_teaches(tmp_path / "espnet.safetensors")


@pytest.mark.slow
def test_espnet_teaches_with_its_public_weights(real_data):
    assert_teaches(recording(real_data, "weights_small/espnet_p_2_q_8_cityscapes.safetensors"))


def assert_teaches(weights):
    teacher = build_image_teacher("espnet", weights)
    one, other = teacher(torch.zeros(1, 3, 16, 16)), teacher(torch.ones(1, 3, 16, 16))
    assert one.isfinite().all()
    assert not torch.allclose(one, other)


@pytest.mark.parametrize(
    ("kind", "weights", "message"),
    [
        ("resnet51", None, "expected one of resnet50_dilated, resnet50, espnet, timm:<name>, found 'resnet51'"),
        ("resnet50", None, "expected a local file for resnet50, found none"),
        ("timm:vit_tiny_patch16_224", None, "expected a local file"),
    ],
)
def test_unknown_kinds_and_absent_weights_are_refused(kind, weights, message):
    with pytest.raises(BadConfig, match=message):
        build_image_teacher(kind, weights)


@pytest.mark.parametrize(
    ("kind", "size", "shape"),
    [("espnet", 4, (1, 3, 4, 12)), ("resnet50", 32, (1, 3, 32, 40)), ("resnet50_dilated", 4, (1, 1, 8, 8))],
)
def test_pictures_that_do_not_map_evenly_are_refused(kind, size, shape):
    teacher = build_image_teacher(kind, None, allow_random_weights=True)
    with pytest.raises(BadImage, match="Choose a suitable image_size"):
        teacher(torch.zeros(shape))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stride", "channels"),
    [
        ("test_vit", 16, 64),
        ("test_resnet", 32, 96),
        ("vit_tiny_patch16_dinov3_qkvb", 16, 192),
        ("test_convnext", 32, 64),
    ],
)
def test_a_timm_backbone_is_saved_loaded_and_takes_other_sizes(tmp_path, name, stride, channels):
    ensure_torchvision()
    import timm

    torch.manual_seed(3)
    original = timm.create_model(name, pretrained=False).eval()
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in original.state_dict().items()}, path)
    teacher = build_image_teacher(f"timm:{name}", path)
    features = teacher(torch.rand(2, 3, 3 * stride, 5 * stride))
    assert features.shape == (2, teacher.out_channels, 3, 5)
    assert (teacher.stride, teacher.out_channels) == (stride, channels)
    assert not teacher.network.training


@pytest.mark.parametrize(
    ("kind", "message"),
    [("timm:no_such_net", "name of a timm model"), ("timm:test_vit_relpos", "maps images of any size")],
)
def test_timm_models_that_cannot_teach_are_refused(kind, message):
    ensure_torchvision()
    with pytest.raises(BadConfig, match=message):
        build_image_teacher(kind, None, allow_random_weights=True)


def test_weights_of_another_timm_model_are_refused(tmp_path):
    ensure_torchvision()
    save_file({"stem.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(BadCheckpoint, match=r"1 unexpected: stem\.weight"):
        build_image_teacher("timm:test_resnet", tmp_path / "other.safetensors")
