"""An image network for tests of teachers and of their weights."""

import pytest
import torch

from offline_training.networks.image.resnet50 import ResNet50


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
