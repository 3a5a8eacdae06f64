"""How well calibration-check tells a wrong calibration from a right one: verdicts and scores on drives, as they are and altered.

Run: python -m tests.bench.core.calibration BAG... [--pandaset FOLDER]; each camera of each recording is one case.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.edge_alignment.alignment import Alignment, Verdict, alignment_of
from lidar_vl_core.edge_alignment.depth_edges import depth_edges
from lidar_vl_core.edge_alignment.image_edges import image_edges
from lidar_vl_core.edge_alignment.score_map import ScoreMaps, no_scores, reduced, score_maps, turn
from lidar_vl_core.geometry.rigid_transform import RigidTransform

Frame = tuple[PointCloud, tuple[CameraView, ...]]

_ROLL_1_DEG = np.array([[np.cos(0.01745), -np.sin(0.01745), 0], [np.sin(0.01745), np.cos(0.01745), 0], [0, 0, 1]])
ALTERED = {
    "as it is": RigidTransform.identity(),
    "yaw +1 deg": RigidTransform(turn(1.0, 0.0), np.zeros(3)),
    "yaw -1 deg": RigidTransform(turn(-1.0, 0.0), np.zeros(3)),
    "pitch +1 deg": RigidTransform(turn(0.0, 1.0), np.zeros(3)),
    "pitch -1 deg": RigidTransform(turn(0.0, -1.0), np.zeros(3)),
    "roll +1 deg": RigidTransform(_ROLL_1_DEG, np.zeros(3)),
    "10 cm right": RigidTransform(np.eye(3), np.array([0.1, 0.0, 0.0])),
    "10 cm left": RigidTransform(np.eye(3), np.array([-0.1, 0.0, 0.0])),
    "10 cm down": RigidTransform(np.eye(3), np.array([0.0, 0.1, 0.0])),
    "10 cm ahead": RigidTransform(np.eye(3), np.array([0.0, 0.0, 0.1])),
}


def alignments(frames: Iterator[Frame]) -> dict[str, dict[str, Alignment]]:
    """By what was altered, then by camera."""
    sums: dict[str, dict[str, ScoreMaps]] = {name: {} for name in ALTERED}
    for cloud, views in frames:
        xyz_m = cloud.xyz_m[cloud.has_return()]
        for view in views:
            camera = reduced(view.camera)
            image = image_edges(view.load_rgb(), camera.width, camera.height)
            for name, T_wrong_cam in ALTERED.items():
                maps = score_maps(depth_edges(xyz_m, camera, T_wrong_cam @ view.T_cam_lidar), image, camera)
                sums[name][view.name] = sums[name].get(view.name, no_scores()) + maps
    return {name: {camera: alignment_of(maps) for camera, maps in found.items()} for name, found in sums.items()}


def _of_bag(path: Path) -> Iterator[Frame]:
    with open_recording(path) as recording:
        for frame in recording.frames():
            yield frame.cloud, frame.views


def _of_pandaset(folder: Path) -> Iterator[Frame]:
    from offline_training.datasets.lidar.pandaset import PANDAR64, PandaSet

    data = PandaSet(folder, sensor=PANDAR64)
    for index in range(0, len(data), 4):
        yield data[index].cloud, data[index].views


def _print(cases: list[tuple[str, dict[str, dict[str, Alignment]]]]) -> None:
    print(
        "| | off | cannot tell | fits | score by the score as it is, median (quartiles) | yaw, deg | pitch, deg | right, cm | down, cm |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in ALTERED:
        pairs = [(found[name][c], found["as it is"][c]) for _, found in cases for c in found[name]]
        verdicts = Counter(now.verdict for now, _ in pairs)
        ratios = [now.score / right.score for now, right in pairs if right.score > 0]
        low, middle, high = np.percentile(ratios, (25, 50, 75))
        moved = [
            np.median([getattr(now, axis).best for now, _ in pairs if now.verdict is not Verdict.UNCLEAR] or [np.nan])
            for axis in ("yaw_deg", "pitch_deg", "right_m", "down_m")
        ]
        counts = " | ".join(str(verdicts[each]) for each in (Verdict.OFF, Verdict.UNCLEAR, Verdict.FITS))
        print(
            f"| {name} | {counts} | {middle:.2f} ({low:.2f} to {high:.2f}) | {moved[0]:+.2f} | {moved[1]:+.2f} | "
            f"{100 * moved[2]:+.0f} | {100 * moved[3]:+.0f} |"
        )


def main() -> None:
    """Print the verdicts of all cameras as they are, then the table of what was altered."""
    parser = CommandLine(prog="python -m tests.bench.core.calibration", description=__doc__)
    parser.add_argument("bags", type=Path, nargs="*")
    parser.add_argument("--pandaset", type=Path)
    options = parser.parse_args()
    cases = [(path.stem, alignments(_of_bag(path))) for path in options.bags]
    if options.pandaset is not None:
        cases.append((options.pandaset.name, alignments(_of_pandaset(options.pandaset))))
    for source, found in cases:
        for camera, alignment in found["as it is"].items():
            print(f"{source} {camera}: {alignment.edges} edges, score {alignment.score:.2f}, {alignment}")
    print()
    _print(cases)


if __name__ == "__main__":
    main()
