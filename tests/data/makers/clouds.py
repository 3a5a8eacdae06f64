"""PCD files of two drivers, a camera whose lens bends straight lines, and scans of a few points in indoor and street formats."""

from pathlib import Path

import numpy as np

from lidar_vl_core.geometry.rigid_transform import RigidTransform
from tests.data.makers.street import places, save_picture, street

_WIDTH, _HEIGHT = 640, 400
_K = np.array([[717.6, 0.0, 323.8], [0.0, 718.5, 202.0], [0.0, 0.0, 1.0]])
_D = (-0.1192, 0.162, 0.00074, 0.0014)  # k1 k2 p1 p2
_T_CAM_LIDAR = RigidTransform(
    np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.array([-0.03, -0.4, -0.09])
)
IN_PICTURE, BESIDE = 1000, 1400
_S3DIS_NAMES = "ceiling floor wall beam column window door table chair sofa bookcase board clutter"


def write_driver_pcd(path: Path) -> None:
    """A cloud of 31 bytes a point without padding, as a driver of 16 beams writes it."""
    cloud = street("vlp16", 180, 160).frame(0, cameras=False).cloud
    x, y, z = places(cloud.xyz_m).T
    columns = {
        "x": x, "y": y, "z": z, "intensity": np.round(255 * cloud.intensity).astype(np.uint8),
        "return_type": np.full(len(x), 1, np.uint8), "channel": cloud.extra["ring"], "azimuth": np.arctan2(y, x),
        "elevation": np.arctan2(z, np.hypot(x, y)), "distance": np.linalg.norm(cloud.xyz_m, axis=1),
        "time_stamp": np.round(1e9 * (cloud.extra["time"] + 0.1)).astype(np.uint32),
    }  # fmt: skip
    rows = np.zeros(len(x), [(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    path.write_bytes(_pcd_header(rows.dtype, len(rows), "binary") + rows.tobytes())


def write_lens(folder: Path) -> None:
    """calib.txt, calib.pcd and calib.jpg: of the points IN_PICTURE lie in the picture, BESIDE do not."""
    rng = np.random.default_rng(3)
    seen_px = rng.uniform((2, 2), (_WIDTH - 3, _HEIGHT - 3), (IN_PICTURE, 2))
    side = rng.uniform((-0.3, -0.3), (1.3, 1.3), (8 * BESIDE, 2)) * (_WIDTH, _HEIGHT)
    outside = (side < -8).any(axis=1) | (side > (_WIDTH + 8, _HEIGHT + 8)).any(axis=1)
    beside_px = side[outside][: BESIDE // 2]
    depth_m = rng.uniform(4, 40, IN_PICTURE + len(beside_px))
    ahead = np.column_stack([_undistorted(np.vstack([seen_px, beside_px])), np.ones(len(depth_m))]) * depth_m[:, None]
    behind = ahead[: BESIDE - len(beside_px)] * (1, 1, -1)
    xyz_m = places(_T_CAM_LIDAR.inverse().apply(np.vstack([ahead, behind])))
    rows = np.zeros(len(xyz_m), "<f4,<f4,<f4,<f4,<u2,<f8")
    rows.dtype.names = ("x", "y", "z", "intensity", "ring", "timestamp")
    rows["x"], rows["y"], rows["z"] = xyz_m.T
    rows["intensity"], rows["ring"] = rng.integers(0, 256, len(rows)), np.arange(len(rows)) % 64
    folder.mkdir(parents=True)
    by_field = b"".join(np.ascontiguousarray(rows[name]).tobytes() for name in rows.dtype.names)
    packed = _lzf(by_field)
    sizes = np.array([len(packed), len(by_field)], "<u4").tobytes()
    (folder / "calib.pcd").write_bytes(_pcd_header(rows.dtype, len(rows), "binary_compressed") + sizes + packed)
    numbers = {"K": _K.ravel(), "D": _D, "T": _T_CAM_LIDAR.matrix()[:3].ravel()}
    (folder / "calib.txt").write_text(
        "".join(f"{k}: {' '.join(f'{v:g}' for v in row)}\n" for k, row in numbers.items())
    )
    picture = np.full((_HEIGHT, _WIDTH, 3), 90, np.uint8)
    picture[tuple(np.rint(seen_px).astype(int).T[::-1])] = 255
    save_picture(folder / "calib.jpg", picture, quality=30)


def write_few_points(folder: Path) -> None:
    """Scans of 50 to 100 points in the formats of S3DIS, ScanNet (as mmdetection3d converts them) and SemanticKITTI."""
    rng = np.random.default_rng(11)
    rooms = {"s3dis": ("Area_1_office_2", 13), "scannet": ("scene0000_00", 41)}
    for data_set, (scene, classes) in rooms.items():
        points = np.column_stack([places(rng.uniform(0, 4, (100, 3))), rng.integers(0, 256, (100, 3))])
        content = {
            "points": points.astype(np.float32), "semantic_mask": rng.integers(0, classes, 100),
            "instance_mask": rng.integers(0, 9, 100),
        }  # fmt: skip
        for name, values in content.items():
            (folder / data_set / name).mkdir(parents=True)
            values.tofile(folder / data_set / name / f"{scene}.bin")
    (folder / "s3dis" / "meta_data").mkdir()
    (folder / "s3dis" / "meta_data" / "class_names.txt").write_text(_S3DIS_NAMES.replace(" ", "\n") + "\n")
    sequence = folder / "semantickitti" / "sequences" / "00"
    points = np.column_stack([places(rng.uniform(-20, 20, (50, 3))), rng.random(50)])
    raw = rng.choice([0, 10, 40, 48, 50, 70, 252], 50) | (rng.integers(0, 9, 50) << 16)
    for name, values in (
        ("velodyne/000000.bin", points.astype(np.float32)),
        ("labels/000000.label", raw.astype(np.uint32)),
    ):
        (sequence / name).parent.mkdir(parents=True)
        values.tofile(sequence / name)


def _undistorted(uv_px: np.ndarray) -> np.ndarray:
    """(N, 2) rays with z = 1 of pixels, by repeating OpenCV's equations of the lens until they hold."""
    k1, k2, p1, p2 = _D
    wanted = (uv_px - _K[:2, 2]) / (_K[0, 0], _K[1, 1])
    ray = wanted.copy()
    for _ in range(100):
        x, y = ray.T
        r2 = x * x + y * y
        bent = np.column_stack([2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y])
        ray = (wanted - bent) / (1 + k1 * r2 + k2 * r2 * r2)[:, None]
    return ray


def _pcd_header(dtype: np.dtype, count: int, form: str) -> bytes:
    kinds = [dtype[name] for name in dtype.names]
    lines = [
        "# .PCD v0.7 - Point Cloud Data file format", "VERSION 0.7", f"FIELDS {' '.join(dtype.names)}",
        f"SIZE {' '.join(str(kind.itemsize) for kind in kinds)}", f"TYPE {' '.join(kind.kind.upper() for kind in kinds)}",
        f"COUNT {' '.join('1' for _ in kinds)}", f"WIDTH {count}", "HEIGHT 1", "VIEWPOINT 0 0 0 1 0 0 0", f"POINTS {count}",
        f"DATA {form}",
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in lines).encode()


def _lzf(data: bytes) -> bytes:
    """LZF without any repetition found: runs of at most 32 bytes, each after its length less one."""
    return b"".join(bytes([len(data[k : k + 32]) - 1]) + data[k : k + 32] for k in range(0, len(data), 32))
