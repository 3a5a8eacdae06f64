"""ESPNet: the network of the public weights, proven on real pictures whose labels were made elsewhere."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadImage
from offline_training.networks.image.espnet import ESPNet, load_espnet, normalise_for_espnet

_WEIGHTS = "weights_small/espnet_p_2_q_8_cityscapes.safetensors"


def picture(path: Path, width: int, height: int) -> torch.Tensor:
    """(1, 3, height, width) RGB of 0..1, resized without smoothing."""
    from PIL import Image

    with Image.open(path) as image:
        rgb = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(rgb, (height, width), mode="bilinear", align_corners=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "image", "height"),
    [
        ("pandaset_002/camera/front_camera", "00", 512),
        ("semantickitti/sequences/00/image_2", "000000", 320),
    ],
)
def test_public_weights_give_the_published_labels_of_real_pictures(real_data, folder, image, height):
    from PIL import Image

    network = load_espnet(real_data / _WEIGHTS).eval()
    with Image.open(real_data / "weak_labels_espnet" / folder / f"{image}.png") as label:
        expected = np.array(label)
    with torch.no_grad():
        images = picture(next((real_data / folder).glob(f"{image}.*")), 1024, height)
        scores = network(normalise_for_espnet(images))
    found = F.interpolate(scores.argmax(1, keepdim=True).float(), expected.shape, mode="nearest")[0, 0].numpy()
    assert np.mean(found == expected) > 0.9999


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(8, 8), (24, 40), (64, 16)])
def test_scores_have_the_size_of_the_picture_and_features_a_quarter(height, width):
    network = ESPNet(classes=16).eval()
    images = normalise_for_espnet(torch.rand(2, 3, height, width))
    assert network(images).shape == (2, 16, height, width)
    assert network.features(images).shape == (2, network.feature_channels, height // 4, width // 4)
    assert network.feature_channels == 131 + 256 + 16


def test_the_network_has_the_parameters_of_its_paper():
    assert sum(parameter.numel() for parameter in ESPNet().parameters()) == 364_569  # 0.36 M


@pytest.mark.slow
def test_it_learns_a_picture_from_scratch():
    torch.manual_seed(0)
    network = ESPNet().train()
    images = torch.zeros(2, 3, 32, 32)
    images[:, 0, :16], images[:, 1, 16:, :16], images[:, 2, 16:, 16:] = 1, 1, 1
    target = images.argmax(1)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2)
    losses = []
    for _ in range(12):
        loss = F.cross_entropy(network(normalise_for_espnet(images)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_sides_that_8_does_not_divide_are_refused():
    with pytest.raises(BadImage, match="sides that 8 divides, found 33 x 32"):
        ESPNet()(torch.zeros(1, 3, 32, 33))


def test_the_number_of_classes_is_that_of_the_weights(tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file(ESPNet(7).state_dict(), file)
    assert load_espnet(file).classes == 7


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    tensors = ESPNet().state_dict()
    del tensors["classifier.weight"]
    save_file(tensors, tmp_path / "headless.safetensors")
    with pytest.raises(BadCheckpoint, match=r"1 missing: classifier\.weight"):
        load_espnet(tmp_path / "headless.safetensors")


def test_features_are_standardised_by_the_networks_own_statistics():
    torch.manual_seed(0)
    network = ESPNet().eval()
    norm = network.encoder.b2.bn
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.1, 2)
    norm.weight.data.mul_(1e-6)  # as small as in the public weights
    seen = []
    norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    features = network.features(normalise_for_espnet(torch.rand(2, 3, 32, 32)))
    expected = (seen[0] - norm.running_mean.view(-1, 1, 1)) / (norm.running_var.view(-1, 1, 1) + norm.eps).sqrt()
    torch.testing.assert_close(features[:, :131], expected)


def test_fewer_classes_than_dilations_are_refused():
    with pytest.raises(BadConfig, match="at least 5 for ESPNet, found 4"):
        ESPNet(classes=4)
