"""A scan of a sequence in SemanticKITTI's format, with its picture, masks of segments and a weak label map."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from offline_training.synthetic.sensors.drive import SyntheticView
from tests.data.makers.street import cityscapes_labels, places, raw_ids, save_picture, street

_ROWS = slice(72, 216)  # KITTI's pictures are wide and low
_LEAST_PX = 120


def write_semantic_kitti(folder: Path, weak_labels: Path) -> None:
    """sequences/00 with one scan, and a weak label map of its picture."""
    frame = street("hdl64", 240, 480).frame(6)
    sequence, cloud = folder / "sequences" / "00", frame.cloud
    rows = np.column_stack([places(cloud.xyz_m), np.round(100 * np.minimum(cloud.intensity, 0.99)) / 100])
    for name in ("velodyne", "labels"):
        (sequence / name).mkdir(parents=True)
    rows.astype(np.float32).tofile(sequence / "velodyne" / "000000.bin")
    raw_ids("semantic_kitti")[cloud.extra["label"]].astype(np.uint32).tofile(sequence / "labels" / "000000.label")
    view = _low(next(view for view in frame.views if view.name == "front"))
    projection = np.hstack([view.camera.K, np.zeros((3, 1))])
    rows_of_calib = {"P0": projection, "P2": projection, "Tr": view.T_cam_lidar.matrix()[:3]}
    (sequence / "calib.txt").write_text(
        "".join(f"{name}: {' '.join(f'{value:.12e}' for value in m.ravel())}\n" for name, m in rows_of_calib.items())
    )
    save_picture(sequence / "image_2" / "000000.png", view.rgb)
    save_picture(weak_labels / "sequences" / "00" / "image_2" / "000000.png", cityscapes_labels(view))
    for number, mask in enumerate(_masks(view)):
        save_picture(sequence / "sam_masks" / "000000" / f"{number:03}.png", mask.astype(np.uint8) * 255)


def _low(view: SyntheticView) -> SyntheticView:
    K = view.camera.K.copy()
    K[1, 2] -= _ROWS.start
    camera = CameraModel(view.camera.width, _ROWS.stop - _ROWS.start, K)
    return replace(view, camera=camera, rgb=view.rgb[_ROWS], depth_m=view.depth_m[_ROWS], class_id=view.class_id[_ROWS])


def _masks(view: SyntheticView) -> list[np.ndarray]:
    """One mask for each thing in view as a segmenter of anything gives them, and four rough ones that overlap many."""
    from scipy import ndimage

    masks = []
    for class_id in np.unique(view.class_id):
        parts, count = ndimage.label(view.class_id == class_id)
        masks += [parts == part for part in range(1, count + 1) if (parts == part).sum() >= _LEAST_PX]
    height, width = view.class_id.shape
    for quarter in range(4):
        rough = np.zeros((height, width), bool)
        rough[height // 3 :, quarter * width // 4 : (quarter + 1) * width // 4] = True
        masks.append(rough)
    return masks
