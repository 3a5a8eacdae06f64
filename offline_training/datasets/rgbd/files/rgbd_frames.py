"""Where the frames of a posed RGB-D scene lie: 7-Scenes' flat folder, or the folders that ScanNet's exporter writes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset, BadTransform
from lidar_vl_core.foundation.files import read_small_text
from lidar_vl_core.foundation.plain_arrays import load_plain_array
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.layout import Layout

# Of posed frames with depth, wherever they come from.
LAYOUT = Layout(
    (
        ("frame-*.color.jpg", "or .png, as 7-Scenes; the folder is a scene, or scenes lie below it"),
        ("frame-*.depth.png", "16 bits, millimetres, 0 or 65535 = none"),
        ("frame-*.pose.txt", "4x4, camera to world"),
        ("camera-intrinsics.txt", "3x3, of the scene or of a folder above it"),
        ("color/*.jpg", "or folders as ScanNet's exporter writes them"),
        ("depth/*.png", "16 bits, millimetres"),
        ("pose/*.txt", "4x4, camera to world"),
        ("intrinsic/intrinsic_color.txt", "and intrinsic_depth.txt"),
        ("*.ply", "optional: the scene's points; without it they come from the depth images"),
        ("0001_rgb.png", "or NYU Depth V2, images without poses, with 0001_depth_mm.png and 0001_label13.png"),
    )
)
_MAX_MATRIX_BYTES = 1 << 16
_PICTURES = (".jpg", ".jpeg", ".png")
_MATTERPORT_COLOR = re.compile(r"_i(\d)_(\d)$")  # <panorama>_i1_3.jpg has the depth image <panorama>_d1_3.png
_SHARED_INTRINSICS = ("camera-intrinsics.txt", "intrinsics.txt", "intrinsic.txt")


@dataclass(frozen=True)
class RgbdFiles:
    """The files of one frame."""

    name: str  # unique in its scene
    color: Path
    depth: Path | None  # None in a scene without depth images
    pose: Path  # camera to world
    K: Path | None = None  # intrinsics of this frame alone


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """K (3, 3) of the colour images; of the depth images where they have their own."""

    color: np.ndarray
    depth: np.ndarray | None = None


def rgbd_scenes(folder: Path) -> list[Path]:
    """The folder, where it is a scene itself, or those of its folders and their folders that are."""
    if _is_scene(folder):
        return [folder]
    return sorted(path for depth in ("*", "*/*") for path in folder.glob(depth) if path.is_dir() and _is_scene(path))


def rgbd_files(scene: Path) -> list[RgbdFiles]:
    """Frames of a scene that have a pose file, in the order of their numbers; raises BadDataset for an incomplete one."""
    in_folders = (scene / "pose").is_dir()
    if not in_folders:
        return sorted(map(_flat, scene.glob("*.pose.txt")), key=_in_order)
    poses = (path for path in (scene / "pose").iterdir() if path.suffix in (".txt", ".npy"))
    has_depth = (scene / "depth").is_dir()
    return sorted((_in_folders(pose, has_depth) for pose in poses), key=_in_order)


def read_intrinsics(scene: Path, root: Path) -> Intrinsics:
    """Intrinsics of a scene, or of a folder above it up to the data set's. Raises BadDataset saying which files were looked for."""
    for folder in (scene, *scene.parents):
        for own in (folder / "intrinsic" / "intrinsic_color.txt", folder / "intrinsics_color.txt"):
            if own.exists():
                depth = own.with_name(own.name.replace("color", "depth"))
                return Intrinsics(read_matrix(own)[:3, :3], read_matrix(depth)[:3, :3] if depth.exists() else None)
        for name in _SHARED_INTRINSICS:
            if (folder / name).exists():
                return Intrinsics(read_matrix(folder / name)[:3, :3])
        if folder == root:
            break
    raise BadDataset(
        f"{scene}: expected the camera's matrix in {', '.join(_SHARED_INTRINSICS)} or intrinsic/intrinsic_color.txt, "
        "found none up to the data set's folder. Write the 3x3 matrix of its colour images into camera-intrinsics.txt."
    )


def read_pose(path: Path) -> RigidTransform | None:
    """T_world_cam of a frame; None where tracking was lost, which files tell by numbers that are infinite or not rigid.

    Raises BadDataset for a file that does not hold 4x4 numbers.
    """
    return rigid_or_none(read_matrix(path, (4,)))


def rigid_or_none(matrix: np.ndarray) -> RigidTransform | None:
    """The transform of a (4, 4) matrix, None when it is not finite or not rigid to 1e-3."""
    try:
        return RigidTransform.from_matrix(matrix)
    except BadTransform:
        return None


def read_matrix(path: Path, sizes: Sequence[int] = (3, 4)) -> np.ndarray:
    """(n, n) float64 of text or .npy, n one of `sizes`; raises BadDataset."""
    try:
        if path.suffix == ".npy":
            matrix = np.asarray(load_plain_array(path, _MAX_MATRIX_BYTES), np.float64)
        else:
            matrix = np.asarray(np.loadtxt(read_small_text(path).splitlines()), np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise BadDataset(
            f"{path}: expected rows of numbers, found: {str(error)[:120]}. Copy the file again."
        ) from error
    if matrix.shape not in [(size, size) for size in sizes]:
        told = " or ".join(f"{size}x{size}" for size in sizes)
        raise BadDataset(f"{path}: expected {told} numbers, found shape {matrix.shape}. Copy the file again.")
    return matrix


def _is_scene(folder: Path) -> bool:
    return (folder / "pose").is_dir() or any(folder.glob("*.pose.txt"))


def _flat(pose: Path) -> RgbdFiles:
    name = pose.name.removesuffix(".pose.txt")
    color = _picture(pose.parent, f"{name}.color")
    return RgbdFiles(name, color, _there(pose.parent / f"{name}.depth.png"), pose)


def _in_folders(pose: Path, has_depth: bool) -> RgbdFiles:
    scene, name = pose.parent.parent, pose.stem
    depth = None
    if has_depth:
        depth = scene / "depth" / f"{name}.png"
        matterport = scene / "depth" / (_MATTERPORT_COLOR.sub(r"_d\1_\2", name) + ".png")
        depth = matterport if matterport.exists() else _there(depth)
    own = (scene / "intrinsic" / f"{name}.txt", scene / "K" / f"{name}.npy")
    K = next((path for path in own if path.exists()), None)
    return RgbdFiles(name, _picture(scene / "color", name), depth, pose, K)


def _picture(folder: Path, stem: str) -> Path:
    for suffix in _PICTURES:
        if (folder / f"{stem}{suffix}").exists():
            return folder / f"{stem}{suffix}"
    return _there(folder / f"{stem}.jpg")


def _there(path: Path) -> Path:
    if not path.exists():
        raise BadDataset(
            f"{path}: expected this image beside its pose ({LAYOUT.line()}), found none. "
            "Copy the scene again, or remove the frame's pose."
        )
    return path


def _in_order(files: RgbdFiles) -> tuple[int, str]:
    digits = "".join(filter(str.isdecimal, files.name))
    return int(digits or 0), files.name
