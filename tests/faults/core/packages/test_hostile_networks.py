"""Networks that no exporter writes, in packages sealed again: none gets in."""

import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.faults.core.packages.resealed_packages import model_refusal


def renamed(old: str, new: str):
    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]

    return change


@pytest.mark.parametrize("value", ["sparseconv_0", "relu_1"])
@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a.start",
        "sparseconv_0.weight",
        "subm0.in",
        "features",
        "subm0",
        "logits",
        "a\nb",
        "\x1b[2J",
        "n" * 5000,
    ],
)
def test_no_name_of_a_value_meets_one_that_an_engine_adds(package, value, name):
    model_refusal(package, renamed(value, name))


def _doubled_weight(model):
    model.graph.initializer.append(model.graph.initializer[0])


def _weight_for_an_input(model):
    model.graph.initializer.append(numpy_helper.from_array(np.ones((4, 1), np.float32), "features"))


def _doubled_input(model):
    model.graph.input.append(model.graph.input[0])


def _turned_order(model):
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _wide(times):
    def change(model):
        last, *_ = (node for node in model.graph.node if node.op_type == "Gemm")
        name = last.output[0]
        answer = model.graph.node.pop()
        for number in range(times):
            model.graph.node.append(helper.make_node("Concat", [name, name], [f"c{number}"], f"c{number}", axis=1))
            name = f"c{number}"
        answer.input[0] = name
        model.graph.node.append(answer)

    return change


def _wide_tail(model):
    """Millions of channels on the way from the map to the boxes, which nothing reads."""
    name = next(node.output[0] for node in model.graph.node if node.op_type == "Conv")
    for number in range(25):
        model.graph.node.append(helper.make_node("Concat", [name, name], [f"c{number}"], f"c{number}", axis=1))
        name = f"c{number}"


def _weight(**changes):
    def change(model):
        tensor = model.graph.initializer[0]
        for name, value in changes.items():
            if name == "dims":
                tensor.dims[:] = value
            else:
                setattr(tensor, name, value)

    return change


def _opset(version):
    def change(model):
        model.opset_import[0].version = version

    return change


def _ir(version):
    def change(model):
        model.ir_version = version

    return change


def _without_opset(model):
    del model.opset_import[:]


def _function_that_calls_itself(model):
    body = model.functions[0]
    body.node.append(helper.make_node(body.name, list(body.input), ["again"], domain=body.domain))


def _not_a_number(model):
    tensor = model.graph.initializer[0]
    weight = numpy_helper.to_array(tensor).copy()
    weight[0] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))


DAMAGE = {
    "a weight twice": _doubled_weight,
    "a weight for an input": _weight_for_an_input,
    "an input twice": _doubled_input,
    "values before they are computed": _turned_order,
    "2^13 channels": _wide(13),
    "2^40 channels": _wide(40),
    "2^2000 channels": _wide(2000),
    "short bytes": _weight(raw_data=b"\0" * 7),
    "long bytes": _weight(raw_data=b"\0" * 4096),
    "no bytes": _weight(raw_data=b""),
    "negative size": _weight(dims=[-27, -1, 3]),
    "huge size": _weight(dims=[2**62, 2**62, 2**62]),
    "zero size": _weight(dims=[27, 0, 3]),
    "seventy sizes": _weight(dims=[1] * 69 + [81]),
    "unknown type": _weight(data_type=99),
    "text for numbers": _weight(data_type=TensorProto.STRING),
    "halves for floats": _weight(data_type=TensorProto.FLOAT16),
    "no opset": _without_opset,
    "opset 0": _opset(0),
    "opset 9": _opset(9),
    "opset 9999": _opset(9999),
    "opset of 63 bits": _opset(2**63 - 1),
    "newer file": _ir(1000),
    "NaN": _not_a_number,
    "a function that calls itself": _function_that_calls_itself,
    "nothing": lambda model: b"",
    "cut": lambda model: model.SerializeToString()[:-3],
    "cut in half": lambda model: model.SerializeToString()[: model.ByteSize() // 2],
    "twice": lambda model: model.SerializeToString() * 2,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_no_damaged_network_gets_in(package, kind):
    assert str(package) in model_refusal(package, DAMAGE[kind])


@pytest.mark.parametrize(
    "kind", ["a weight twice", "an input twice", "short bytes", "opset 9999", "NaN", "cut", "huge size"]
)
def test_no_damaged_detector_gets_in(detector, tmp_path, kind):
    model_refusal(shutil.copytree(detector, tmp_path / "detector"), DAMAGE[kind])


def test_a_tail_that_fills_the_memory_is_refused_before_it_does(detector, tmp_path):
    assert "numbers" in model_refusal(shutil.copytree(detector, tmp_path / "detector"), _wide_tail)
