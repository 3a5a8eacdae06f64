"""Faults of training: needs PyTorch."""

from tests.training.torchvision_on_cpu import ensure_torchvision

ensure_torchvision()  # here, since whatever imports transformers or lightning first decides for all tests after it
