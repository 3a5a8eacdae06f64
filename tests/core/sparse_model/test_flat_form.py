"""WaffleIron's file: its inputs are named and sized, its layers compute what a slow reference does, a damaged one is refused."""

import numpy as np
import onnx
import pytest
from onnx import helper

from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest
from lidar_vl_core.sparse_model.flat_form import FlatGraphBuilder, file_inputs
from lidar_vl_core.sparse_model.flat_graph import FlatGraph, read_flat_graph
from lidar_vl_core.voxels.cell_sums import cell_sums
from lidar_vl_core.voxels.flat_grids import FlatRows
from tests.written.refused_operators import refused_operators
from tests.written.tiny_waffleiron import GRIDS, tiny_waffleiron_model


def test_tables_of_every_plane_are_inputs():
    model = tiny_waffleiron_model()
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    expected = {"features": ["R", 5], "neighbours": ["R", 16], "logits": ["R", 2]}
    for plane, (height, width) in enumerate([(20, 20), (20, 8), (20, 8)]):
        expected |= {
            f"share{plane}": ["R", 1],
            f"lines{plane}_0": [f"L{plane}_0", 8],
            f"lines{plane}_1": [f"L{plane}_1", 16],
            f"lines{plane}_2": [f"L{plane}_2", f"K{plane}_2"],
            f"cells{plane}": [1, height, width],
            f"cell_of_row{plane}": ["R"],
        }
    assert shapes == expected
    read = read_flat_graph(onnx.load_model_from_string(model.SerializeToString()))
    assert read == FlatGraph(5, 16, GRIDS.shapes, 2)
    assert refused_operators(model) == []


SHAPES = ((4, 3), (4, 2), (3, 2))
IDENTITY = (np.eye(3, dtype=np.float32), np.zeros(3, np.float32))


def some_rows(count: int, seed: int = 0) -> FlatRows:
    rng = np.random.default_rng(seed)
    cells = np.stack([rng.integers(0, height * width, count) for height, width in SHAPES])
    features = rng.normal(size=(count, 3)).astype(np.float32)
    return FlatRows(features, rng.integers(0, max(count, 1), (count, 2)), cells, np.arange(count))


def answer(model: onnx.ModelProto, rows: FlatRows) -> np.ndarray:
    sums = [cell_sums(cell, shape) for cell, shape in zip(rows.cells, SHAPES, strict=True)]
    session = open_onnxruntime(model.SerializeToString(), 1)
    given = {value.name for value in session.get_inputs()}
    return session.run(None, {name: array for name, array in file_inputs(rows, sums).items() if name in given})[0]


@pytest.mark.parametrize("count", [0, 1, 40])
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_a_spatial_mix_convolves_the_means_of_cells(plane, count):
    rng = np.random.default_rng(1)
    factor, shift, bias = rng.normal(size=(3, 3)).astype(np.float32)
    kernel, centre = rng.normal(size=(3, 1, 3, 3)).astype(np.float32), np.zeros((3, 1, 3, 3), np.float32)
    centre[:, :, 1, 1] = 1
    graph = FlatGraphBuilder(3, 2, SHAPES, "mix")
    mixed = graph.spatial_mix(
        "features", graph.scaled("features", (factor, shift)), plane, (kernel, bias), (centre, 2 * bias)
    )
    rows = some_rows(count)
    found = answer(graph.finish(mixed, IDENTITY), rows)
    height, width = SHAPES[plane]
    padded = np.zeros((height + 2, width + 2, 3))
    for cell in set(rows.cells[plane].tolist()):
        members = rows.features[rows.cells[plane] == cell]
        padded[1 + cell // width, 1 + cell % width] = (members * factor + shift).mean(axis=0)
    for row in range(count):
        y, x = divmod(int(rows.cells[plane, row]), width)
        around = (padded[y : y + 3, x : x + 3] * kernel[:, 0].transpose(1, 2, 0)).sum(axis=(0, 1))
        expected = rows.features[row] + np.maximum(around + bias, 0) + 2 * bias
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_an_embedding_takes_the_greatest_of_the_differences_to_neighbours():
    graph = FlatGraphBuilder(3, 2, SHAPES, "embedding")
    x = graph.embed(
        IDENTITY, IDENTITY, np.eye(3, dtype=np.float32), (np.eye(6, dtype=np.float32), np.ones(6, np.float32))
    )
    rows = some_rows(30)
    found = answer(graph.finish(x, (np.eye(6, dtype=np.float32), np.zeros(6, np.float32))), rows)
    difference = rows.features[rows.neighbours] - rows.features[:, None]
    around = np.maximum(difference, 0).max(axis=1)
    np.testing.assert_allclose(found, np.hstack([rows.features, around]) + 1, atol=1e-6)


def test_a_layer_over_a_plane_that_is_not_there_is_refused():
    with pytest.raises(BadRequest, match="expected one of the grids of the file, found 3"):
        FlatGraphBuilder(3, 2, SHAPES, "mix").spatial_mix("features", "features", 3, IDENTITY, IDENTITY)


def test_a_layer_norm_gives_each_row_its_own_mean_and_variance():
    rng = np.random.default_rng(5)
    factor, shift = rng.normal(size=(2, 3)).astype(np.float32)
    graph = FlatGraphBuilder(3, 2, SHAPES, "norm")
    rows = some_rows(20)
    found = answer(graph.finish(graph.layer_norm("features", (factor, shift), 1e-5), IDENTITY), rows)
    x = rows.features.astype(np.float64)
    normed = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(found, normed * factor + shift, atol=1e-5)


def _adds_at_indices(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Gather").op_type = "ScatterND"


def _unknown_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))


def _loose_grid(model: onnx.ModelProto) -> None:
    value = next(value for value in model.graph.input if value.name == "cells1")
    value.type.tensor_type.shape.dim[1].dim_param = "H"


def _other_width(model: onnx.ModelProto) -> None:
    value = next(value for value in model.graph.input if value.name == "lines0_1")
    value.type.tensor_type.shape.dim[1].dim_value = 4


def _broken_layer(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Conv").input[0] = "nowhere"


def _other_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = model.graph.node[0].output[0]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_adds_at_indices, "expected operators .* found :ScatterND"),
        (_unknown_input, "expected inputs .*'more'"),
        (_loose_grid, "expected inputs cells0 to cells2 of fixed sizes"),
        (_other_width, "expected inputs .*'lines0_1': .*16.* found .*'lines0_1': .*4"),
        (_broken_layer, "expected layers that fit together"),
        (_other_output, "expected one output logits"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(damage, told):
    model = tiny_waffleiron_model()
    damage(model)
    with pytest.raises(BadModelPackage, match=told):
        read_flat_graph(model)
