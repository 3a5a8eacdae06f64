"""Whether the edges of a recording's clouds lie on those of its images, for each camera and over time. Reads and writes files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lidar_vl_core.bags.recording import RecordedFrame, Recording, open_recording
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.commands.recordings.progress import Progress
from lidar_vl_core.drawing.alignment_picture import alignment_picture
from lidar_vl_core.drawing.figures import in_rows, png_bytes
from lidar_vl_core.edge_alignment.camera_watch import CameraWatch
from lidar_vl_core.edge_alignment.depth_edges import depth_edges
from lidar_vl_core.edge_alignment.score_map import reduced
from lidar_vl_core.foundation.errors import BadBag, BadCalibration, BadImage, ToldTexts
from lidar_vl_core.foundation.files import write_bytes, write_text
from lidar_vl_core.foundation.result_folder import require_apart, result_folder

if TYPE_CHECKING:
    from PIL.Image import Image

RESULT_FILES = ("calibration.json", "calibration.png")
_MOST_FRAMES = 200  # spread evenly over a recording: neighbours show the same edges
_PARTS = 10  # that the time is cut into

_Last = dict[str, tuple[RecordedFrame, CameraView]]  # by camera, the last image that could be used


def calibration_check(
    bag: Path,
    out: Path,
    cloud_topic: str | None = None,
    compensate: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda frames, _count: frames,
) -> dict[str, Any]:
    """Judge the calibration of every camera of a bag; write calibration.json and calibration.png into `out`.

    compensate: as of open_recording. Returns the content of calibration.json. Raises BadBag where there is no image with a place
    to look at, and what open_recording() raises.
    """
    require_apart(out, bag)
    with (
        result_folder(out, RESULT_FILES, overwrite) as staged,
        open_recording(bag, cloud_topic, compensate=compensate) as recording,
    ):
        watch = CameraWatch(_MOST_FRAMES)
        last: _Last = {}
        unusable = ToldTexts()
        frames = list(_spread(recording, progress, watch, last, unusable))
        if not watch.cameras:
            told = " ".join(recording.warnings[:2])
            raise BadBag(
                f"{bag}: expected clouds with images and transforms between them, found none. Record camera_info and tf as well. {told}"
            )
        found = {
            "bag": bag.name,
            "frames": len(frames),
            "cameras": {name: _told(watch, name) for name in watch.cameras},
            "warnings": [*recording.warnings, *(f"{text} ({count} times)" for text, count in unusable.items())],
        }
        pictures = [_picture(watch, name, *last[name]) for name in watch.cameras]
        write_bytes(staged / "calibration.png", png_bytes(in_rows(pictures, 1)))
        write_text(staged / "calibration.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    return found


def _spread(
    recording: Recording,
    progress: Progress,
    watch: CameraWatch,
    last: _Last,
    unusable: ToldTexts,
) -> Iterator[int]:
    """Look at frames spread over the recording; gives their indices and fills in the others."""
    every = -(-recording.cloud_count // _MOST_FRAMES)
    for frame in progress(recording.frames(), recording.cloud_count):
        if frame.index % every:
            continue
        for view in frame.views:
            try:
                watch.add(frame.cloud, view)
            except (BadImage, BadCalibration) as error:
                unusable.tell([f"image of {view.name} left out: {error}"])
                continue
            last[view.name] = frame, view
        yield frame.index


def _told(watch: CameraWatch, name: str) -> dict[str, Any]:
    return {
        **watch.alignment(name).as_json(),
        "frames": watch.frames(name),
        "over_time": [
            {"first_stamp_ns": first_ns, "last_stamp_ns": last_ns, **alignment.as_json()}
            for first_ns, last_ns, alignment in watch.over_time(name, _PARTS)
        ],
    }


def _picture(watch: CameraWatch, name: str, frame: RecordedFrame, view: CameraView) -> "Image":
    camera = reduced(view.camera)
    depth = depth_edges(frame.cloud.xyz_m[frame.cloud.has_return()], camera, view.T_cam_lidar)
    return alignment_picture(name, view.load_rgb(), view.camera, depth, watch.scores(name), watch.alignment(name))
