"""The toy image teacher without classes: places of two views belong together, it learns, and its probe says how much."""

import torch

from offline_training.networks.image.espnet import ESPNet
from offline_training.toys import unlabelled_teacher
from offline_training.toys.pixel_probe import pixel_probe, probed_quality
from offline_training.toys.toy_teacher_config import ToyTeacherConfig


def pictures(count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Red below, blue above, with noise; the classes are 0 and 1, and 2 where nothing is known."""
    generator = torch.Generator().manual_seed(1)
    rgb = torch.randint(0, 80, (count, 3, 64, 96), generator=generator)
    classes = torch.zeros(count, 64, 96, dtype=torch.int64)
    for number in range(count):
        horizon = 20 + 4 * number
        rgb[number, 2, :horizon] += 150
        rgb[number, 0, horizon:] += 150
        classes[number, :horizon] = 1
    classes[:, :, :8] = 2
    return rgb.to(torch.uint8), classes


def test_common_places_show_the_same_point_of_the_picture_in_both_views():
    row, column = torch.meshgrid(torch.linspace(0.3, 0.6, 64), torch.linspace(0.3, 0.6, 96), indexing="ij")
    images = torch.stack([row, column, torch.full_like(row, 0.45)])[None].repeat(4, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    one, other = (unlabelled_teacher._view(images, generator) for _ in range(2))
    places, is_seen = unlabelled_teacher._common_places(one.grid, other.grid, generator)
    assert is_seen.float().mean() > 0.3
    at = [
        place @ view.grid[:, :, :2].mT + view.grid[:, None, :, 2]
        for view, place in zip((one, other), places, strict=True)
    ]
    torch.testing.assert_close(at[0], at[1], atol=1e-5, rtol=0)
    assert (at[0].abs() <= 1).all()  # within the picture


def test_views_that_share_no_place_have_no_loss_and_a_gradient_of_zero():
    images = torch.rand(2, 3, 64, 96)
    left, right = (torch.tensor([[0.5, 0.0, shift], [0.0, 1.0, 0.0]]).repeat(2, 1, 1) for shift in (-0.5, 0.5))
    one, other = unlabelled_teacher._View(images, left), unlabelled_teacher._View(images, right)
    network = ESPNet(8).train()
    loss = unlabelled_teacher.view_contrast(network, one, other, torch.Generator().manual_seed(0))
    loss.backward()
    assert float(loss) == 0.0
    assert all(not each.grad.any() for each in network.parameters() if each.grad is not None)


def test_it_learns_to_know_places_again(tmp_path):
    rgb, _ = pictures()
    source = {"kind": "synthetic", "folder": str(tmp_path)}
    config = ToyTeacherConfig(out="", train=source, test=source, learns="views", steps=12, batch_size=4)
    images = rgb.float() / 255

    def loss(network: ESPNet) -> float:
        generator = torch.Generator().manual_seed(3)
        views = (unlabelled_teacher._view(images, generator) for _ in range(2))
        with torch.no_grad():
            return float(unlabelled_teacher.view_contrast(network.train(), *views, generator))

    torch.manual_seed(0)
    before = loss(ESPNet(32))
    assert loss(unlabelled_teacher.taught_by_views(config, rgb)) < before - 0.3


def test_a_probe_of_colours_tells_red_from_blue_and_leaves_out_what_is_unknown():
    train, test = pictures(4), pictures(2)
    confusion = pixel_probe(lambda images: images, train, test, 2, ignored=2)
    assert confusion.mean_iou() > 0.95
    assert confusion.points < 2 * 150


def test_the_quality_of_a_teacher_is_told_beside_fresh_weights_and_colours():
    train = pictures(4)
    found = probed_quality(ESPNet(8).eval(), train, pictures(2), 2, 2)["probe_mean_iou"]
    assert set(found) == {"taught", "fresh weights", "colours"}
    assert all(0.0 <= value <= 1.0 for value in found.values())


def test_reports_of_teachers_of_classes_read_as_before():
    source = {"kind": "synthetic", "folder": "x"}
    assert "learns" not in ToyTeacherConfig(out="", train=source, test=source).asked()
    assert ToyTeacherConfig(out="", train=source, test=source, learns="views").asked()["learns"] == "views"
