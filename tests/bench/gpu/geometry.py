"""Voxels, features and neighbour tables: in torch on the device, and by the core's loops with the way there."""

from typing import Any

import torch

from offline_training.networks.sparse.inputs import SparsePreparer
from offline_training.networks.sparse.maps import SparseMaps
from offline_training.networks.sparse.on_device.kernel_maps import device_kernel_maps
from offline_training.networks.sparse.on_device.voxels import device_features, voxelise_scans
from tests.bench.gpu.bench import Bench
from tests.bench.gpu.clock import interleaved_ms
from tests.bench.gpu.clouds import cloud_of_voxels
from tests.bench.report.timing import measured_row as row

FEATURES = ("intensity", "height", "offset_z", "log_points")


def measure(bench: Bench) -> list[dict[str, Any]]:
    """Milliseconds by stage and number of voxels."""
    rows = []
    for count in bench.voxels:
        cloud = cloud_of_voxels(count)
        points = [len(cloud.xyz_m)]
        xyz_m, intensity = (torch.from_numpy(part).to(bench.device) for part in (cloud.xyz_m, cloud.intensity))
        found = voxelise_scans(xyz_m, points, cloud.grid)
        core = SparsePreparer(cloud.grid, FEATURES, tables_later=True)
        arrays = [(cloud.xyz_m, cloud.intensity)]
        rows_of_core = core(arrays).maps.voxels
        if not torch.equal(found.voxels.cpu(), rows_of_core):
            raise RuntimeError(f"{count} voxels: expected the core's, found others. See test_device_maps.py.")
        runs = {
            "voxels, torch": lambda x=xyz_m, p=points, g=cloud.grid: voxelise_scans(x, p, g),
            "features, torch": lambda x=xyz_m, i=intensity, f=found, p=points, g=cloud.grid: device_features(
                x, i, None, f, p, g, FEATURES
            ),
            "tables, torch": lambda f=found: device_kernel_maps(f.voxels, 5),
            "voxels and features, core": lambda a=arrays, c=core: c(a),
            "tables, core, and their way to the device": lambda v=rows_of_core: _built_and_moved(v, bench.device),
        }
        for name, taken in interleaved_ms(runs, bench.device, bench.repeats).items():
            rows.append(row(f"{name}, {cloud.voxels} voxels", taken, kind="geometry", stage=name, voxels=count))
    return rows


def _built_and_moved(voxels: torch.Tensor, device: torch.device) -> list[torch.Tensor]:
    tables = SparseMaps(voxels).tables
    return [table.index.to(device) for table in (*tables.subm, *tables.child)]
