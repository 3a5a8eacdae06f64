"""What cheaper looks at a cloud cost in quality: a part of its points against coarser voxels. Run: python -m tests.bench.training.load_mode

The demo model on synthetic streets that it has not learned from and, with --pandaset, on later frames of the street it has.
"""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.load_mode import SHARES
from lidar_vl_core.tasks.segmenter import Segmenter

_COARSER = (1.5, 2.0)
_FRAMES = ("30", "32", "34", "36")

Look = Callable[[PointCloud], np.ndarray]


def looks() -> dict[str, Look]:
    """Class of every point, by the name of the look."""
    package = load_model_package("demo")
    segmenter = Segmenter(package, threads=1)
    segmenter.warm_up()
    found: dict[str, Look] = {
        f"{share:.0%} of the points": lambda cloud, share=share: segmenter.segment(cloud, share).class_id
        for share in SHARES
    }
    for factor in _COARSER:
        coarse = Segmenter(package, threads=1)
        size = tuple(factor * side for side in package.grid.voxel_size)
        coarse._grid = replace(package.grid, voxel_size=size)  # not what the network was trained for
        found[f"voxels x {factor}"] = lambda cloud, coarse=coarse: coarse.segment(cloud).class_id
    return found


def clouds(pandaset: Path | None, cache: Path) -> Iterable[tuple[str, Iterable]]:
    """Samples by the name of their set."""
    from offline_training.datasets.lidar.pandaset import PandaSet
    from offline_training.datasets.lidar.synthetic_streets import SyntheticDataset
    from offline_training.synthetic.sensors.lidar_spec import LIDARS

    if pandaset is not None:
        yield "PandaSet, Pandar64 and PandarGT", PandaSet(pandaset, _FRAMES)
    yield "streets, 64 beams", SyntheticDataset(range(9100, 9104), 1, cache, LIDARS["hdl64"])
    yield "streets, 32 beams", SyntheticDataset(range(9000, 9006), 1, cache, LIDARS["hdl32"])


def main() -> int:
    """Measure and print mIoU, points without an answer, and CPU time of a cloud on one thread."""
    parser = CommandLine(prog="python -m tests.bench.training.load_mode", description=__doc__.splitlines()[0])
    parser.add_argument("--pandaset", type=Path, help="folder of PandaSet sequence 002")
    parser.add_argument("--cache", type=Path, default=Path("out/cache/synthetic"), help="of synthetic sweeps")
    arguments = parser.parse_args()
    of_look = looks()
    for title, samples in clouds(arguments.pandaset, arguments.cache):
        quality = {name: ConfusionMatrix(16) for name in of_look}
        cpu_ms: dict[str, list[float]] = {name: [] for name in of_look}
        points = []
        for sample in (samples[index] for index in range(len(samples))):
            points.append(len(sample.cloud))
            for name, look in of_look.items():
                started = time.process_time()
                quality[name].add(sample.class_id, look(sample.cloud))
                cpu_ms[name].append(1e3 * (time.process_time() - started))
        for name, matrix in quality.items():
            unanswered = matrix.counts[:, -1].sum() / matrix.counts.sum()
            print(
                f"{title}, {np.mean(points):,.0f} points, {name:<20} mIoU {100 * matrix.mean_iou():5.1f} %  "
                f"no answer {100 * unanswered:4.1f} %  {np.median(cpu_ms[name]):6.1f} ms",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
