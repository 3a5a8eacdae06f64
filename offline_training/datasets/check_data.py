"""Is a data set where it should be, and whole? Counts its files, opens some samples and says what it finds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset, LidarVlError
from offline_training.datasets.base.data_set_spec import DataSetSpec, Splits
from offline_training.datasets.base.file_counts import WRONG
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import NotedSource, SampleSource
from offline_training.datasets.check_boxes import box_findings
from offline_training.datasets.check_rgbd import RgbdSource, depth_told, some_views
from offline_training.datasets.data_sources import DataSource, data_set_spec, open_source

_FARTHEST_M = 5000.0  # beyond any LiDAR on the ground
_MOST_AT_FULL = 0.5  # share of a scan's intensities that reflectors may reach


def check_data(source: DataSource) -> Iterator[str]:
    """Findings about a data set, a line each: the layout expected, counts, and its first, middle and last sample.

    Raises BadDataset, telling the layout, when the data set is absent, and at the end when a finding is wrong.
    """
    spec = data_set_spec(source.kind)
    yield f"expected in {source.folder}:\n{spec.layout.tree()}"
    wrong = 0
    for finding in _findings(spec, source):
        wrong += finding.startswith(WRONG)
        yield finding
    if wrong:
        raise BadDataset(
            f"{source.folder}: expected a complete data set {source.kind}, found {wrong} wrong "
            f"{'things' if wrong > 1 else 'thing'}, listed above. Unpack what is missing or damaged again, or correct the keys."
        )


def _findings(spec: DataSetSpec[Any], source: DataSource) -> Iterator[str]:
    classes = class_table(spec.classes[0] if spec.classes_of is None else spec.classes_of(source))
    part = source
    if spec.first_look is not None:
        lines, part = spec.first_look(source)
        yield from lines
    dataset = _open(spec, part, classes)
    yield from (_sample_counts if spec.counts is None else spec.counts)(part, dataset, spec.splits)
    for index in sorted({0, len(dataset) // 2, len(dataset) - 1}):
        yield from _sample_findings(dataset, index)
    yield from box_findings(source)


def _sample_counts(source: DataSource, dataset: SampleSource, splits: Splits) -> Iterator[str]:
    """How many scenes there are, in all and of each official split."""
    yield f"scenes: {len(dataset):,}"
    for split in splits:
        asked = source.model_copy(update={"split": split, "sequences": None})
        try:
            yield f"split {split}: {len(open_source(asked, dataset.classes)):,} scenes"
        except LidarVlError as error:
            yield f"split {split}: found {str(error).partition(', found ')[2] or error}"


def _open(spec: DataSetSpec[Any], source: DataSource, classes: ClassTable) -> SampleSource:
    """The data set; a synthetic one must be there already. Raises BadDataset with the layout."""
    layout = spec.layout.line()
    if spec.made_files is not None and not any(Path(source.folder).glob(spec.made_files)):
        raise BadDataset(
            f"{source.folder}: expected cached scans ({layout}), found none. Train once, or check the folder."
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
        yield f"{WRONG}{error}"
        return
    cloud = sample.cloud
    met = cloud.has_return()
    if not met.any():
        yield f"{WRONG}{sample.name}: expected points, found none with a return"
        return
    farthest_m = float(np.linalg.norm(cloud.xyz_m[met].astype(np.float64), axis=1).max())
    yield (
        f"{sample.name}: {len(cloud):,} points, {100 * met.mean():.1f} % with a return, up to {farthest_m:.1f} m, "
        f"intensity {cloud.intensity.min():.3f} to {cloud.intensity.max():.3f}, {_told_classes(sample)}"
    )
    if cloud.in_sensor_frame and farthest_m > _FARTHEST_M:
        yield (
            f"{WRONG}{sample.name}: expected points in metres, which a LiDAR measures up to {_FARTHEST_M:.0f} m, found one at "
            f"{farthest_m:.4g} m; check the unit and the columns of the scans"
        )
    if float(cloud.intensity.max()) == 0.0 and "rgb" not in cloud.extra:
        yield f"note: {sample.name}: every intensity is 0"
    if (at_full := float((cloud.intensity[met] >= 1.0).mean())) > _MOST_AT_FULL:
        yield (
            f"note: {sample.name}: {100 * at_full:.0f} % of the intensities are at full scale; check that they are stored in the "
            "unit of this data set"
        )
    if isinstance(dataset, NotedSource):
        yield from (f"note: {note}" for note in dataset.notes(index))
    if isinstance(dataset, RgbdSource):
        yield f"{sample.name}: {len(sample.views)} views, {dataset.skipped_views(index)} left out because their pose is invalid"
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
        return f"{WRONG}{error}"
    _, _, visible = view.camera.project(view.T_cam_lidar.apply(sample.cloud.measured_xyz_m()))
    told = f"{sample.name}: {view.name} {width}x{height}, {int(visible.sum()):,} points in the image{depth}"
    if not fits:
        return f"{WRONG}{told}: depth and points do not fit; check that the pose is camera to world and the unit of the depth"
    return told if visible.any() else f"{WRONG}{told}: calibration and image do not fit"
