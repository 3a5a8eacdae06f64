"""The convolutions of MinkowskiEngine as its documentation defines them, with dictionaries of coordinates, and its Res16UNet.

Slow and independent of our own tables: absolute coordinates, which may be negative, and weights in their own layout.
"""

from collections.abc import Mapping

import numpy as np

Cells = dict[tuple[int, int, int], np.ndarray]  # coordinates to features (C,)
State = Mapping[str, np.ndarray]


def convolve(cells: Cells, kernel: np.ndarray, tensor_stride: int, stride: int) -> Cells:
    """kernel: (K^3, C_in, C_out), the first axis fastest; odd kernels are centred, even ones are not."""
    side, kernel = round(len(kernel) ** (1 / 3)), kernel.astype(np.float64)
    step = tensor_stride * stride
    targets = {tuple(int(np.floor(c / step)) * step for c in cell) for cell in cells}
    offsets = [(i0, i1, i2) for i2 in range(side) for i1 in range(side) for i0 in range(side)]
    centre = side // 2 if side % 2 else 0
    sums = {}
    for target in targets:
        total = np.zeros(kernel.shape[2])
        for k, offset in enumerate(offsets):
            source = tuple(t + (i - centre) * tensor_stride for t, i in zip(target, offset, strict=True))
            if source in cells:
                total = total + cells[source] @ kernel[k]
        sums[target] = total
    return sums


def transposed(coarse: Cells, kernel: np.ndarray, fine_stride: int, onto: Cells) -> Cells:
    """Kernel 2, stride 2, onto the cells that exist at the finer stride."""
    step, kernel = 2 * fine_stride, kernel.astype(np.float64)
    result = {}
    for cell in onto:
        parent = tuple(int(np.floor(c / step)) * step for c in cell)
        i0, i1, i2 = ((c - p) // fine_stride for c, p in zip(cell, parent, strict=True))
        result[cell] = coarse[parent] @ kernel[i0 + 2 * i1 + 4 * i2]
    return result


def norm(cells: Cells, state: State, name: str) -> Cells:
    mean, variance = state[f"{name}.bn.running_mean"], state[f"{name}.bn.running_var"]
    scale = state[f"{name}.bn.weight"] / np.sqrt(variance + 1e-5)
    return {cell: (x - mean) * scale + state[f"{name}.bn.bias"] for cell, x in cells.items()}


def relu(cells: Cells) -> Cells:
    return {cell: np.maximum(x, 0) for cell, x in cells.items()}


def block(cells: Cells, state: State, name: str, tensor_stride: int) -> Cells:
    y = relu(norm(convolve(cells, state[f"{name}.conv1.kernel"], tensor_stride, 1), state, f"{name}.norm1"))
    y = norm(convolve(y, state[f"{name}.conv2.kernel"], tensor_stride, 1), state, f"{name}.norm2")
    shortcut = cells
    if f"{name}.downsample.0.kernel" in state:
        matrix = state[f"{name}.downsample.0.kernel"]
        shortcut = norm({cell: x @ matrix for cell, x in cells.items()}, state, f"{name}.downsample.1")
    return relu({cell: y[cell] + shortcut[cell] for cell in cells})


def stage(cells: Cells, state: State, number: int, tensor_stride: int) -> Cells:
    index = 0
    while f"block{number}.{index}.conv1.kernel" in state:
        cells = block(cells, state, f"block{number}.{index}", tensor_stride)
        index += 1
    return cells


def res16unet(cells: Cells, state: State) -> Cells:
    """Features before the head, at tensor stride 1."""
    x = relu(norm(convolve(cells, state["conv0p1s1.kernel"], 1, 1), state, "bn0"))
    skips = [x]
    for level in range(4):
        x = convolve(x, state[f"conv{level + 1}p{2**level}s2.kernel"], 2**level, 2)
        x = stage(relu(norm(x, state, f"bn{level + 1}")), state, level + 1, 2 ** (level + 1))
        skips.append(x)
    for number, level in ((4, 3), (5, 2), (6, 1), (7, 0)):
        x = transposed(x, state[f"convtr{number}p{2 ** (level + 1)}s2.kernel"], 2**level, skips[level])
        x = relu(norm(x, state, f"bntr{number}"))
        x = {cell: np.concatenate([y, skips[level][cell]]) for cell, y in x.items()}
        x = stage(x, state, number + 1, 2**level)
    return x


def random_state(
    rng: np.random.Generator,
    stem: int,
    planes: tuple[int, ...],
    blocks: tuple[int, ...],
    in_channels: int,
    stem_volume: int = 27,
) -> dict[str, np.ndarray]:
    """Weights of a Res16UNet under the names and in the shapes of its checkpoints, without heads."""
    state: dict[str, np.ndarray] = {}

    def conv(name: str, volume: int, c_in: int, c_out: int) -> None:
        shape = (volume, c_in, c_out) if volume > 1 else (c_in, c_out)
        spread = np.float32(0.7 / np.sqrt(c_in * max(1, volume // 3)))
        state[f"{name}.kernel"] = rng.standard_normal(shape, np.float32) * spread

    def batch_norm(name: str, width: int) -> None:
        state[f"{name}.bn.weight"] = rng.uniform(0.5, 1.5, width).astype(np.float32)
        state[f"{name}.bn.bias"] = rng.normal(0, 0.3, width).astype(np.float32)
        state[f"{name}.bn.running_mean"] = rng.normal(0, 0.3, width).astype(np.float32)
        state[f"{name}.bn.running_var"] = rng.uniform(0.5, 1.5, width).astype(np.float32)
        state[f"{name}.bn.num_batches_tracked"] = np.array(int(rng.integers(1, 9999)))

    def residual(number: int, c_in: int, c_out: int) -> None:
        for index in range(blocks[number - 1]):
            name, width = f"block{number}.{index}", c_out if index else c_in
            conv(f"{name}.conv1", 27, width, c_out)
            batch_norm(f"{name}.norm1", c_out)
            conv(f"{name}.conv2", 27, c_out, c_out)
            batch_norm(f"{name}.norm2", c_out)
            if width != c_out:
                conv(f"{name}.downsample.0", 1, width, c_out)
                batch_norm(f"{name}.downsample.1", c_out)

    conv("conv0p1s1", stem_volume, in_channels, stem)
    batch_norm("bn0", stem)
    skips = [stem, *planes[:3]]
    for level in range(4):
        conv(f"conv{level + 1}p{2**level}s2", 8, skips[level], skips[level])
        batch_norm(f"bn{level + 1}", skips[level])
        residual(level + 1, skips[level], planes[level])
    width = planes[3]
    for number, level in ((4, 3), (5, 2), (6, 1), (7, 0)):
        conv(f"convtr{number}p{2 ** (level + 1)}s2", 8, width, planes[number])
        batch_norm(f"bntr{number}", planes[number])
        residual(number + 1, planes[number] + skips[level], planes[number])
        width = planes[number]
    return state
