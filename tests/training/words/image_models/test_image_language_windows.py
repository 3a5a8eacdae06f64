"""Windows over a picture: every cell is read, overlaps are averaged, the last window is flush with the border."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.words.image_models.base.picture_windows import WindowSizes, read_in_windows, scaled_picture


@st.composite
def _sizes(draw):
    cell = draw(st.integers(1, 6))
    window = draw(st.integers(1, 6)) * cell
    return WindowSizes(draw(st.integers(cell, 60)), window, draw(st.integers(cell, window)), cell)


_SIDES = st.tuples(st.integers(1, 9), st.integers(1, 9))  # cells


def _picture(sizes, sides):
    generator = torch.Generator().manual_seed(0)
    return torch.rand((3, sides[0] * sizes.cell_px, sides[1] * sizes.cell_px), generator=generator)


@settings(max_examples=40)
@given(_sizes(), _SIDES)
def test_what_a_cell_says_of_itself_alone_comes_back_at_its_place(sizes, sides):
    picture = _picture(sizes, sides)
    cells = read_in_windows(picture, lambda windows: functional.avg_pool2d(windows, sizes.cell_px), sizes)
    assert cells.shape == (3, *sides)
    torch.testing.assert_close(cells, functional.avg_pool2d(picture, sizes.cell_px))


@settings(max_examples=40)
@given(_sizes(), _SIDES)
def test_a_cell_in_several_windows_gets_their_mean(sizes, sides):
    picture = _picture(sizes, sides)
    places = []  # of every window, found by its first pixel, which is unlike any other
    answers = []

    def read(windows):
        means = windows.mean(dim=(1, 2, 3))
        for window, mean in zip(windows, means, strict=True):
            top, left = torch.nonzero((picture == window[:, :1, :1]).all(dim=0))[0].tolist()
            places.append(
                (top // sizes.cell_px, left // sizes.cell_px, *(side // sizes.cell_px for side in window.shape[1:]))
            )
            answers.append(float(mean))
        return means[:, None, None, None].expand(-1, 1, *(side // sizes.cell_px for side in windows.shape[2:]))

    cells = read_in_windows(picture, read, sizes)[0]
    for row in range(sides[0]):
        for column in range(sides[1]):
            held = [
                answer
                for (top, left, height, width), answer in zip(places, answers, strict=True)
                if top <= row < top + height and left <= column < left + width
            ]
            assert held, "no window holds this cell"
            assert float(cells[row, column]) == pytest.approx(np.mean(held), abs=1e-5)
    assert max(top + height for top, _, height, _ in places) == sides[0]
    assert max(left + width for _, left, _, width in places) == sides[1]


def _starts_along(width_px, sizes):
    """First pixels of the windows over a picture one window high, whose pixels are numbered."""
    picture = torch.arange(width_px, dtype=torch.float32).expand(3, sizes.window_px, width_px)
    starts = []

    def read(windows):
        starts.extend(windows[:, 0, 0, 0].int().tolist())
        return functional.avg_pool2d(windows, sizes.cell_px)

    read_in_windows(picture, read, sizes)
    return starts


@pytest.mark.parametrize(
    ("width_px", "cell_px", "expected"),
    [
        (224, 16, [0]),
        (336, 16, [0, 112]),
        (448, 16, [0, 112, 224]),
        (592, 16, [0, 112, 224, 336, 368]),  # the last one is flush with the border
        (448, 14, [0, 112, 224]),
        (448, 32, [0, 96, 224]),  # 112 px is no whole cell of 32: the cell it falls into
    ],
)
def test_windows_of_224_px_lie_112_px_apart(width_px, cell_px, expected):
    assert _starts_along(width_px, WindowSizes(336, 224, 112, cell_px)) == expected


@pytest.mark.parametrize(
    ("shape", "cell_px", "expected"),
    [
        ((480, 640), 16, (336, 448)),
        ((1080, 1920), 16, (336, 592)),
        ((640, 480), 14, (448, 336)),
        ((10, 2000), 16, (336, 67200)),
    ],
)
def test_the_short_side_is_scaled_and_both_are_whole_cells(shape, cell_px, expected):
    picture = np.full((*shape, 3), 77, np.uint8)
    scaled = scaled_picture(picture, WindowSizes(336, 224, 112, cell_px))
    assert scaled.shape == (*expected, 3)
    assert (scaled == 77).all()


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ((336, 230, 112, 16), "window_px: expected a multiple of the model's cells of 16 px, found 230. Use 224"),
        ((336, 8, 8, 16), "window_px.*Use 16"),
        ((336, 224, 240, 16), "stride_px: expected 16"),
        ((336, 224, 0, 16), "stride_px"),
        ((8, 224, 112, 16), "short_side_px"),
    ],
)
def test_sizes_that_leave_gaps_or_cut_cells_are_refused(sizes, found):
    with pytest.raises(BadConfig, match=found):
        WindowSizes(*sizes)
