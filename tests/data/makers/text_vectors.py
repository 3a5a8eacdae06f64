"""Rows of text features in the files in which those of CLIP are passed around."""

from pathlib import Path

import numpy as np

_NAMES = 6


def write_text_vectors(folder: Path) -> None:
    """Random directions of unit length, 768 and 512 wide, as .npy and as .pt."""
    import torch

    folder.mkdir(parents=True)
    for channels in (768, 512):
        rows = np.random.default_rng(channels).normal(size=(_NAMES, channels))
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        np.save(folder / f"clip_scannet_labels_{channels}.npy", rows)
        torch.save(torch.from_numpy(rows), folder / f"clip_scannet_labels_{channels}.pt")
