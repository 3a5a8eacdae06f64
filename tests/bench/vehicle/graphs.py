"""The networks that are measured: what is shipped, and the one that papers use."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.sparse_model.graph import SparseGraph, read_sparse_graph
from lidar_vl_core.sparse_model.onnx_form import FEATURES, SparseGraphBuilder
from lidar_vl_core.voxels.kernel_maps import KernelMaps

if TYPE_CHECKING:
    import onnx

IN_CHANNELS, CLASSES, LEVELS = 4, 16, 5
# planes of the stem, of the eight stages, and blocks per stage; the stem is two 3^3 convolutions of the given width
MINK_UNET_18A = (32, (32, 64, 128, 256, 128, 128, 96, 96), 2)


def mink_unet_18a() -> SparseGraph:
    """MinkUNet18A with random weights."""
    return read_sparse_graph(build_network(*MINK_UNET_18A))


def demo() -> SparseGraph:
    """The network of the shipped package."""
    import onnx

    return read_sparse_graph(onnx.load_model_from_string(load_model_package("demo").onnx_bytes()))


GRAPHS: dict[str, Callable[[], SparseGraph]] = {"demo model": demo, "MinkUNet18A": mink_unet_18a}


def random_features(graph: SparseGraph, maps: KernelMaps) -> np.ndarray:
    """(M, C) float32 as large as features are."""
    return np.random.default_rng(4).normal(size=(maps.counts[0], graph.in_channels)).astype(np.float32)


def build_network(stem: int, planes: tuple[int, ...], blocks: int) -> "onnx.ModelProto":
    """A MinkUNet with random weights, batch norm already folded: four stages down, four up."""
    rng = np.random.default_rng(0)
    graph = SparseGraphBuilder(IN_CHANNELS, LEVELS, "bench")

    def weights(kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
        # About a third of the neighbours exist; so scaled, activations neither grow nor vanish.
        scale = np.sqrt(2 / (c_in * max(1.0, kernel * 0.3)))
        return rng.normal(size=(kernel, c_in, c_out)) * scale, rng.normal(size=c_out) * 0.1

    def block(x: str, c_in: int, c_out: int, level: int) -> str:
        y = graph.relu(graph.sparse_conv(x, f"subm{level}", *weights(27, c_in, c_out)))
        weight, bias = weights(27, c_out, c_out)
        y = graph.sparse_conv(y, f"subm{level}", 0.3 * weight, bias)
        if c_in != c_out:
            weight, bias = weights(1, c_in, c_out)
            x = graph.linear(x, weight[0], bias)
        return graph.relu(graph.add(y, x))

    x, width = FEATURES, IN_CHANNELS
    for _ in range(2):
        x, width = graph.relu(graph.sparse_conv(x, "subm0", *weights(27, width, stem))), stem
    skips = [(x, width)]
    for level in range(4):
        x = graph.relu(graph.sparse_conv(x, f"child{level}", *weights(8, width, width)))
        for _ in range(blocks):
            x, width = block(x, width, planes[level], level + 1), planes[level]
        skips.append((x, width))
    for stage, level in enumerate((3, 2, 1, 0), start=4):
        x = graph.relu(graph.sparse_inverse_conv(x, level, *weights(8, width, planes[stage])))
        x, width = graph.concat(x, skips[level][0]), planes[stage] + skips[level][1]
        for _ in range(blocks):
            x, width = block(x, width, planes[stage], level), planes[stage]
    weight, bias = weights(1, width, CLASSES)
    return graph.finish(graph.linear(x, 0.25 * weight[0], bias))  # logits as large as a trained network's
