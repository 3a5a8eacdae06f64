"""Heads: unit vectors, and single pixels that equal the whole upsampled picture."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from offline_training.networks.projection_heads import PixelHead, PointHead, ProjectionHeads


@settings(max_examples=30)
@given(
    stride=st.sampled_from([1, 2, 4, 14, 32]),
    images=st.integers(1, 3),
    rows=st.integers(1, 4),
    columns=st.integers(1, 5),
    pairs=st.sampled_from([2, 40]),  # with few of them only their own pixels are projected
    seed=st.integers(0, 99),
)
def test_single_pixels_equal_the_upsampled_picture_in_value_and_gradient(stride, images, rows, columns, pairs, seed):
    torch.manual_seed(seed)
    head = PixelHead(6, 5, stride).double()
    teacher_map = torch.randn(images, 6, rows, columns, dtype=torch.float64, requires_grad=True)
    height, width = rows * stride, columns * stride
    image_index = torch.randint(images, (pairs,))
    pixel_uv = torch.stack([torch.randint(width, (pairs,)), torch.randint(height, (pairs,))], dim=1)
    answer = torch.randn(pairs, 5, dtype=torch.float64)

    single = head.at(teacher_map, image_index, pixel_uv, (height, width))
    whole = head(teacher_map)[image_index, :, pixel_uv[:, 1], pixel_uv[:, 0]]
    torch.testing.assert_close(single, whole)
    inputs = (teacher_map, *head.parameters())
    for ours, theirs in zip(
        torch.autograd.grad((single * answer).sum(), inputs),
        torch.autograd.grad((whole * answer).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-7)


def test_a_pixel_head_projects_before_it_upsamples_and_normalises_last():
    head = PixelHead(3, 4, 2)
    teacher_map = torch.randn(1, 3, 3, 3)
    upsampled = F.interpolate(teacher_map, size=(6, 6), mode="bilinear", align_corners=True)
    projected = torch.einsum("oc,ichw->iohw", head.conv.weight[:, :, 0, 0], upsampled) + head.conv.bias[:, None, None]
    torch.testing.assert_close(head(teacher_map), projected / projected.norm(dim=1, keepdim=True))


def test_no_pixels_give_no_rows_with_a_gradient_path():
    head = PixelHead(3, 4, 2)
    rows = head.at(torch.randn(1, 3, 2, 2), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2), (4, 4))
    assert rows.shape == (0, 4)
    rows.sum().backward()
    assert head.conv.weight.grad is not None


def test_a_map_of_other_pictures_is_refused():
    head = PixelHead(3, 4, 4)
    with pytest.raises(ValueError, match=r"images of \(8, 16\) pixels, found 2 x 2 cells"):
        head.at(torch.randn(1, 3, 2, 2), torch.zeros(1, dtype=torch.int64), torch.zeros(1, 2), (8, 16))


def test_a_point_head_gives_unit_rows():
    head = PointHead(96)
    assert head(torch.randn(10, 96)).norm(dim=1).allclose(torch.ones(10))
    assert sum(parameter.numel() for parameter in head.parameters()) == 6_208  # OLIVINE's second 3D head


def test_decoupled_heads_are_four_and_coupled_ones_two():
    decoupled, coupled = ProjectionHeads(96, 32, 4), ProjectionHeads(96, 32, 4, decoupled=False)
    assert decoupled.point(torch.randn(7, 96)).shape == decoupled.class_point(torch.randn(7, 96)).shape == (7, 64)
    assert decoupled.pixel(torch.randn(2, 32, 3, 4)).shape == decoupled.class_pixel(torch.randn(2, 32, 3, 4)).shape
    assert (coupled.class_point, coupled.class_pixel) == (None, None)
    assert len(list(decoupled.parameters())) == 2 * len(list(coupled.parameters()))
