"""Products in int8 on this processor: the sums of integers are exact, and a network computes what its file says."""

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lidar_vl_core.engines.cpu.engine import FusedEngine
from lidar_vl_core.engines.cpu.int8_loops import add_int8_products
from lidar_vl_core.engines.cpu.layout import aligned_empty, fours
from lidar_vl_core.engines.cpu.plan import plan_network
from lidar_vl_core.engines.cpu.registers import HAS_VNNI, LANES, MAX_VECTORS
from lidar_vl_core.sparse_model.graph import SparseGraph, read_sparse_graph
from lidar_vl_core.sparse_model.int8_form import in_int8, inputs_to_quantize
from lidar_vl_core.sparse_model.onnx_form import FEATURES, SparseGraphBuilder
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from tests.core.engines.int8_reference import computed_in_int8
from tests.core.engines.made_networks import RandomNetwork, scan

pytestmark = pytest.mark.skipif(not HAS_VNNI, reason="this processor multiplies no bytes")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, MAX_VECTORS),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 60),
    st.booleans(),
)
def test_sums_of_products_are_those_of_integers(seed, vectors, channels_by_4, rows, count, at_the_limits):
    rng = np.random.default_rng(seed)
    c_in, width = 4 * channels_by_4, vectors * LANES
    x = rng.integers(0, 256, (rows, c_in), np.uint8)
    weight = rng.integers(-128, 128, (1, c_in, width), np.int8)
    if at_the_limits:  # where an instruction that saturates between would show
        x[:], weight[:] = 255, rng.choice([-128, 127], width)
    count = min(count, rows)
    pairs = rng.integers(0, rows, count) << 32 | rng.permutation(rows)[:count]  # each output once
    words, weights = aligned_empty(rows * (width + channels_by_4), np.int32), aligned_empty(c_in * width // 4, np.int32)
    start = rng.integers(-(2**20), 2**20, (rows, width), np.int32)
    words[: start.size], words[start.size :] = start.ravel(), x.view(np.int32).ravel()
    weights[:] = fours(weight).ravel()
    expected = start.astype(np.int64)
    for pair in pairs:
        expected[pair & 0xFFFFFFFF] += x[pair >> 32].astype(np.int64) @ weight[0].astype(np.int64)
    add_int8_products(
        vectors, words, weights, pairs, 0, count, start.size, channels_by_4, 0, channels_by_4, 0, width
    )  # fmt: skip
    np.testing.assert_array_equal(words[: start.size].reshape(rows, width), expected)


def lowered(model: onnx.ModelProto, step: float) -> SparseGraph:
    return read_sparse_graph(in_int8(model, dict.fromkeys(inputs_to_quantize(model), step)))


def exact_network(seed: int, widths: tuple[int, int, int], rectified: bool) -> SparseGraph:
    """Powers of two are all its scales, so that float32 has every one of its numbers, and halves occur before rounding."""
    rng = np.random.default_rng(seed)
    graph = SparseGraphBuilder(3, 2, "exact")

    def weights(kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
        steps = rng.integers(-127, 128, (kernel, c_in, c_out))
        steps[0, 0] = 127  # so that a step of every column is 1 / 128
        return (steps / 128).astype(np.float32), rng.integers(-64, 64, c_out) / np.float32(8)

    def rectifier(x: str) -> str:
        return graph.relu(x) if rectified else x

    first, bias = weights(1, 3, widths[0])
    x = rectifier(graph.linear(FEATURES, first[0], bias))
    y = rectifier(graph.sparse_conv(x, "subm0", *weights(27, widths[0], widths[1])))
    both = graph.concat(y, x)
    z = rectifier(graph.sparse_conv(both, "child0", *weights(8, widths[0] + widths[1], widths[2])))
    z = graph.relu(graph.add(graph.sparse_conv(z, "subm1", *weights(27, widths[2], widths[2])), z))
    up = np.zeros((8, widths[2], widths[2]), np.float32)
    up[:] = np.eye(widths[2])
    back = graph.sparse_inverse_conv(z, 0, up, np.zeros(widths[2], np.float32))
    last = graph.sparse_conv(graph.concat(back, x), "subm0", *weights(27, widths[0] + widths[2], 5))
    return lowered(graph.finish(last), 4.0)


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize(
    ("voxels", "widths"), [(0, (1, 1, 1)), (1, (16, 3, 80)), (40, (17, 33, 5)), (700, (20, 64, 40))]
)
def test_a_network_of_exact_numbers_is_computed_exactly(voxels, widths, rectified):
    graph = exact_network(voxels, widths, rectified)
    rng = np.random.default_rng(voxels)
    _, maps = scan(voxels, voxels, 2, 3)
    features = (rng.integers(-2000, 2000, (maps.counts[0], 3)) / 16).astype(np.float32)  # far beyond 127 steps, too
    expected = computed_in_int8(graph, features, maps)
    for threads in (1, 3):
        np.testing.assert_array_equal(FusedEngine(graph, threads).run(features, maps), expected)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32 - 1), st.integers(0, 14), st.sampled_from([0, 1, 2, 9, 130]))
def test_any_network_in_int8_gives_what_its_layers_mean(seed, layers, voxels):
    network = RandomNetwork(seed)
    graph = lowered(network.model(layers), 2.0**-5)
    features, maps = scan(voxels, seed, network.levels, network.channels)
    expected = computed_in_int8(graph, features, maps)
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    difference = np.abs(FusedEngine(graph, threads=2).run(features, maps) - expected)
    # float32 adds in another order, so that now and then a number is rounded to the other of its two steps
    assert difference.max(initial=0) < 0.05 * scale
    assert np.mean(difference > 1e-4 * scale) < 0.2 if difference.size else True


def test_features_that_a_layer_in_int8_reads_are_rounded():
    graph = SparseGraphBuilder(2, 1, "features")
    weight = np.full((27, 2, 1), 1 / 127, np.float32)
    last = graph.sparse_conv(FEATURES, "subm0", weight, np.zeros(1, np.float32))
    in_steps = read_sparse_graph(in_int8(graph.finish(last), {FEATURES: 0.5}))
    maps = build_kernel_maps(np.zeros((1, 3), np.int32), 1)
    features = np.array([[0.75, -3.25]], np.float32)  # 1.5 and -6.5 steps: to 2 and to -6
    found = FusedEngine(in_steps, 1).run(features, maps)
    np.testing.assert_allclose(found, [[(2 - 6) * 0.5 / 127]], rtol=1e-6)


def test_a_sum_that_could_leave_int32_is_not_made_of_integers():
    graph = SparseGraphBuilder(1, 1, "wide")
    x = graph.linear(FEATURES, np.ones((1, 4000), np.float32), np.zeros(4000, np.float32))
    y = graph.sparse_conv(x, "subm0", np.ones((27, 4000, 1), np.float32), np.zeros(1, np.float32))
    wide = lowered(graph.finish(y), 1.0)
    assert not FusedEngine(wide, 1).multiplies_in_int8
    maps = build_kernel_maps(np.zeros((1, 3), np.int32), 1)
    np.testing.assert_allclose(FusedEngine(wide, 1).run(np.ones((1, 1), np.float32), maps), [[4000]], rtol=1e-5)


def test_what_lies_side_by_side_is_one_product_and_float32_is_kept_only_for_who_reads_it():
    layers = plan_network(exact_network(0, (16, 32, 48), rectified=True), in_int8=True).layers
    assert [len(layer.int8_terms) for layer in layers] == [0, 1, 1, 1, 0, 1]
    assert [tuple(width for _, width in term.x.parts) for layer in layers for term in layer.int8_terms] == [
        (16,), (32, 16), (48,), (48, 16),
    ]  # fmt: skip
