"""WaffleIron as its authors lay it out, written from its description: (B, C, N) tensors, 1x1 convolutions, dense grids."""

import torch
from torch import Tensor, nn


def random_state(layers: int, channels: int, layer_norm: bool, seed: int) -> dict[str, Tensor]:
    """Tensors under the authors' names, with a head of 7 classes, and norms that are far from the identity."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) / max(1, shape[1] if len(shape) > 1 else 4) ** 0.5

    def norm(place: str, width: int, is_layer: bool = False) -> dict[str, Tensor]:
        own = {f"{place}.weight": 1 + 0.3 * drawn(width), f"{place}.bias": drawn(width)}
        if is_layer:
            return own
        counter = {f"{place}.num_batches_tracked": torch.tensor(9)}
        return own | counter | {f"{place}.running_mean": drawn(width), f"{place}.running_var": drawn(width).abs() + 0.5}

    def conv(place: str, *shape: int, bias: bool = True) -> dict[str, Tensor]:
        return {f"{place}.weight": drawn(*shape)} | ({f"{place}.bias": drawn(shape[0])} if bias else {})

    state = norm("embed.norm", 5) | conv("embed.conv1", channels, 5, 1) | norm("embed.conv2.0", 5)
    state |= conv("embed.conv2.1", channels, 5, 1, 1, bias=False) | norm("embed.conv2.2", channels)
    state |= conv("embed.conv2.4", channels, channels, 1, 1, bias=False) | conv(
        "embed.final", channels, 2 * channels, 1
    )
    for k in range(layers):
        spatial, channel = f"waffleiron.spatial_mix.{k}", f"waffleiron.channel_mix.{k}"
        state |= norm(f"{spatial}.norm", channels, layer_norm) | norm(f"{channel}.norm", channels, layer_norm)
        for place in (f"{spatial}.ffn.0", f"{spatial}.ffn.2"):
            state |= {f"{place}.weight": drawn(channels, 9).view(channels, 1, 3, 3), f"{place}.bias": drawn(channels)}
        state |= conv(f"{channel}.mlp.0", channels, channels, 1) | conv(f"{channel}.mlp.2", channels, channels, 1)
        for place in (spatial, channel):
            state |= {f"{place}.scale.weight": drawn(channels).view(channels, 1, 1)}
    return state | conv("classif", 7, channels, 1)


def point_features(
    state: dict[str, Tensor], features: Tensor, neighbours: Tensor, cells: Tensor, shapes: tuple[tuple[int, int], ...],
    gelu: bool = False,
) -> Tensor:  # fmt: skip
    """(N, C) what the head reads of one scan. features: (N, 5), neighbours: (N, 16), cells: (3, N)."""

    def active(x: Tensor) -> Tensor:
        return x * 0.5 * (1 + torch.erf(x / 2**0.5)) if gelu else x.clamp_min(0)

    def norm(place: str, x: Tensor) -> Tensor:  # x: (1, C, ...)
        wide = (1, -1, *[1] * (x.ndim - 2))
        if f"{place}.running_mean" in state:
            mean, variance = (state[f"{place}.running_{part}"].view(wide) for part in ("mean", "var"))
        else:
            mean, variance = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, unbiased=False)
        normed = (x - mean) / torch.sqrt(variance + 1e-5)
        return normed * state[f"{place}.weight"].view(wide) + state[f"{place}.bias"].view(wide)

    def pointwise(place: str, x: Tensor) -> Tensor:
        matrix = state[f"{place}.weight"].flatten(1)
        out = torch.einsum("oi,bi...->bo...", matrix, x)
        bias = state.get(f"{place}.bias")
        return out if bias is None else out + bias.view(1, -1, *[1] * (x.ndim - 2))

    x = norm("embed.norm", features.t()[None])
    around = x[:, :, neighbours] - x[:, :, :, None]  # (1, 5, N, 16)
    around = torch.relu(norm("embed.conv2.2", pointwise("embed.conv2.1", norm("embed.conv2.0", around))))
    around = pointwise("embed.conv2.4", around).amax(dim=3)
    x = pointwise("embed.final", torch.cat([pointwise("embed.conv1", x), around], dim=1))
    layers = len({name.split(".")[2] for name in state if name.startswith("waffleiron.spatial_mix")})
    for k in range(layers):
        spatial, channel, cell = f"waffleiron.spatial_mix.{k}", f"waffleiron.channel_mix.{k}", cells[k % 3]
        height, width = shapes[k % 3]
        normed = norm(f"{spatial}.norm", x)[0]
        grid = torch.zeros(normed.shape[0], height * width)
        for place in cell.unique():
            grid[:, place] = normed[:, cell == place].mean(dim=1)
        grid = grid.view(1, -1, height, width)
        for place in (f"{spatial}.ffn.0", f"{spatial}.ffn.2"):
            grid = grid if place.endswith("0") else active(grid)
            weight, bias = state[f"{place}.weight"], state[f"{place}.bias"]
            grid = nn.functional.conv2d(grid, weight, bias, padding=1, groups=len(weight))
        x = x + (grid.flatten(2) * state[f"{spatial}.scale.weight"].view(1, -1, 1))[:, :, cell]
        hidden = pointwise(f"{channel}.mlp.2", active(pointwise(f"{channel}.mlp.0", norm(f"{channel}.norm", x))))
        x = x + hidden * state[f"{channel}.scale.weight"].view(1, -1, 1)
    return x[0].t()
