"""Label files of KITTI: what is read, what is written, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.boxes.kitti_objects import (
    KINDS,
    KittiObjects,
    read_kitti_folder,
    read_kitti_objects,
    write_kitti_objects,
)
from lidar_vl_core.foundation.errors import BadBoxes, BadLabels

CAR = "Car 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57"
AREA = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"

numbers = st.floats(-500, 500).map(lambda value: round(value, 4))


@st.composite
def objects(draw: st.DrawFn) -> KittiObjects:
    count = draw(st.integers(0, 4))

    def columns(*shape: int) -> np.ndarray:
        size = int(np.prod((count, *shape)))
        return np.array(draw(st.lists(numbers, min_size=size, max_size=size))).reshape(count, *shape)

    return KittiObjects(
        np.array(draw(st.lists(st.sampled_from(KINDS), min_size=count, max_size=count)), str),
        columns().round(2),
        np.array(draw(st.lists(st.integers(-1, 3), min_size=count, max_size=count)), np.int64),
        columns(),
        np.sort(columns(2, 2), axis=1).reshape(count, 4),
        np.abs(columns(3)),
        columns(3),
        columns(),
        columns() if draw(st.booleans()) else None,
    )


@settings(max_examples=30)
@given(objects())
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, written: KittiObjects) -> None:
    path = tmp_path_factory.mktemp("labels") / "000000.txt"
    write_kitti_objects(path, written)
    read = read_kitti_objects(path)
    assert read.kind.tolist() == written.kind.tolist()
    assert (read.score is None) == (written.score is None or len(written) == 0)
    for name in ("truncated", "occluded", "alpha_rad", "bbox_px", "size_hwl_m", "bottom_m", "turned_rad"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    lines = path.read_text().splitlines()
    assert {len(line.split()) for line in lines} <= {15 if written.score is None else 16}


def _read(tmp_path: Path, text: str) -> KittiObjects:
    (tmp_path / "000007.txt").write_text(text)
    return read_kitti_objects(tmp_path / "000007.txt")


def test_labels_have_fifteen_columns_and_predictions_sixteen(tmp_path: Path) -> None:
    labels = _read(tmp_path, f"{CAR}\n{AREA}\n\n")
    assert labels.kind.tolist() == ["Car", "DontCare"]
    assert labels.score is None
    assert labels.size_hwl_m[0].tolist() == [1.67, 1.87, 3.69]
    assert labels.bottom_m[0].tolist() == [-16.53, 2.39, 58.49]
    assert labels.taken(np.array([True, False])).bbox_px.tolist() == [[387.63, 181.54, 423.81, 203.12]]
    found = _read(tmp_path, f"{CAR} 0.75\n")
    assert found.score.tolist() == [0.75]
    assert found.taken(np.array([0, 0])).score.tolist() == [0.75, 0.75]


def test_an_empty_file_has_no_objects(tmp_path: Path) -> None:
    assert len(_read(tmp_path, "")) == 0


def test_kinds_are_read_in_any_case_as_the_official_tool_does(tmp_path: Path) -> None:
    assert _read(tmp_path, CAR.replace("Car", "CAR")).kind.tolist() == ["Car"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CAR.rpartition(" ")[0], "line 1: expected 15 columns, or 16 with a score, found 14"),
        (f"{CAR} 0.5 7", "line 1: expected 15 columns, or 16 with a score, found 17"),
        (f"{CAR}\n\n{CAR} 0.5", "line 3: expected 15 as in line 1, found 16"),
        (CAR.replace("1.85", "left"), "line 1: expected numbers after the type"),
        (CAR.replace("1.85", "nan"), "alpha_rad: expected finite numbers, found nan in row 0"),
        (CAR.replace("1.85", "inf"), "alpha_rad: expected finite numbers, found inf in row 0"),
        (f"{CAR}\n\n{CAR.replace('1.85', 'nan')}", "000007.txt, line 3: alpha_rad: expected finite numbers"),
        (f"{CAR}\n{CAR.replace('Car', 'Cat')}", "000007.txt, line 2: type: expected one of Car"),
        (CAR.replace(" 0 ", " inf "), "line 1: expected a whole number for occluded, found inf"),
        (CAR.replace(" 0 ", " 0.5 "), "line 1: expected a whole number for occluded, found 0.5"),
        (CAR.replace("3.69", "-3.69"), "size_hwl_m: expected sizes >= 0"),
        (CAR.replace("387.63", "587.63"), "bbox_px: expected left <= right"),
        (CAR.replace("Car", "Cat"), "type: expected one of Car, .*found 'Cat'. Did you mean Car?"),
        ("\x89PNG\xff", "expected a label file of KITTI"),
    ],
)
def test_files_that_are_no_labels_are_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "000007.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadLabels, match=told) as caught:
        read_kitti_objects(tmp_path / "000007.txt")
    assert "000007.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(f"{CAR}\n{AREA}\n{CAR}\n".encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from(b" \n-.e0n9x\x00\xff\t"))
    path = tmp_path_factory.mktemp("labels") / "000000.txt"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read = read_kitti_objects(path)
    except BadLabels as error:
        assert "\n" not in str(error)  # noqa: PT017 - a file may be read, too
    else:
        assert np.isfinite(read.bbox_px).all()


def test_a_folder_without_label_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match="expected label files"):
        read_kitti_folder(tmp_path)
    with pytest.raises(BadLabels, match="No such file"):
        read_kitti_objects(tmp_path / "000000.txt")


def test_a_folder_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "000001.txt").write_text(CAR)
    (tmp_path / "000000.txt").write_text("")
    assert {name: len(read) for name, read in read_kitti_folder(tmp_path).items()} == {"000000": 0, "000001": 1}


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    one, box = np.zeros(1), np.zeros((1, 4))
    with pytest.raises(BadBoxes, match=r"bottom_m: expected shape \(1, 3\), found \(1, 2\)"):
        KittiObjects(np.array(["Car"]), one, np.zeros(1, int), one, box, np.ones((1, 3)), np.ones((1, 2)), one)
    with pytest.raises(BadBoxes, match=r"score: expected shape \(1,\), found \(2,\)"):
        KittiObjects(
            np.array(["Car"]), one, np.zeros(1, int), one, box, np.ones((1, 3)), np.ones((1, 3)), one, np.ones(2)
        )
