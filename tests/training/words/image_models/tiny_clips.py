"""Tiny CLIPs of open_clip with random weights, biases and all, for tests."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from offline_training.words.image_models.base.config import OpenClipConfig
from offline_training.words.image_models.towers.open_clip_weights import ClipArchitecture

VIT = {"layers": 3, "width": 64, "head_width": 16, "patch_size": 8, "image_size": 32}
CONVNEXT = {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "mlp", "image_size": 64}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
CHANNELS = 24


def tiny_clip(vision: dict[str, Any], seed: int = 0, quick_gelu: bool = False) -> Any:
    """vision: what differs from VIT, or CONVNEXT; the text tower knows 9 words, for speed."""
    plan = ClipArchitecture(
        "tiny",
        CHANNELS,
        vision if "timm_model_name" in vision else {**VIT, **vision},
        {**TEXT, "vocab_size": 9},
        quick_gelu,
    )
    return shaken(plan.build().eval(), seed)


def shaken(network: nn.Module, seed: int) -> nn.Module:
    """The network with noise on all its weights: biases and scales that begin at 0 or 1 take part."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return network


def random_windows(height: int, width: int, seed: int = 1) -> torch.Tensor:
    """(2, 3, height, width): two windows of images."""
    return torch.randn((2, 3, height, width), generator=torch.Generator().manual_seed(seed))


def tiny_config(folder: Path, vision: dict[str, Any] | None = None, **options: Any) -> OpenClipConfig:
    """A configuration of a tiny architecture that is written to `folder`; random weights unless `pretrained` is given."""
    path = folder / "tiny.json"
    path.write_text(json.dumps({"embed_dim": CHANNELS, "vision_cfg": vision or VIT, "text_cfg": TEXT}))
    defaults = {"short_side_px": 48, "window_px": 32, "stride_px": 16, "device": "cpu"}
    weights = {} if "pretrained" in options else {"allow_random_weights": True}
    return OpenClipConfig(kind="open_clip", name=str(path), **{**defaults, **weights, **options})
