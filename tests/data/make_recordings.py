"""Makes all recordings of this folder again: `python -m tests.data.make_recordings [FOLDER]`, about two minutes.

Everything is made by this project's synthetic street and rooms and by the scripts in `makers`; no byte comes from another
data set. Rays are cast by Embree, so that another processor may give files that differ in the last digits.
"""

import shutil
import sys
from pathlib import Path

from tests.data.makers.bags import write_odometry, write_old_recording, write_raw_packets, write_street_bags
from tests.data.makers.clouds import write_driver_pcd, write_few_points, write_lens
from tests.data.makers.nuscenes import write_nuscenes_frame, write_range_images
from tests.data.makers.pandaset import write_pandaset
from tests.data.makers.rooms import write_nyu_picture, write_seven_scenes
from tests.data.makers.semantic_kitti import write_semantic_kitti
from tests.data.makers.text_vectors import write_text_vectors


def make_recordings(folder: Path) -> None:
    """All recordings, in place of those that are there."""
    for old in folder.iterdir() if folder.is_dir() else ():
        if old.is_dir() and old.name not in ("makers", "__pycache__"):
            shutil.rmtree(old)
    weak_labels = folder / "weak_labels_espnet"
    write_pandaset(folder / "pandaset_street", weak_labels / "pandaset_street")
    write_nuscenes_frame(folder / "nuscenes_street")
    write_range_images(folder / "rangeimage_labelled" / "nuscenes_street")
    write_semantic_kitti(folder / "semantickitti", weak_labels / "semantickitti")
    write_seven_scenes(folder / "rgbd_7scenes")
    write_nyu_picture(folder / "rgbd_nyuv2")
    write_street_bags(folder / "bags")
    write_raw_packets(folder / "bags" / "packets_vlp16" / "scans")
    write_driver_pcd(folder / "bags" / "packets_vlp16" / "scan.pcd")
    write_old_recording(folder / "bags" / "without_metadata" / "sample.db3")
    write_odometry(folder / "bags" / "odometry_turtlebot" / "odometry.mcap")
    write_lens(folder / "calibrated_lens" / "1")
    write_few_points(folder / "tiny_fixtures")
    write_text_vectors(folder / "weights_small" / "clip_text")


if __name__ == "__main__":
    make_recordings(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
