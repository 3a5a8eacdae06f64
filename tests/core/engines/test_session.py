"""All engines compute the same network; a slow reading of the definitions is the truth."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lidar_vl_core.engines.cpu.engine import FusedEngine
from lidar_vl_core.engines.cpu.plan import plan_network
from lidar_vl_core.engines.onnx_runtime import OnnxEngine, OnnxFileEngine, open_onnxruntime
from lidar_vl_core.engines.session import Session, open_session
from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest, EngineUnavailable
from lidar_vl_core.model_packages.manifest import Manifest
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.graph import GraphNode, SparseGraph, read_sparse_graph
from lidar_vl_core.sparse_model.half_form import in_half
from lidar_vl_core.sparse_model.int8_form import in_int8, inputs_to_quantize
from lidar_vl_core.sparse_model.onnx_form import FEATURES, OUTPUT, WIDE, SparseGraphBuilder, kind_and_level, table_names
from lidar_vl_core.voxels.kernel_maps import KernelMaps, build_kernel_maps

TOLERANCE = 1e-4


def map_inputs(maps: KernelMaps, levels: int) -> dict[str, np.ndarray]:
    """Kernel maps as the inputs of a model file that a runtime runs as it is."""
    return {name: getattr(maps, kind_and_level(name)[0])[kind_and_level(name)[1]] for name in table_names(levels)}


def computed_slowly(graph: SparseGraph, features: np.ndarray, maps: KernelMaps) -> np.ndarray:
    """What the layers mean, in float64 and one row at a time per kernel offset."""
    values = {FEATURES: features.astype(np.float64)}
    for node in graph.nodes:
        inputs = [values[name] for name in node.inputs]
        values[node.output] = _layer(node, inputs, maps)
    return values[OUTPUT]


def _layer(node: GraphNode, inputs: list[np.ndarray], maps: KernelMaps) -> np.ndarray:
    match node.op:
        case "add":
            return inputs[0] + inputs[1]
        case "concat":
            return np.concatenate(inputs, axis=1)
        case "relu":
            return np.maximum(inputs[0], 0)
        case "identity":
            return inputs[0]
        case "linear":
            return inputs[0] @ node.weight[0] + node.bias
        case "sparse_conv":
            table = maps.table(*kind_and_level(node.table))
            padded = np.concatenate([inputs[0], np.zeros((1, inputs[0].shape[1]))])
            return sum((padded[table[:, k]] @ node.weight[k] for k in range(table.shape[1])), node.bias)
        case "sparse_inverse_conv":
            up = maps.up[int(node.table[-1])]
            y = np.empty((len(up), len(node.bias)))
            for k in range(8):
                y[up % 8 == k] = inputs[0][up[up % 8 == k] // 8] @ node.weight[k] + node.bias
            return y
    raise AssertionError(node.op)


def scan(voxels: int, seed: int, levels: int, channels: int) -> tuple[np.ndarray, KernelMaps]:
    rng = np.random.default_rng(seed)
    side = max(2, int((3 * voxels) ** (1 / 3)))
    coords = np.unique(rng.integers(0, side, (voxels, 3)), axis=0).astype(np.int32)
    maps = build_kernel_maps(coords, levels)
    return rng.normal(size=(len(coords), channels)).astype(np.float32), maps


class RandomNetwork:
    """Grows a network by random choices: any order of layers that the file form allows."""

    def __init__(self, seed: int, levels: int = 3) -> None:
        self.rng = np.random.default_rng(seed)
        self.channels = int(self.rng.integers(1, 8))
        self.builder = SparseGraphBuilder(self.channels, levels, "random")
        self.levels = levels
        self.values = [(FEATURES, 0, self.channels)]

    def model(self, layers: int) -> onnx.ModelProto:
        for _ in range(layers):
            self.values.append(self._layer(*self.values[self.rng.integers(len(self.values))]))
        x, level, channels = self.values[-1]
        while level:
            width = self._width()
            x, level = self.builder.sparse_inverse_conv(x, level - 1, *self._weights(8, channels, width)), level - 1
            channels = width
        if self.rng.random() < 0.7:
            weight, bias = self._weights(1, channels, 5)
            x = self.builder.linear(x, weight[0], bias)
        return self.builder.finish(x)

    def _layer(self, x: str, level: int, channels: int) -> tuple[str, int, int]:
        twins = [name for name, *place in self.values if place == [level, channels]]
        neighbours = [(name, width) for name, other, width in self.values if other == level]
        width = self._width()
        choice = self.rng.choice(["subm", "down", "up", "linear", "add", "concat", "relu"])
        if choice == "down" and level + 1 < self.levels:
            return self.builder.sparse_conv(x, f"child{level}", *self._weights(8, channels, width)), level + 1, width
        if choice == "up" and level:
            weights = self._weights(8, channels, width)
            return self.builder.sparse_inverse_conv(x, level - 1, *weights), level - 1, width
        if choice == "linear":
            weight, bias = self._weights(1, channels, width)
            return self.builder.linear(x, weight[0], bias), level, width
        if choice == "add":
            return self.builder.add(x, twins[self.rng.integers(len(twins))]), level, channels
        if choice == "concat" and channels < 64:
            other, more = neighbours[self.rng.integers(len(neighbours))]
            return self.builder.concat(x, other), level, channels + more
        if choice == "relu":
            return self.builder.relu(x), level, channels
        return self.builder.sparse_conv(x, f"subm{level}", *self._weights(27, channels, width)), level, width

    def _width(self) -> int:
        return int(self.rng.choice([1, 3, 16, 20, 32, 48, 80]))

    def _weights(self, kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
        weight = self.rng.normal(size=(kernel, c_in, c_out)) / np.sqrt(kernel * c_in)
        return weight.astype(np.float32), self.rng.normal(size=c_out).astype(np.float32)


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


def u_net() -> SparseGraph:
    rng = np.random.default_rng(5)

    def weights(kernel: int, c_in: int, c_out: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(size=(kernel, c_in, c_out)) / np.sqrt(kernel * c_in), rng.normal(size=c_out)

    g = SparseGraphBuilder(4, 2, "u-net")
    x = g.relu(g.sparse_conv(FEATURES, "subm0", *weights(27, 4, 32)))
    down = g.relu(g.sparse_conv(x, "child0", *weights(8, 32, 32)))
    y = g.relu(g.sparse_conv(down, "subm1", *weights(27, 32, 64)))
    shortcut, bias = weights(1, 32, 64)
    y = g.relu(g.add(g.sparse_conv(y, "subm1", *weights(27, 64, 64)), g.linear(down, shortcut[0], bias)))
    z = g.relu(g.sparse_conv(y, "subm1", *weights(27, 64, 64)))
    y = g.relu(g.add(g.sparse_conv(z, "subm1", *weights(27, 64, 64)), y))
    up = g.concat(g.relu(g.sparse_inverse_conv(y, 0, *weights(8, 64, 48))), x)
    head, bias = weights(1, 80, 7)
    return read_sparse_graph(g.finish(g.linear(up, head[0], bias)))


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
        "import importlib.util, sys, numpy as np\n"
        f"spec = importlib.util.spec_from_file_location('t', {__file__!r}); t = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(t)\n"
        "from lidar_vl_core.engines.cpu.registers import LANES\n"
        "graph = t.u_net(); x, maps = t.scan(3000, 1, 2, 4)\n"
        "difference = np.abs(t.FusedEngine(graph, 2).run(x, maps) - t.computed_slowly(graph, x, maps)).max()\n"
        "print(LANES, difference)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=900
    )
    lanes, difference = done.stdout.split()
    assert lanes == "8"
    assert float(difference) < 1e-3


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> ModelPackage:
    builder = SparseGraphBuilder(in_channels=2, levels=1, name="tiny")
    weight, bias = np.ones((27, 2, 3), np.float32), np.arange(3, dtype=np.float32)
    model = builder.finish(builder.sparse_conv(FEATURES, "subm0", weight, bias))
    manifest = Manifest.model_validate_json(
        """{"name": "tiny", "class_table": {"name": "abc", "names": ["a", "b", "c"],
        "colors_rgb": [[0, 0, 0], [1, 1, 1], [2, 2, 2]]}, "grid": {"kind": "cartesian", "voxel_size": [1, 1, 1],
        "point_cloud_range": [-8, -8, -8, 8, 8, 8]}, "features": ["one", "height"], "levels": 1, "opset": 18,
        "producer": {"version": "0", "commit": "0"}, "training_data": [], "licence": "Apache-2.0", "limits": []}"""
    )
    return write_model_package(tmp_path_factory.mktemp("package") / "tiny", model, manifest, "# Tiny\n")


@pytest.mark.parametrize(("asked", "taken"), [("auto", "fused"), ("fused", "fused"), ("onnxruntime", "onnxruntime")])
def test_a_session_says_which_engine_it_runs(package, asked, taken):
    session = open_session(package, engine=asked, threads=1)
    assert session.engine_name == taken
    features, maps = scan(50, 0, 1, 2)
    assert session.run(features, maps).shape == (maps.counts[0], 3)


def test_a_voxel_alone_sees_itself_only(package):
    maps = build_kernel_maps(np.array([[4, 4, 4]], np.int32), levels=1)
    answer = open_session(package, threads=1).run(np.array([[1.0, 2.0]], np.float32), maps)
    np.testing.assert_allclose(answer, [[3.0, 4.0, 5.0]])


def test_tensorrt_is_refused_with_what_to_do(package):
    with pytest.raises(EngineUnavailable, match="Use engine fused"):
        open_session(package, engine="tensorrt")


@pytest.mark.parametrize(
    "arguments", [{"engine": "cuda"}, {"threads": 0}, {"threads": -1}], ids=["engine", "no thread", "negative"]
)
def test_a_session_that_cannot_be_is_refused(package, arguments):
    with pytest.raises(BadRequest, match=r"expected .* found"):
        open_session(package, **arguments)


@pytest.mark.parametrize(
    "features",
    [np.zeros((3, 2), np.float64), np.zeros((3, 5), np.float32), np.zeros((2, 2), np.float32), np.zeros(6, np.float32)],
    ids=["float64", "channels", "rows", "one dimension"],
)
def test_features_that_do_not_fit_are_refused(package, features):
    maps = build_kernel_maps(np.array([[0, 0, 0], [0, 0, 1], [5, 5, 5]], np.int32), levels=1)
    with pytest.raises(BadRequest, match=r"features: expected .* found"):
        open_session(package, threads=1).run(features, maps)


def test_maps_with_too_few_levels_are_refused():
    graph = u_net()
    session = Session("fused", FusedEngine(graph, threads=1), graph.in_channels, graph.levels)
    maps = build_kernel_maps(np.array([[0, 0, 0]], np.int32), levels=1)
    with pytest.raises(BadRequest, match="at least 2 levels"):
        session.run(np.zeros((1, 4), np.float32), maps)


def test_a_session_of_onnx_runtime_reports_nothing_to_its_maker(package, tmp_path):
    places = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}  # where it would keep its events
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | places
    code = (
        "from lidar_vl_core.engines.onnx_runtime import open_onnxruntime\n"
        f"open_onnxruntime(open({str(package.path / 'model.onnx')!r}, 'rb').read(), 1)"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
