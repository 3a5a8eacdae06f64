"""Packages written by somebody who knows how they are sealed: each is refused in one line before any work."""

import hashlib
import io
import shutil
import zipfile

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from lidar_vl_core.commands.cli import main
from lidar_vl_core.engines.session import open_session
from lidar_vl_core.foundation.errors import BadModelPackage, BadTextTable, shortened
from lidar_vl_core.model_packages.manifest_text import steering_character
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.model_packages.package_files import as_bad_package, sealed_manifest
from lidar_vl_core.sparse_model.onnx_form import SparseGraphBuilder
from lidar_vl_core.words.text_table_file import read_text_table
from tests.written.tiny_detectors import ANCHORS, write_tiny_detector
from tests.written.tiny_package import write_two_class_package

MOST_CHARACTERS = 1500


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    rng = np.random.default_rng(0)
    builder = SparseGraphBuilder(1, 1, "tiny")
    weight = rng.normal(size=(27, 1, 3)).astype(np.float32)
    hidden = builder.relu(builder.sparse_conv("features", "subm0", weight, np.zeros(3, np.float32)))
    model = builder.finish(builder.linear(hidden, np.ones((3, 2), np.float32), np.zeros(2, np.float32)))
    return write_two_class_package(tmp_path_factory.mktemp("models") / "tiny", model)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "detector"
    write_tiny_detector(folder, ANCHORS)
    return folder


@pytest.fixture
def package(original, tmp_path):
    return shutil.copytree(original, tmp_path / "package")


def reseal(folder, change=lambda fields: None) -> None:
    """Write hashes and seal that fit the files as they are, and the manifest as it was changed."""
    path = folder / "manifest.yaml"
    fields = yaml.safe_load(path.read_text())
    fields.pop("manifest_sha256")
    fields["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in fields["files"]}
    change(fields)
    path.write_bytes(sealed_manifest(fields))


def refusal(folder) -> str:
    with pytest.raises(BadModelPackage) as refused:
        load_model_package(folder)
    told = str(refused.value)
    assert "expected" in told
    assert len(told) < MOST_CHARACTERS
    assert steering_character(told) is None
    return told


def put(place: str, value: object):
    """A change of a manifest's fields: what a dotted name leads to becomes this value."""

    def change(fields: dict) -> None:
        *path, last = place.split(".")
        for key in path:
            fields = fields[key]
        fields[last] = value

    return change


def test_the_package_and_its_resealed_copy_are_accepted(package):
    reseal(package)
    load_model_package(package)


@pytest.mark.parametrize(
    "card",
    [b"\xff\xfe", b"# Card \x80", b"\x89PNG\r\n\x1a\n", b"a\x00b", b"\x1b[2Jgone", "\x9b2J".encode(), "\u202etxt".encode(), b"a" * 1_000_001],
    ids=["utf16", "latin", "png", "nul", "escape", "c1", "right to left", "long"],
)  # fmt: skip
def test_a_card_that_is_no_plain_text_is_refused_at_once(package, card):
    (package / "card.md").write_bytes(card)
    reseal(package)
    assert "card.md" in refusal(package)


HUGE = 10**400
WRONG = [
    *[("class_table.colors_rgb", [[number, 0, 0], [1, 1, 1]]) for number in (300, 256, -1, HUGE, 1.5, "red", None)],
    *[("class_table.colors_rgb", colors) for colors in ([], [[1, 1, 1]], [[1, 1], [2, 2]], [[0, 0, 0]] * 3, 7, {"a": 1})],
    *[("class_table.names", names) for names in ([], ["a"], ["a", "a"], ["a", ""], ["a", "b\n"], ["a", "\x1b[2J"], ["a", " "])],
    ("class_table.names", ["a", "b" * 10_000]),
    ("class_table.name", ""),
    ("class_table", [1]),
    *[("name", name) for name in ("", " ", "a\nb", "\x07", "\u202ea", "n" * 10_000, 7, None, ["a"])],
    *[("levels", levels) for levels in (0, -1, 2, 99, HUGE, 1.5, float("nan"), True)],
    *[("opset", opset) for opset in (0, -1, 17, 10**9, HUGE, "18")],
    *[("features", features) for features in ([], ["one", "one"], [""], ["\x00"], ["one"] * 5000, "one", [["one"]])],
    *[("grid.voxel_size", size) for size in ([0, 1, 1], [-1, 1, 1], [1, 1], [1] * 4, [float("nan"), 1, 1], [1e-30, 1, 1], [HUGE, 1, 1])],
    *[("grid.point_cloud_range", box) for box in ([0] * 6, [8, 8, 8, -8, -8, -8], [0, 0, 0, 1], [0, 0, 0, float("inf"), 1, 1], [-1e308, 0, 0, 1e308, 1, 1])],
    *[("grid.kind", kind) for kind in ("spherical", "", "k" * 100_000, "\x1b")],
    *[("licence", licence) for licence in ("l" * 100_000, "\x1b]0;title\x07", "\x00", 1)],
    ("limits", ["\x9b"]),
    ("limits", "none"),
    ("training_data", ["\u2028"]),
    ("producer.version", "\x1b"),
    ("producer", "me"),
    ("precision", "fp8"),
    ("format", 1e400),
    ("files", {}),
    ("files", {"model.onnx": "", "card.md": "0"}),
    ("files", {f"{number}.bin": "0" * 64 for number in range(1000)}),
    ("training_sweeps", {"sweeps": 1, "ranges": {"points": [float("nan"), 1]}}),
]  # fmt: skip


@pytest.mark.parametrize("place", sorted({place for place, _ in WRONG}))
def test_no_wrong_value_of_a_manifest_gets_in(package, place):
    whole = (package / "manifest.yaml").read_bytes()
    for value in (value for key, value in WRONG if key == place):
        (package / "manifest.yaml").write_bytes(whole)
        reseal(package, put(place, value))
        refusal(package)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("detection.most_voxels", 10**12),
        ("detection.most_points", HUGE),
        ("detection.selection.most_boxes", 10**18),
        ("detection.selection.least_score", float("nan")),
        ("detection.head.kinds", [{"class_id": 0, "size_m": [1e300, 1, 1], "bottom_m": 0, "yaws_rad": [0]}]),
        ("detection.head.kinds", [{"class_id": 0, "size_m": [1, 1, 1], "bottom_m": 1e300, "yaws_rad": [0]}]),
        ("detection.head.kinds", [{"class_id": 0, "size_m": [1, 1, 1], "bottom_m": 0, "yaws_rad": [0] * 1000}]),
        ("detection.head.kinds", [{"class_id": 300, "size_m": [1, 1, 1], "bottom_m": 0, "yaws_rad": [0]}]),
        ("class_table.colors_rgb", [[300, 0, 0]]),
    ],
)
def test_no_wrong_number_of_a_detector_gets_in(detector, tmp_path, place, value):
    folder = shutil.copytree(detector, tmp_path / "detector")
    reseal(folder, put(place, value))
    refusal(folder)


def model_refusal(folder, change) -> str:
    model = onnx.load(folder / "model.onnx")
    changed = change(model)
    (folder / "model.onnx").write_bytes(changed if isinstance(changed, bytes) else model.SerializeToString())
    reseal(folder)
    return refusal(folder)


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


def test_a_manifest_too_long_to_parse_in_a_moment_is_refused(package):
    reseal(package, put("licence", "l" * 300_000))
    assert "manifest.yaml" in refusal(package)


def test_what_nothing_else_refuses_is_an_error_of_the_package():
    with (
        pytest.raises(BadModelPackage, match=r"folder: expected .* found: RecursionError: too deep"),
        as_bad_package("folder"),
    ):
        raise RecursionError("too\ndeep")


def test_an_engine_that_cannot_open_a_file_says_so_in_one_line(package, monkeypatch):
    loaded = load_model_package(package)

    def refuses(*_):
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL :\nno")

    monkeypatch.setattr("lidar_vl_core.engines.onnx_runtime.open_onnxruntime", refuses)
    with pytest.raises(BadModelPackage, match=r"package: expected .* FAIL : no\. "):
        open_session(loaded, "onnxruntime")


def test_the_command_leaves_with_2_and_one_line(package, tmp_path, capsys):
    (package / "card.md").write_bytes(b"\xff")
    reseal(package)
    np.random.default_rng(0).uniform(0, 1, (100, 4)).astype(np.float32).tofile(tmp_path / "cloud.bin")
    out = tmp_path / "out.pcd"
    words = ["segment", str(tmp_path / "cloud.bin"), "--out", str(out), "--model", str(package)]
    assert main([*words, "--columns", "x,y,z,intensity"]) == 2
    said = capsys.readouterr().err
    assert "card.md" in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_foreign_text_is_one_bounded_line():
    assert shortened("a\nb\x1b[2J\u202e") == "a b\\x1b[2J\\u202e"
    assert len(shortened("\x1b" * 10**6)) <= 300


def test_a_text_table_that_claims_a_size_nothing_fills_is_refused(tmp_path):
    path, header = tmp_path / "text_table.npz", io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)})
    np.savez(path, unknown_threshold=np.array(0.5))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("names.npy", header.getvalue())
    with pytest.raises(BadTextTable, match=r"text_table.npz: expected a text table"):
        read_text_table(path)
