"""Image teachers: equal to the reference networks, frozen, and of known kinds."""

import pytest
import torch
from safetensors.torch import save_file

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadImage, BadRequest
from offline_training.networks.image.espnet import ESPNet
from offline_training.networks.image.image_teacher import ImageTeacher, build_image_teacher
from offline_training.networks.image.resnet50 import ResNet50
from tests.recordings import recording
from tests.training.torchvision_on_cpu import ensure_torchvision

_BODY = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


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
