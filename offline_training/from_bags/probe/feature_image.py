"""Features of one sweep as colours, seen from above: what looks alike to a network has one colour."""

import io
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

_REACH_M = 45.0
_GREY = (0.25, 0.27, 0.32)


def feature_image(xyz_m: np.ndarray, features: Mapping[str, Tensor]) -> bytes:
    """A PNG, one panel for each network.

    xyz_m: (N, 3); features: title -> (N, C), NaN for points that the network does not see. The three directions in which
    the features differ most are red, green and blue.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.2 * len(features), 6.4), dpi=110, facecolor="#0f172a", layout="constrained")
    order = np.argsort(xyz_m[:, 2], kind="stable")  # the higher ones on top
    for number, (title, values) in enumerate(features.items()):
        axes = figure.add_subplot(1, len(features), number + 1)
        colours = _colours(values)
        axes.scatter(xyz_m[order, 0], xyz_m[order, 1], s=1.2, c=colours[order], linewidths=0)
        axes.set(xlim=(-_REACH_M, _REACH_M), ylim=(-_REACH_M, _REACH_M), aspect="equal", facecolor="#0f172a")
        axes.set_title(title, color="#f8fafc", fontsize=13, pad=-16)
        axes.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=figure.get_facecolor())
    return buffer.getvalue()


def _colours(features: Tensor) -> np.ndarray:
    """(N, 3) in 0..1."""
    seen = ~torch.isnan(features[:, 0])
    colours = np.tile(np.array(_GREY), (len(features), 1))
    if int(seen.sum()) < 4:
        return colours
    values = torch.nn.functional.normalize(features[seen].double(), dim=1)
    centred = values - values.mean(dim=0)
    _, _, directions = torch.linalg.svd(centred[:: max(1, len(centred) // 5000)], full_matrices=False)
    # A direction and its opposite are the same: the larger part of a sweep gets the lower value.
    parts = (centred @ directions[:3].T).numpy()
    parts = parts * np.where(np.median(parts, axis=0) > 0, -1.0, 1.0)
    low, high = np.percentile(parts, (2, 98), axis=0)
    shown = np.clip((parts - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
    colours[seen.numpy(), : shown.shape[1]] = 0.15 + 0.85 * shown
    return colours
