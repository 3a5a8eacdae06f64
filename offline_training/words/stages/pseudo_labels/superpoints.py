"""Superpoints of a cloud: connected cells with similar normals and, if available, colours."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from offline_training.words.scenes.voxel_rows import voxel_rows

_NEIGHBOURS = 12  # number of cells for estimating the normal of a cell
_REACH = 1.8  # cells: neighbours share a face, an edge or a corner (sqrt 3)


def superpoints(
    xyz_m: np.ndarray, rgb: np.ndarray | None, cell_m: float, angle_deg: float, colour: float
) -> np.ndarray:
    """(N,) int64 superpoint of each point, from 0; -1 for non-finite points.

    Points are grouped into cells of cell_m. Two cells whose mean points are within 1.8 cell_m belong to one superpoint
    if their normals differ by less than angle_deg and their mean colours by less than `colour` in every channel (0..1);
    superpoints are the connected components. A simple stand-in for the mesh segments of ScanNet. xyz_m: (N, 3); rgb:
    (N, 3) uint8.
    """
    row, count = voxel_rows(xyz_m, cell_m)
    superpoint = np.full(len(xyz_m), -1, np.int64)
    inside = row >= 0
    if count == 0:
        return superpoint
    origin_m = xyz_m[inside].astype(np.float64).mean(axis=0)
    middle_m = _means(xyz_m[inside] - origin_m, row[inside], count)
    tree = cKDTree(middle_m)
    a, b = tree.query_pairs(_REACH * cell_m, output_type="ndarray").T
    normal = _normals(middle_m, tree)
    alike = np.abs(np.einsum("ij,ij->i", normal[a], normal[b])) >= np.cos(np.radians(angle_deg))
    if rgb is not None:
        mean = _means(rgb[inside] / 255.0, row[inside], count)
        alike &= np.abs(mean[a] - mean[b]).max(axis=1, initial=0.0) <= colour
    joined = coo_matrix((np.ones(int(alike.sum()), bool), (a[alike], b[alike])), shape=(count, count))
    _, component = connected_components(joined, directed=False)
    superpoint[inside] = component[row[inside]]
    return superpoint


def _means(values: np.ndarray, row: np.ndarray, count: int) -> np.ndarray:
    """(count, 3) mean of the values (N, 3) of each row."""
    points = np.bincount(row, minlength=count)
    return np.stack([np.bincount(row, values[:, axis], count) / points for axis in range(3)], axis=1)


def _normals(middle_m: np.ndarray, tree: cKDTree) -> np.ndarray:
    """(M, 3) unit normal of each cell's neighbourhood (direction of least variance); the sign is arbitrary."""
    _, near = tree.query(middle_m, k=min(_NEIGHBOURS, len(middle_m)))
    offset = middle_m[near.reshape(len(middle_m), -1)]
    offset = offset - offset.mean(axis=1, keepdims=True)
    _, direction = np.linalg.eigh(np.einsum("nki,nkj->nij", offset, offset))
    return direction[:, :, 0]
