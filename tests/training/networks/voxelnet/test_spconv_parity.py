"""VoxelNet against spconv: every strided convolution and the whole, whose map points read bilinearly."""

import numpy as np
import pytest
import torch

from lidar_vl_core.voxels.encoder_tables import STRIDED
from lidar_vl_core.voxels.strided_conv import strided_conv_table
from offline_training.networks.foreign_weights import translate_weights
from offline_training.networks.sparse.convolution import sparse_conv
from offline_training.networks.sparse.maps import NeighbourTable
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from tests.training.networks.one_thread import one_thread
from tests.training.networks.voxelnet.spconv_voxelnet import SHAPE_ZYX, foreign_state, spconv_backbone
from tests.training.networks.voxelnet.voxelnet_clouds import PREPARER, cloud, random_norms

TOLERANCE = 1e-4


@pytest.mark.parametrize("conv", [STRIDED[0], STRIDED[2], STRIDED[3]], ids=["padding 1", "padding 0 1 1", "3 1 1"])
def test_each_strided_convolution_equals_that_of_spconv(conv):
    spconv = pytest.importorskip("spconv.pytorch")
    from spconv.core import ConvAlgo

    shape, rng = (14, 16, 11), np.random.default_rng(1)
    sites = np.unique(np.column_stack([rng.integers(0, 2, 300), *(rng.integers(0, n, 300) for n in shape)]), axis=0)
    x, weight = torch.randn(len(sites), 5), torch.randn(*conv.kernel, 5, 7)
    layer = spconv.SparseConv3d(
        5, 7, conv.kernel[::-1], conv.stride[::-1], conv.padding[::-1], bias=False, algo=ConvAlgo.Native
    )
    layer.weight.data = weight.permute(4, 2, 1, 0, 3).contiguous()
    indices = torch.from_numpy(np.ascontiguousarray(sites[:, [0, 3, 2, 1]])).int()
    with one_thread(), torch.no_grad():
        theirs = layer(spconv.SparseConvTensor(x, indices, shape[::-1], 2))
    cells, index = strided_conv_table(sites.astype(np.int32), shape, conv)
    table = NeighbourTable(torch.from_numpy(index.astype(np.int64)), len(sites))
    ours = sparse_conv(x, weight.reshape(-1, 5, 7), table, "offset")
    order = np.lexsort(theirs.indices[:, [1, 2, 3, 0]].numpy().T)
    np.testing.assert_array_equal(theirs.indices[:, [0, 3, 2, 1]].numpy()[order], cells)
    np.testing.assert_allclose(ours, theirs.features[order], rtol=0, atol=TOLERANCE)


def test_the_whole_network_equals_spconv_with_its_dense_map_read_bilinearly():
    spconv = pytest.importorskip("spconv.pytorch")
    scans = [cloud(2, 1500), cloud(3, 900)]
    inputs = PREPARER(scans)
    network = VoxelNet(None).eval()
    random_norms(network)
    backbone = spconv_backbone().eval()
    backbone.load_state_dict(foreign_state(network, 2))
    voxels = [PREPARER._mean_points(*scan)[0] for scan in scans]
    indices = np.concatenate([np.insert(coords[:, ::-1], 0, scan, axis=1) for scan, coords in enumerate(voxels)])
    start = spconv.SparseConvTensor(
        inputs.features, torch.from_numpy(np.ascontiguousarray(indices)).int(), SHAPE_ZYX, len(scans)
    )
    with one_thread(), torch.no_grad():
        theirs = backbone(start)
        ours = network.point_features(inputs)
    assert theirs.spatial_shape == [1, 128, 128]
    scan, _, y, x = theirs.indices.long().unbind(1)
    dense = torch.zeros(len(scans), 128, 128, 128)
    dense[scan, :, y, x] = theirs.features
    expected = np.concatenate(
        [read_bilinearly(dense[scan].numpy(), xyz_m[PREPARER._mean_points(xyz_m, intensity)[2]])
         for scan, (xyz_m, intensity) in enumerate(scans)]
    )  # fmt: skip
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("generation", [1, 2])
def test_the_whole_pre_trained_network_with_its_heads_equals_spconv_from_files_of_both_generations(generation):
    spconv = pytest.importorskip("spconv.pytorch")
    scan = cloud(5, 1500)
    inputs = PREPARER([scan])
    source = VoxelNet(None).eval()
    random_norms(source)
    backbone = spconv_backbone().eval()
    backbone.load_state_dict(foreign_state(source, 2))
    head = spconv.SparseConv3d(128, 64, 1, bias=False)
    file = foreign_state(source, generation)
    if generation == 2:
        file["final.weight"] = head.weight.detach()
    else:  # (1, 1, 1, C_in, C_out), which version 1 reads as it lies
        file["final.weight"] = torch.randn(1, 1, 1, 128, 64) * 0.1
        head.weight.data = file["final.weight"].reshape(head.weight.shape).contiguous()
    weights, heads = translate_weights(file, VoxelNet(None))
    network = VoxelNet(None).eval()
    network.load_state_dict(weights)

    coords = PREPARER._mean_points(*scan)[0]
    indices = torch.from_numpy(np.ascontiguousarray(np.insert(coords[:, ::-1], 0, 0, axis=1))).int()
    with one_thread(), torch.no_grad():
        theirs = head(backbone(spconv.SparseConvTensor(inputs.features, indices, SHAPE_ZYX, 1)))
        ours = network.point_features(inputs) @ heads["point.linear.weight"].t()
    _, _, y, x = theirs.indices.long().unbind(1)
    dense = torch.zeros(64, 128, 128)
    dense[:, y, x] = theirs.features.t()
    expected = read_bilinearly(dense.numpy(), scan[0][PREPARER._mean_points(*scan)[2]])
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


def read_bilinearly(bird_eye_map: np.ndarray, xyz_m: np.ndarray) -> np.ndarray:
    """(C, 128, 128) of rows y and columns x, point by point, clamped at the last cell."""
    rows = []
    for x_m, y_m, _ in xyz_m.astype(np.float64):
        x, y = (x_m + 51.2) / 0.1 / 8, (y_m + 51.2) / 0.1 / 8
        left, top = min(int(x), 127), min(int(y), 127)
        right, bottom = min(left + 1, 127), min(top + 1, 127)
        upper = bird_eye_map[:, top, left] * (1 - (x - left)) + bird_eye_map[:, top, right] * (x - left)
        lower = bird_eye_map[:, bottom, left] * (1 - (x - left)) + bird_eye_map[:, bottom, right] * (x - left)
        rows.append(upper * (1 - (y - top)) + lower * (y - top))
    return np.array(rows)
