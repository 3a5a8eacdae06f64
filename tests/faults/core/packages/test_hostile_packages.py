"""Packages written by somebody who knows how they are sealed: each is refused in one line before any work."""

import io
import shutil
import zipfile

import numpy as np
import pytest

from lidar_vl_core.commands.cli import main
from lidar_vl_core.engines.session import open_session
from lidar_vl_core.foundation.errors import BadModelPackage, BadTextTable, shortened
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.model_packages.package_files import as_bad_package
from lidar_vl_core.words.text_table_file import read_text_table
from tests.faults.core.packages.resealed_packages import put, refusal, reseal


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
