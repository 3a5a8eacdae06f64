"""Feature similarity as a figure: one point against all pixels of its image and all points (OLIVINE, figure 7)."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from offline_training.networks.base.point_backbone import PointBackbone, Preparer
from offline_training.networks.image.image_teacher import ImageTeacher
from offline_training.networks.projection_heads import ProjectionHeads
from offline_training.pretraining.base.objective import PointFeatures
from offline_training.pretraining.views.paired_scan import PairedScan
from offline_training.pretraining.views.pretrain_batch import collate_pairs


def similarity_picture(
    network: PointBackbone,
    heads: ProjectionHeads,
    teacher: ImageTeacher,
    preparer: Preparer,
    scan: PairedScan,
    anchor: int,
    device: torch.device,
) -> Figure:
    """The figure for the point of a pair; the network's mode is restored. anchor: the pair's number in the scan."""
    to_pixels, to_points = _similarities(network, heads, teacher, preparer, scan, anchor, device)
    figure = Figure(figsize=(15, 4), layout="constrained")
    shown, pixels, points = figure.subplots(1, 3, width_ratios=(4, 4, 3))
    picture = scan.images[scan.image_index[anchor]]
    shown.imshow(picture)
    shown.set_title("the anchor point in its image")
    pixels.imshow(to_pixels, vmin=-1.0, vmax=1.0, cmap="turbo")
    pixels.set_title("cosine to the pixel features")
    for axes in (shown, pixels):
        axes.plot(*scan.pixel_uv[anchor], "w+", markersize=14, markeredgewidth=2)
        axes.set_axis_off()
    _draw_points(points, scan, to_points, anchor)
    return figure


def _similarities(
    network: PointBackbone,
    heads: ProjectionHeads,
    teacher: ImageTeacher,
    preparer: Preparer,
    scan: PairedScan,
    anchor: int,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of the anchor's feature to the pixels (H, W) and to the points (N,), NaN for points without a row."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        batch = collate_pairs([scan], preparer).to(device)
        rows = PointFeatures.of(network, batch.inputs).rows(heads.point)
        row_of_point = batch.inputs.row_of_point
        feature = rows[row_of_point[int(scan.point_index[anchor])]]
        image = int(scan.image_index[anchor])
        pixels = heads.pixel(teacher(batch.rgb()[image : image + 1]))[0]
        to_pixels = torch.einsum("c,chw->hw", feature, pixels)
        to_points = torch.where(row_of_point >= 0, (rows @ feature)[row_of_point], torch.nan)
    network.train(was_training)
    return to_pixels.cpu().numpy(), to_points.cpu().numpy()


def _draw_points(axes: Axes, scan: PairedScan, cosine: np.ndarray, anchor: int) -> None:
    """Draw a bird's-eye view, the most similar points on top."""
    order = np.argsort(np.nan_to_num(cosine, nan=-2.0))
    x_m, y_m, _ = scan.xyz_m[order].T
    drawn = axes.scatter(x_m, y_m, s=0.6, c=cosine[order], vmin=-1.0, vmax=1.0, cmap="turbo", linewidths=0)
    axes.plot(*scan.xyz_m[scan.point_index[anchor], :2], "k+", markersize=14, markeredgewidth=2)
    axes.set_aspect("equal")
    axes.set_title("cosine to all points, from above (m)")
    axes.figure.colorbar(drawn, ax=axes)
