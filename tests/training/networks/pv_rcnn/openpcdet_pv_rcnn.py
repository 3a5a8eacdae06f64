"""What PV-RCNN adds to SECOND in OpenPCDet, as slow functions of a state dictionary with its names, query by query."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.training.networks.one_thread import one_thread
from tests.training.networks.voxelnet.spconv_voxelnet import spconv_backbone

State = Mapping[str, Tensor]
# Source: radii in metres and numbers of neighbours.
SCALES = {
    "pfe.SA_rawpoints": ((0.4, 16), (0.8, 16)),
    "pfe.SA_layers.0": ((0.4, 16), (0.8, 16)),
    "pfe.SA_layers.1": ((0.8, 16), (1.2, 32)),
    "pfe.SA_layers.2": ((1.2, 16), (2.4, 32)),
    "pfe.SA_layers.3": ((2.4, 16), (4.8, 32)),
    "roi_head.roi_grid_pool_layer": ((0.8, 16), (1.6, 16)),
}


def spconv_levels(state: State, start: Any) -> list[tuple[Tensor, Tensor]]:
    """Indices (V, 4) scan, z, y, x and features of x_conv1 to x_conv4 of VoxelBackBone8x."""
    backbone = spconv_backbone(start.features.shape[1]).eval()
    backbone.load_state_dict(
        {name.removeprefix("backbone_3d."): value for name, value in state.items() if name.startswith("backbone_3d.")}
    )
    levels, x = [], start
    with one_thread(), torch.no_grad():
        for name, child in backbone.named_children():
            x = child(x)
            if name in ("conv1", "conv2", "conv3", "conv4"):
                levels.append((x.indices.long(), x.features))
    return levels


def abstraction(state: State, prefix: str, points: Tensor, features: Tensor, queries: Tensor) -> Tensor:
    """StackSAModuleMSG. points, queries: (N, 4) and (M, 4) scan, x, y, z; features: (N, C)."""
    scales = []
    for number, (radius_m, most) in enumerate(SCALES[prefix]):
        grouped = torch.zeros(len(queries), most, 3 + features.shape[1])
        for row, (scan, *centre) in enumerate(queries.tolist()):
            step = points[:, 1:] - torch.tensor(centre)
            near = ((points[:, 0] == scan) & ((step**2).sum(dim=1) < radius_m**2)).nonzero()[:, 0].tolist()[:most]
            if near:
                near += near[:1] * (most - len(near))
                grouped[row] = torch.cat([step[near], features[near]], dim=1)
        for layer in (0, 3):
            name = f"{prefix}.mlps.{number}"
            grouped = functional.linear(grouped, state[f"{name}.{layer}.weight"][:, :, 0, 0])
            grouped = functional.relu(_norm(state, f"{name}.{layer + 1}", grouped.flatten(0, 1)).view(grouped.shape))
        scales.append(grouped.max(dim=1).values)
    return torch.cat(scales, dim=1)


def map_at(bev_map: Tensor, keypoints: Tensor, low_m: Sequence[float], cell_m: Sequence[float]) -> Tensor:
    """The map (S, C, H, W) at keypoints (M, 4), bilinearly with clamped corners."""
    rows = []
    for scan, x_m, y_m, _ in keypoints.tolist():
        x, y = (x_m - low_m[0]) / cell_m[0], (y_m - low_m[1]) / cell_m[1]
        corners = [
            (min(max(int(np.floor(value)) + step, 0), size - 1))
            for value, size in ((x, bev_map.shape[3]), (y, bev_map.shape[2]))
            for step in (0, 1)
        ]
        left, right, top, bottom = corners
        one = bev_map[int(scan)]
        rows.append(
            one[:, top, left] * (right - x) * (bottom - y)
            + one[:, bottom, left] * (right - x) * (y - top)
            + one[:, top, right] * (x - left) * (bottom - y)
            + one[:, bottom, right] * (x - left) * (y - top)
        )
    return torch.stack(rows)


def fused(state: State, joined: Tensor) -> Tensor:
    """vsa_point_feature_fusion."""
    prefix = "pfe.vsa_point_feature_fusion"
    return functional.relu(_norm(state, f"{prefix}.1", functional.linear(joined, state[f"{prefix}.0.weight"])))


def layers(state: State, prefix: str, x: Tensor, places: Sequence[int], last: int | None) -> Tensor:
    """Linear layers or 1x1 convolutions with norm and ReLU at these places, and the last one, with bias."""
    for place in places:
        x = functional.linear(x, state[f"{prefix}.{place}.weight"].flatten(1))
        x = functional.relu(_norm(state, f"{prefix}.{place + 1}", x))
    if last is None:
        return x
    return functional.linear(x, state[f"{prefix}.{last}.weight"].flatten(1), state[f"{prefix}.{last}.bias"])


def refinement(
    state: State, keypoints: Tensor, features: Tensor, boxes: Tensor, scan_of_box: Tensor
) -> tuple[Tensor, Tensor]:
    """Scores (R, 1) and codes (R, 7) of proposals (R, 7)."""
    queries = []
    for (x, y, z, length, width, height, yaw), scan in zip(boxes.tolist(), scan_of_box.tolist(), strict=True):
        for i, j, k in np.ndindex(6, 6, 6):
            along, across, up = ((n + 0.5) / 6 * size - size / 2 for n, size in ((i, length), (j, width), (k, height)))
            cos, sin = np.cos(yaw), np.sin(yaw)
            queries.append([scan, x + along * cos - across * sin, y + along * sin + across * cos, z + up])
    pooled = abstraction(state, "roi_head.roi_grid_pool_layer", keypoints, features, torch.tensor(queries))
    pooled = pooled.view(len(boxes), 216, -1).permute(0, 2, 1).reshape(len(boxes), -1)
    shared = layers(state, "roi_head.shared_fc_layer", pooled, (0, 4), None)
    return (
        layers(state, "roi_head.cls_layers", shared, (0, 4), 7),
        layers(state, "roi_head.reg_layers", shared, (0, 4), 7),
    )


def _norm(state: State, prefix: str, x: Tensor) -> Tensor:
    mean, variance = state[f"{prefix}.running_mean"], state[f"{prefix}.running_var"]
    return functional.batch_norm(x, mean, variance, state[f"{prefix}.weight"], state[f"{prefix}.bias"], eps=1e-5)
