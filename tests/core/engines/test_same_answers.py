"""All engines compute the same network; a slow reading of the definitions is the truth."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lidar_vl_core.engines.cpu.engine import FusedEngine
from lidar_vl_core.engines.cpu.plan import plan_network
from lidar_vl_core.engines.onnx_runtime import OnnxEngine, OnnxFileEngine, open_onnxruntime
from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.sparse_model.graph import read_sparse_graph
from lidar_vl_core.sparse_model.half_form import in_half
from lidar_vl_core.sparse_model.int8_form import in_int8, inputs_to_quantize
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT, WIDE, SparseGraphBuilder, kind_and_level, table_names
from lidar_vl_core.voxels.kernel_maps import KernelMaps
from tests.core.engines.made_networks import RandomNetwork, computed_slowly, scan, u_net

REPOSITORY = Path(__file__).resolve().parents[3]
TOLERANCE = 1e-4


def map_inputs(maps: KernelMaps, levels: int) -> dict[str, np.ndarray]:
    """Kernel maps as the inputs of a model file that a runtime runs as it is."""
    return {name: getattr(maps, kind_and_level(name)[0])[kind_and_level(name)[1]] for name in table_names(levels)}


def test_threads_of_onnx_runtime_sleep_while_they_wait():
    session = open_onnxruntime(RandomNetwork(0).model(1).SerializeToString(), threads=2)
    assert session.get_session_options().get_session_config_entry("session.intra_op.allow_spinning") == "0"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32 - 1), st.integers(0, 14), st.sampled_from([0, 1, 2, 9, 130, 700]))
def test_every_engine_gives_what_the_layers_mean(seed, layers, voxels):
    network = RandomNetwork(seed)
    model = network.model(layers)
    graph = read_sparse_graph(model)
    features, maps = scan(voxels, seed, network.levels, network.channels)
    truth = computed_slowly(graph, features, maps)
    plain_file = open_onnxruntime(model.SerializeToString(), threads=1)
    answers = {
        "fused": FusedEngine(graph, threads=1).run(features, maps),
        "fused, 3 threads": FusedEngine(graph, threads=3).run(features, maps),
        "onnxruntime": OnnxEngine(graph, threads=1).run(features, maps),
        "plain file": plain_file.run([OUTPUT], {FEATURES: features, **map_inputs(maps, network.levels)})[0],
    }
    scale = max(1.0, float(np.abs(truth).max(initial=0)))
    for name, answer in answers.items():
        assert answer.dtype == np.float32
        np.testing.assert_allclose(answer, truth, atol=TOLERANCE * scale, rtol=0, err_msg=name)


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
def test_every_engine_computes_a_5_5_5_convolution(form):
    rng, builder = np.random.default_rng(2), SparseGraphBuilder(3, 2, "wide", has_wide=True)

    def weights(kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(size=(kernel, c_in, c_out)) / np.sqrt(kernel * c_in), rng.normal(size=c_out)

    stem = builder.relu(builder.sparse_conv(FEATURES, WIDE, *weights(125, 3, 20)))
    model = builder.finish(builder.sparse_conv(stem, "subm0", *weights(27, 20, 5)))
    if form == "fp16":
        model = in_half(model)
    if form == "int8":
        model = in_int8(model, dict.fromkeys(inputs_to_quantize(model), 0.05))
    assert {node.op_type for node in model.graph.node} > {"WideSparseConv"}
    graph = read_sparse_graph(model)
    features, maps = scan(700, 3, 2, 3)
    tables = {name: maps.table(*kind_and_level(name)) for name in graph.table_names}
    truth = computed_slowly(graph, features, maps)
    answers = {
        "fused": FusedEngine(graph, threads=2).run(features, maps),
        "onnxruntime": OnnxEngine(graph, threads=1).run(features, maps),
        "file": OnnxFileEngine(model.SerializeToString(), graph.table_names, threads=1).run(features, maps),
    }
    assert tables[WIDE].shape == (len(features), 125)
    for name, answer in answers.items():
        allowed = TOLERANCE if form == "fp32" else 0.05
        np.testing.assert_allclose(answer, truth, atol=allowed * np.abs(truth).max(), rtol=0, err_msg=name)


def test_a_wide_table_that_no_layer_reads_is_refused():
    builder = SparseGraphBuilder(3, 1, "idle", has_wide=True)
    weight, bias = np.ones((27, 3, 2), np.float32), np.zeros(2, np.float32)
    model = builder.finish(builder.sparse_conv(FEATURES, "subm0", weight, bias))
    with pytest.raises(BadModelPackage, match="a convolution that reads wide0, which is an input"):
        read_sparse_graph(model)


def test_a_residual_u_net_becomes_one_fused_layer_per_convolution():
    layers = plan_network(u_net(), in_int8=False).layers
    # the shortcut is a second term of the convolution it is added to, the concatenation two terms of the head
    assert [len(layer.terms) for layer in layers] == [1, 1, 1, 2, 1, 1, 1, 2]
    assert [bool(layer.residual) for layer in layers] == [False] * 5 + [True, False, False]
    assert [layer.relu for layer in layers] == [True] * 7 + [False]


def test_scans_of_changing_size_do_not_disturb_each_other():
    graph = u_net()
    engine = FusedEngine(graph, threads=2)
    for seed, voxels in enumerate([500, 5000, 0, 1, 9000, 20, 5000]):
        features, maps = scan(voxels, seed, graph.levels, 4)
        truth = computed_slowly(graph, features, maps)
        scale = 1.0 + float(np.abs(truth).max(initial=0))
        assert np.abs(engine.run(features, maps) - truth).max(initial=0) < TOLERANCE * scale


def test_the_answer_does_not_depend_on_threads_nor_on_the_moment():
    graph = u_net()
    features, maps = scan(20000, 1, graph.levels, 4)
    alone = FusedEngine(graph, threads=1).run(features, maps)
    many = FusedEngine(graph, threads=8)
    for _ in range(5):
        np.testing.assert_array_equal(many.run(features, maps), alone)


def test_callers_on_several_threads_each_get_their_own_scan():
    graph = u_net()
    engine = FusedEngine(graph, threads=2)
    scans = [scan(3000 + 500 * seed, seed, graph.levels, 4) for seed in range(4)]
    expected = [engine.run(*one) for one in scans]
    with ThreadPoolExecutor(4) as callers:
        for answers in callers.map(lambda _: [engine.run(*one) for one in scans], range(8)):
            for answer, truth in zip(answers, expected, strict=True):
                np.testing.assert_array_equal(answer, truth)


def test_the_engine_leaves_the_interpreter_free_while_it_computes():
    graph = u_net()
    engine = FusedEngine(graph, threads=1)
    features, maps = scan(30000, 1, graph.levels, 4)
    engine.run(features, maps)
    ticks, done = [], threading.Event()
    counter = threading.Thread(target=lambda: [ticks.append(1) for _ in iter(lambda: done.wait(0.0005), True)])
    counter.start()
    for _ in range(3):
        engine.run(features, maps)
    done.set()
    counter.join()
    assert len(ticks) >= 5


def test_a_table_that_points_beyond_the_input_reads_nothing_there():
    graph = u_net()
    features, maps = scan(400, 3, graph.levels, 4)
    wild = KernelMaps(
        counts=maps.counts,
        subm=tuple(np.where(table == len(table), 2**31 - 1, table).astype(np.int32) for table in maps.subm),
        child=tuple(np.where(table == maps.counts[0], -5, table).astype(np.int32) for table in maps.child),
        up=maps.up,
        coords=maps.coords,
    )
    engine = FusedEngine(graph, threads=1)
    np.testing.assert_array_equal(engine.run(features, wild), engine.run(features, maps))


@pytest.mark.slow
@pytest.mark.parametrize("cpu", [("haswell", "+avx,+avx2,+fma,+bmi,+bmi2"), ("nehalem", "+sse4.2,+popcnt")])
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="these are x86 processors")
def test_older_processors_compute_the_same(cpu, tmp_path):
    name, features = cpu
    environment = os.environ | {
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": features,
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    program = (
        "import numpy as np\n"
        "from lidar_vl_core.engines.cpu.engine import FusedEngine\n"
        "from lidar_vl_core.engines.cpu.registers import LANES\n"
        "from tests.core.engines.made_networks import computed_slowly, scan, u_net\n"
        "graph = u_net(); x, maps = scan(3000, 1, 2, 4)\n"
        "difference = np.abs(FusedEngine(graph, 2).run(x, maps) - computed_slowly(graph, x, maps)).max()\n"
        "print(LANES, difference)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=900,
    )
    lanes, difference = done.stdout.split()
    assert lanes == "8"
    assert float(difference) < 1e-3
