"""Is a data set where it should be, and whole? Counts its files, opens some samples and says what it finds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.commands.inspection import inspection
from lidar_vl_core.foundation.errors import BadDataset, LidarVlError
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from offline_training.datasets.base.layouts import layout_line, layout_tree
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.check_rgbd import RgbdSource, depth_told, scene_findings, some_views
from offline_training.datasets.data_counts import file_counts, key_frame_counts, sequences_there, split_counts
from offline_training.datasets.data_sources import DataSource, SampleSource, open_source
from offline_training.datasets.lidar.nuscenes import NuScenes

_CLASSES = {
    "synthetic_rooms": "synthetic_rooms",
    "semantic_kitti": "semantic_kitti19",
    "scribble_kitti": "semantic_kitti19",
    "rellis3d": "rellis3d19",
    "semantic_poss": "semantic_poss13",
    "semantic_stf": "semantic_kitti19",
    "synlidar": "synlidar32",
    "daps3d": "daps3d4",
    "scannet": "scannet20",
    "s3dis": "s3dis13",
    "rgbd_folder": "scannet20",
}
_MADE = {
    "synthetic": "*.npz",
    "synthetic_rooms": "*/views.npz",
}  # what the folders of data sets that make themselves hold
_SCENES = ("rgbd_folder", "scannet", "s3dis", "openscene")
_WRONG = "wrong: "


def check_data(source: DataSource) -> Iterator[str]:
    """Findings about a data set, a line each: the layout expected, counts, and its first, middle and last sample.

    Raises BadDataset, telling the layout, when the data set is absent, and at the end when a finding is wrong.
    """
    yield f"expected in {source.folder}:\n{layout_tree(source.kind)}"
    classes = class_table(_class_table_of(source))
    wrong = 0
    for finding in _bag_findings(source, classes) if source.kind == "ros_bag" else _findings(source, classes):
        wrong += finding.startswith(_WRONG)
        yield finding
    if wrong:
        raise BadDataset(
            f"{source.folder}: expected a whole data set {source.kind}, found {wrong} wrong "
            f"{'things' if wrong > 1 else 'thing'}, told above. Unpack what is damaged again."
        )


def _class_table_of(source: DataSource) -> str:
    if source.kind == "openscene" and Path(source.folder).is_dir():
        from offline_training.datasets.rgbd.openscene_scenes import openscene_classes

        return openscene_classes(Path(source.folder))
    if source.kind == "rgbd_folder" and source.label_table == "nyuv2_13":
        return "nyu13"
    return _CLASSES.get(source.kind, "nuscenes16")


def _findings(source: DataSource, classes: ClassTable) -> Iterator[str]:
    dataset = _open(source, classes)
    yield from scene_findings(source, dataset) if source.kind in _SCENES else _sequence_findings(source, dataset)
    for index in sorted({0, len(dataset) // 2, len(dataset) - 1}):
        yield from _sample_findings(dataset, index)


def _sequence_findings(source: DataSource, dataset: SampleSource) -> Iterator[str]:
    folder = Path(source.folder)
    if isinstance(dataset, NuScenes):
        yield from key_frame_counts(dataset)
        there = frozenset(dataset.files(index).name.partition("/")[0] for index in range(len(dataset)))
    else:
        yield from file_counts(source.kind, folder)
        there = sequences_there(source.kind, folder)
    yield from split_counts(source.kind, folder, there)


def _bag_findings(source: DataSource, classes: ClassTable) -> Iterator[str]:
    """A bag is read once for what it holds and once for three of its clouds, so that the rest need not stay in memory."""
    found = inspection(Path(source.folder)) if Path(source.folder).exists() else None
    clouds = {} if found is None else {t["name"]: t["count"] for t in found["topics"] if t["type"] == CLOUD_TYPE}
    for name, count in clouds.items():
        yield f"{name}: {count:,} clouds"
    if found is not None:
        yield from (f"{camera['image_topic']}: camera {camera['name']}" for camera in found["cameras"])
        yield from (f"note: {warning}" for warning in found["warnings"])
    count = clouds.get(source.cloud_topic or next(iter(clouds), ""), 1)
    places = tuple(str(place) for place in sorted({0, count // 2, max(count - 1, 0)}))
    dataset = _open(source.model_copy(update={"frames": places}), classes)
    for index in range(len(dataset)):
        yield from _sample_findings(dataset, index)


def _open(source: DataSource, classes: ClassTable) -> SampleSource:
    """The data set; a synthetic one must be there already. Raises BadDataset with the layout."""
    layout = layout_line(source.kind)
    if source.kind in _MADE and not any(Path(source.folder).glob(_MADE[source.kind])):
        raise BadDataset(
            f"{source.folder}: expected kept scans ({layout}), found none. Train once, or check the folder."
        )
    try:
        return open_source(source, classes)
    except BadDataset as error:
        told = str(error)
        raise BadDataset(told if layout in told else f"{told} The folder must hold {layout}.") from error


def _sample_findings(dataset: SampleSource, index: int) -> Iterator[str]:
    try:
        sample = dataset[index]
    except LidarVlError as error:
        yield f"{_WRONG}{error}"
        return
    cloud = sample.cloud
    finite = cloud.finite()
    if not finite.any():
        yield f"{_WRONG}{sample.name}: expected points, found none that is finite"
        return
    farthest_m = float(np.linalg.norm(cloud.xyz_m[finite], axis=1).max())
    yield (
        f"{sample.name}: {len(cloud):,} points, {100 * finite.mean():.1f} % finite, up to {farthest_m:.1f} m, "
        f"intensity {cloud.intensity.min():.3f} to {cloud.intensity.max():.3f}, {_told_classes(sample)}"
    )
    if float(cloud.intensity.max()) == 0.0 and "rgb" not in cloud.extra:
        yield f"note: {sample.name}: every intensity is 0"
    if isinstance(dataset, RgbdSource):
        yield f"{sample.name}: {len(sample.views)} views, {dataset.skipped_views(index)} left out as their pose means nothing"
    for view in some_views(sample.views):
        yield _view_finding(sample, view)


def _told_classes(sample: Sample) -> str:
    if sample.class_id is None:
        return "no labels"
    labelled = sample.class_id[sample.class_id != IGNORE_ID]
    if len(labelled) == 0:
        return "labels that are all ignored"
    count = np.bincount(labelled, minlength=len(sample.classes))
    most = [sample.classes.names[k] for k in np.argsort(-count, kind="stable")[:3] if count[k]]
    share = 100 * len(labelled) / len(sample.class_id)
    return f"{share:.1f} % in {(count > 0).sum()} classes, most in {', '.join(most)}"


def _view_finding(sample: Sample, view: CameraView) -> str:
    try:
        height, width = view.load_rgb().shape[:2]
        depth, fits = depth_told(view, sample.cloud)
    except LidarVlError as error:
        return f"{_WRONG}{error}"
    _, _, visible = view.camera.project(view.T_cam_lidar.apply(sample.cloud.xyz_m))
    told = f"{sample.name}: {view.name} {width}x{height}, {int(visible.sum()):,} points in the picture{depth}"
    if not fits:
        return (
            f"{_WRONG}{told}: depth and points do not belong together; is the pose camera to world, depth in its unit?"
        )
    return told if visible.any() else f"{_WRONG}{told}: calibration and picture do not belong together"
